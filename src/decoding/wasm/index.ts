import { eventNames, kindOfName } from '../../events/catalogue/index.ts';
import type { BatchWriter, RecordsTold } from '../../events/writer.ts';
import type { Carrier } from '../carrier.ts';
import {
  BLANK_LINE,
  countOf,
  endOf,
  type FormedLines,
  type LineForm,
  type Piece,
} from '../formed-lines.ts';
import type { LineKernel, SingleLineKernel } from '../kernel.ts';
import { tornOf } from '../torn-names.ts';
import {
  FORM_WORDS,
  form,
  kinds,
  NO_LINE,
  names,
  pieces as pieceKinds,
  TOLD_WORDS,
  WORDS_OF_PIECE,
  told as word,
} from './contract.ts';
import type { KernelExports } from './module.ts';

const LF = 0x0a;
const LINE_END = Uint8Array.of(LF);

/**
 * Memory that threads share is copied byte by byte unless both ends lie alike in words of this many
 * bytes: that took a third of the time that a log of runs takes to decode.
 */
const COPIED_BYTES = 8;

/** Names that are none of the catalogue's, in its table at most; a build of QEMU has some 5,000. */
const MOST_NAMES = 2048;

/** What becomes of a line by whether its name shows that it is torn. */
const KIND_OF = {
  whole: kinds.COUNTED,
  cut: kinds.COUNTED_BEFORE_BLANK,
  glued: kinds.LEFT,
} as const;

const WORD_BYTES = Uint32Array.BYTES_PER_ELEMENT;
/** What a form has room for. */
const MOST_PIECES = (form.FORM_RECORD - form.FORM_FIRST_PIECE) / WORDS_OF_PIECE;
const MOST_RECORD_WORDS = form.FORM_LITERALS - form.FORM_RECORD - 2;
/** Behind the longest record: where a number goes that no record has. */
const NO_WORD = MOST_RECORD_WORDS;
const MOST_LITERAL_BYTES = (FORM_WORDS - form.FORM_LITERALS) * WORD_BYTES;

/** The two words of a piece. */
function wordsOfPiece(piece: Piece): readonly [what: number, length: number] {
  switch (piece.is) {
    case 'literal':
      return [pieceKinds.LITERAL, piece.bytes.length];
    case 'fraction':
      return [pieceKinds.FRACTION, piece.digits];
    case 'rest':
      return [pieceKinds.REST, 0];
    case 'text':
      return [pieceKinds.TEXT, 0];
    case 'string':
      return [pieceKinds.STRING, 0];
    case 'figures':
      return [pieceKinds.FIGURES, piece.digits];
    case 'elapsed':
      return [pieceKinds.ELAPSED, 0];
    case 'any':
      return [pieceKinds.ANY, 0];
    case 'digits':
      return [pieceKinds.DIGITS, 0];
    case 'decimal':
    case 'hex':
      return [kindOfNumber(piece), piece.word ?? NO_WORD];
  }
}

function kindOfNumber({ is, isGrouped, isWide }: Extract<Piece, { readonly word: number | null }>) {
  if (is === 'decimal' && isGrouped === true) {
    return isWide ? pieceKinds.GROUPED_DECIMAL_WIDE : pieceKinds.GROUPED_DECIMAL;
  }
  if (is === 'decimal') return isWide ? pieceKinds.DECIMAL_WIDE : pieceKinds.DECIMAL;
  if (isGrouped === true) return isWide ? pieceKinds.GROUPED_HEX_WIDE : pieceKinds.GROUPED_HEX;
  return isWide ? pieceKinds.HEX_WIDE : pieceKinds.HEX;
}

/** Forms that are taken of a block in any case. */
const FEW_FORMS = 128;

/** The kernel compares literals sixteen bytes at a time. */
function roundedUp(bytes: number): number {
  return (bytes + 15) & ~15;
}

/** Where the last line or paragraph ends that does before `to`, or there; 0 where none does. */
function endBefore(block: Uint8Array, ending: Uint8Array, to: number): number {
  const bytes = Buffer.from(block.buffer, block.byteOffset, to);
  const at = bytes.lastIndexOf(ending);
  return at < 0 ? 0 : at + ending.length;
}

function isOutsideTable({ length }: string): boolean {
  return length < names.SHORTEST_NAME || length > names.LONGEST_NAME;
}

/** What is done with the lines that the kernel leaves, one at a time. */
interface LeftLines {
  /** The next line has to be read here. */
  isOpen(): boolean;
  /** Nanoseconds at the end of the last line. */
  clock: number;
  /** Takes note of lines that the kernel counted. */
  counted(lines: Uint32Array): void;
  /** Bytes that end one of them. */
  readonly ending: Uint8Array;
  /** Decodes the line at `at`; returns where the next one begins. */
  line(at: number): number;
  /** How many lines the one at `from .. to` is. */
  count(from: number, to: number): number;
  unfinishedLine(at: number): void;
  takeCounts(): void;
}

/**
 * The kernel in WebAssembly: lines that are a stamp and an event, or a name to be counted, which
 * nearly all are, go through it by 256 KiB; each other one goes to `others`. So do lines that others
 * have put around QEMU's, where they are of a form that was seen in this block.
 */
export class WasmKernel implements LineKernel {
  readonly #kernel: KernelExports;
  readonly #others: SingleLineKernel;
  readonly #bytes: Uint8Array;
  readonly #source: number;
  readonly #sourceBytes: number;
  readonly #records: number;
  readonly #told: Uint32Array;
  /** The slots of uncatalogued names that the kernel counts. */
  readonly #counted = new Map<string, number>();
  #names = 0;
  /** Forms that were asked for in this block. */
  #forms = 0;

  constructor(kernel: KernelExports, others: SingleLineKernel) {
    const { buffer } = kernel.memory;
    this.#kernel = kernel;
    this.#others = others;
    this.#bytes = new Uint8Array(buffer);
    this.#source = kernel.source();
    this.#sourceBytes = kernel.sourceBytes.value;
    this.#records = kernel.records();
    this.#told = new Uint32Array(buffer, kernel.told(), TOLD_WORDS);
    for (const [kind, name] of eventNames.entries()) {
      if (isOutsideTable(name) || name.includes(':')) continue;
      this.#bytes.set(Buffer.from(name), this.#source);
      this.#kernel.add(this.#source, name.length, kind);
    }
  }

  decode(block: Uint8Array, carrier: Carrier, writer: BatchWriter): number {
    const others = this.#others;
    if (carrier.embeds) return this.decodeFormed(block, others.framed(carrier), writer);
    return this.#decode(block, writer, false, {
      isOpen: () => false,
      clock: 0,
      counted: () => {},
      ending: LINE_END,
      line: (at) => others.line(block, at, carrier, writer),
      count: () => 1,
      unfinishedLine: (at) => others.unfinishedLine(block, at, writer),
      takeCounts: () => others.takeCounts(writer),
    });
  }

  /** Decodes lines of the forms that `lines` tells; returns how many there are. */
  decodeFormed(block: Uint8Array, lines: FormedLines, writer: BatchWriter): number {
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    this.#kernel.forgetForms();
    this.#forms = 0;
    return this.#decode(bytes, writer, true, {
      isOpen: () => lines.isOpen,
      get clock() {
        return lines.clock ?? 0;
      },
      set clock(nanoseconds) {
        if (lines.clock !== undefined) lines.clock = nanoseconds;
      },
      counted: (counted) => lines.counted?.(counted),
      ending: lines.areParagraphs === true ? BLANK_LINE : LINE_END,
      line: (at) => {
        const lf = endOf(lines, bytes, at);
        lines.line(bytes, at, lf, writer);
        if (this.#told[word.IS_FORM_KNOWN] === 0 && this.#mayTakeForm(writer.line)) {
          const form = lines.form();
          if (form !== null) this.#takeForm(form);
        }
        return lf + 1;
      },
      count: (from, to) => countOf(lines, bytes, from, to),
      unfinishedLine: (at) => lines.unfinishedLine(bytes, at, writer),
      takeCounts: () => lines.takeCounts(writer),
    });
  }

  #decode(block: Uint8Array, writer: BatchWriter, isFormed: boolean, left: LeftLines): number {
    const end = endBefore(block, left.ending, block.length);
    let line = 0;
    for (let at = 0; at < end; ) {
      // Whole lines, as many as there is room for; a line longer than that is one of the others.
      const most = Math.min(end, at + this.#sourceBytes);
      const to = most === end ? end : endBefore(block, left.ending, most);
      if (to <= at) {
        writer.line = line;
        const next = left.line(at);
        line += left.count(at, next);
        at = next;
      } else {
        line = this.#chunk(block, at, to, line, writer, isFormed, left);
        at = to;
      }
    }
    if (end < block.length) {
      writer.line = line;
      left.unfinishedLine(end);
      line += left.count(end, block.length);
    }
    this.#takeCounts(writer);
    left.takeCounts();
    return line;
  }

  /** Decodes the lines at `from .. to`; returns the number of the line behind them. */
  #chunk(
    block: Uint8Array,
    from: number,
    to: number,
    first: number,
    writer: BatchWriter,
    isFormed: boolean,
    left: LeftLines,
  ): number {
    const kernel = this.#kernel;
    const source = this.#source + ((block.byteOffset + from) % COPIED_BYTES);
    const shift = from - source;
    this.#bytes.set(block.subarray(from, to), source);
    let line = first;
    for (let at = from; at < to; ) {
      if (!left.isOpen()) {
        const records = this.#records + (writer.nextByte % COPIED_BYTES);
        kernel.setClock(left.clock);
        at = kernel.decode(at - shift, to - shift, line, shift, records, isFormed) + shift;
        line += this.#told[word.LINES] as number;
        left.clock = kernel.clock();
        this.#takeRecords(records, writer);
        this.#tellCounted(left);
        if (at === to) break;
        if (this.#told[word.NAME] !== 0) this.#learn();
      }
      writer.line = line;
      const next = left.line(at);
      line += left.count(at, next);
      at = next;
    }
    return line;
  }

  /** Where hardly two lines are alike, their forms are not worth their while. */
  #mayTakeForm(lines: number): boolean {
    this.#forms += 1;
    return this.#forms <= FEW_FORMS || this.#forms * 4 < lines;
  }

  /** Has the kernel read other lines of this form. */
  #takeForm(lineForm: LineForm): void {
    const { counted, lines = 1, pieces, record, seconds, nanoseconds, thread, source } = lineForm;
    const bytes = pieces.reduce(
      (sum, piece) => sum + (piece.is === 'literal' ? roundedUp(piece.bytes.length) : 0),
      0,
    );
    const recordWords = record?.length ?? 0;
    if (pieces.length > MOST_PIECES || bytes > MOST_LITERAL_BYTES) return;
    if (recordWords > MOST_RECORD_WORDS) return;
    const at = this.#kernel.newForm();
    const words = new Uint32Array(this.#bytes.buffer, at, FORM_WORDS);
    words[form.FORM_PIECES] = 0;
    const literals = at + form.FORM_LITERALS * WORD_BYTES;
    const slot = counted === undefined ? 0 : this.#slotOf(counted, literals);
    if (slot === null) return;
    words[form.FORM_PIECES] = pieces.length;
    words[form.FORM_SLOT] = slot;
    words[form.FORM_LINES] = lines;
    words[form.FORM_SECONDS] = seconds;
    words[form.FORM_NANOSECONDS] = nanoseconds;
    words[form.FORM_THREAD] = thread;
    words[form.FORM_SOURCE] = source;
    words[form.FORM_RECORD_WORDS] = recordWords;
    if (record !== null) words.set(record, form.FORM_RECORD);
    let literal = literals;
    for (const [index, piece] of pieces.entries()) {
      const pieceAt = form.FORM_FIRST_PIECE + index * WORDS_OF_PIECE;
      words.set(wordsOfPiece(piece), pieceAt);
      if (piece.is !== 'literal') continue;
      this.#bytes.set(piece.bytes, literal);
      literal += roundedUp(piece.bytes.length);
    }
  }

  /** The slot of a name that is counted, or null; what is at `scratch` is written over. */
  #slotOf(name: string, scratch: number): number | null {
    const known = this.#counted.get(name);
    if (known !== undefined) return known;
    if (this.#names === MOST_NAMES || isOutsideTable(name)) return null;
    if (kindOfName(name) !== undefined || tornOf(name) === 'glued') return null;
    this.#bytes.set(Buffer.from(name), scratch);
    return this.#add(scratch, name);
  }

  /** Adds the name at `at` to the table of the kernel; returns its slot where it is counted from now on, or null. */
  #add(at: number, name: string): number | null {
    const kind = KIND_OF[tornOf(name) ?? 'whole'];
    const slot = this.#kernel.add(at, name.length, kind);
    this.#names += 1;
    if (slot === 0 || kind === kinds.LEFT) return null;
    this.#counted.set(name, slot);
    return slot;
  }

  #takeRecords(at: number, writer: BatchWriter): void {
    const told = this.#told;
    const events = told[word.EVENTS] as number;
    if (events === 0) return;
    const words = (told[word.BYTES] as number) / Uint32Array.BYTES_PER_ELEMENT;
    const records = new Uint32Array(this.#bytes.buffer, at, words);
    writer.append(records, {
      events,
      thread: told[word.THREAD] as number,
      source: told[word.SOURCE] as number,
      isOneWriter: told[word.IS_ONE_WRITER] === 1,
      first: this.#placeAt(word.FIRST),
      firstSeconds: told[word.FIRST + 2] as number,
      firstNanoseconds: told[word.FIRST + 3] as number,
      lastSeconds: told[word.LAST] as number,
      lastNanoseconds: told[word.LAST + 1] as number,
      backwards: this.#placeAt(word.BACKWARDS),
    } satisfies RecordsTold);
  }

  #tellCounted(left: LeftLines): void {
    const lines = this.#told[word.COUNTED_LINES] as number;
    if (lines === 0) return;
    left.counted(new Uint32Array(this.#bytes.buffer, this.#kernel.counted(), lines * 2));
  }

  #placeAt(word: number): { readonly line: number; readonly byteOffset: number } | null {
    const line = this.#told[word] as number;
    return line === NO_LINE ? null : { line, byteOffset: this.#told[word + 1] as number };
  }

  /** Takes the name that the kernel did not know into its table, so that it counts the next one itself. */
  #learn(): void {
    if (this.#names === MOST_NAMES) return;
    const at = this.#told[word.NAME] as number;
    const length = this.#told[word.NAME + 1] as number;
    const name = Buffer.from(this.#bytes.buffer, at, length).toString('latin1');
    if (!/^[a-z][a-z0-9]*_[a-z0-9_]*$/.test(name) || kindOfName(name) !== undefined) return;
    this.#add(at, name);
  }

  #takeCounts(writer: BatchWriter): void {
    for (const [name, slot] of this.#counted) {
      const count = this.#kernel.takeCount(slot);
      if (count > 0) writer.skip(name, count);
    }
  }
}
