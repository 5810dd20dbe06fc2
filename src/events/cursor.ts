import { hexOfWords, highOfPage, lowOfPage, PAGE_BYTES, pageOfWords } from '../base/address.ts';
import { NO_TIME } from '../base/place.ts';
import {
  type EventBatch,
  HEADER_WORDS,
  KIND,
  LINE,
  NANOSECONDS,
  OFFSET,
  RECORD_WORDS,
  RUN,
  RUN_EVENT,
  RUN_LINE_BYTES,
  RUN_MORE,
  SECONDS,
  SOURCE,
  THREAD,
} from './batch.ts';
import { eventNames, offsetsOf, textsOf } from './catalogue/index.ts';

const NO_BYTES = new Uint8Array(0);
/** Where the texts of an event lie in its record, by its number. */
const TEXTS = eventNames.map(textsOf);

const run = offsetsOf(RUN_EVENT);

/**
 * Reads a batch line by line. `at` arguments are word offsets as `offsetsOf` gives them.
 *
 * ```ts
 * const walk = offsetsOf('vtd_page_walk_one');
 * while (cursor.next()) if (cursor.kind === WALK) use(cursor.page(walk.iova));
 * ```
 */
export class BatchCursor {
  /** The number of the current event. */
  kind = -1;
  /** 1-based line of the trace. */
  line = 0;
  /** Lines of the same run that come next, each with the page behind that of the line before it. */
  runLeft = 0;

  #batch: EventBatch;
  readonly #records: Uint32Array;
  /** Where the current line's record is: in the batch, or, in a run, here. */
  #words: Uint32Array;
  readonly #line = new Uint32Array(RECORD_WORDS[RUN] as number);
  #next = 0;
  #args = 0;
  readonly #firstLine: number;
  /** Where the nanoseconds of the next line of the run are; behind the run's record, if lines have a time. */
  #times = 0;

  /** `linesBefore`: lines of the trace before the batch's first. */
  constructor(batch: EventBatch, linesBefore: number) {
    this.#batch = batch;
    this.#records = batch.words;
    this.#words = batch.words;
    this.#firstLine = linesBefore + 1;
  }

  /** A copy of the current line's record, which stands for no other line. */
  get words(): Uint32Array {
    const from = this.#args - HEADER_WORDS;
    const words = this.#words.slice(from, from + (RECORD_WORDS[this.kind] as number));
    if (this.kind === RUN) words.fill(0, RUN_MORE);
    return words;
  }

  /** A cursor on a copy of the current line, which stays when the batch's memory is used again. */
  copy(): BatchCursor {
    const { words } = this;
    const texts = TEXTS[this.kind] as readonly number[];
    const text = Buffer.concat(texts.map((at) => this.#textBytes(at)));
    let from = 0;
    for (const at of texts) {
      words[HEADER_WORDS + at] = from;
      from += words[HEADER_WORDS + at + 1] as number;
    }
    // Nothing else of the batch, whose memory would be kept with it.
    const record = {
      ...this.#batch,
      words,
      text,
      source: NO_BYTES,
      skipped: {},
      sources: [],
      records: null,
    };
    const copy = new BatchCursor(record, this.#firstLine - 1);
    copy.next();
    return copy;
  }

  /** Moves to the next line; false after the last. */
  next(): boolean {
    if (this.runLeft > 0) {
      this.passRun(1);
      return true;
    }
    const at = this.#next;
    const words = this.#records;
    this.#words = words;
    if (at >= words.length) return false;
    const kind = words[at + KIND] as number;
    this.kind = kind;
    this.line = this.#firstLine + (words[at + LINE] as number);
    this.#args = at + HEADER_WORDS;
    this.#next = at + (RECORD_WORDS[kind] as number);
    if (kind === RUN) this.#beginRun();
    return true;
  }

  #beginRun(): void {
    this.runLeft = this.#words[this.#args - HEADER_WORDS + RUN_MORE] as number;
    if (this.runLeft === 0) return;
    this.#times = this.#next;
    if (this.hasTime) this.#next += this.runLeft;
    // Each line of the run is made of the one before it, in the place of a record.
    const from = this.#args - HEADER_WORDS;
    for (let word = 0; word < this.#line.length; word += 1) {
      this.#line[word] = this.#records[from + word] as number;
    }
    this.#words = this.#line;
    this.#args = HEADER_WORDS;
  }

  /** Moves on by some lines of the run, at most `runLeft`. */
  passRun(lines: number): void {
    const words = this.#words;
    const header = this.#args - HEADER_WORDS;
    const iova = this.#args + run.iova;
    this.runLeft -= lines;
    this.line += lines;
    words[header + LINE] = (words[header + LINE] as number) + lines;
    words[header + OFFSET] =
      (words[header + OFFSET] as number) + lines * (words[header + RUN_LINE_BYTES] as number);
    if (this.hasTime) {
      this.#times += lines;
      words[header + NANOSECONDS] = this.#records[this.#times - 1] as number;
    }
    const page = this.page(run.iova) + lines * (this.page(run.mask) + 1);
    const offset = (words[iova + 1] as number) % PAGE_BYTES;
    words[iova] = highOfPage(page);
    words[iova + 1] = lowOfPage(page) + offset;
  }

  /** Offset of the line's first byte in the decompressed stream. */
  get byteOffset(): number {
    return this.#batch.byteOffset + (this.#words[this.#args - HEADER_WORDS + OFFSET] as number);
  }

  /** Whole seconds of the event's time; meaningless without `hasTime`. */
  get seconds(): number {
    return this.#words[this.#args - HEADER_WORDS + SECONDS] as number;
  }

  get nanoseconds(): number {
    return this.#words[this.#args - HEADER_WORDS + NANOSECONDS] as number;
  }

  get hasTime(): boolean {
    return this.nanoseconds !== NO_TIME;
  }

  /** The thread or process the line names, or NO_THREAD. */
  get thread(): number {
    return this.#words[this.#args - HEADER_WORDS + THREAD] as number;
  }

  /** The process that wrote the line, or NO_SOURCE; the batch has its name. */
  get source(): number {
    return this.#words[this.#args - HEADER_WORDS + SOURCE] as number;
  }

  u32(at: number): number {
    return this.#words[this.#args + at] as number;
  }

  i32(at: number): number {
    return (this.#words[this.#args + at] as number) | 0;
  }

  /** High 32 bits of a u64 argument. */
  high(at: number): number {
    return this.#words[this.#args + at] as number;
  }

  /** Low 32 bits of a u64 argument. */
  low(at: number): number {
    return this.#words[this.#args + at + 1] as number;
  }

  /** The 4 KiB page of a u64 argument. */
  page(at: number): number {
    return pageOfWords(
      this.#words[this.#args + at] as number,
      this.#words[this.#args + at + 1] as number,
    );
  }

  /** A u64 argument as a bigint; for rare events. */
  u64(at: number): bigint {
    return (BigInt(this.high(at)) << 32n) | BigInt(this.low(at));
  }

  /** A u64 argument as text. */
  hex(at: number): string {
    return hexOfWords(this.high(at), this.low(at));
  }

  /** A text; what is no UTF-8 in it shows as U+FFFD. */
  text(at: number): string {
    return this.#textBytes(at).toString();
  }

  #textBytes(at: number): Buffer {
    const from = this.#words[this.#args + at] as number;
    const length = this.#words[this.#args + at + 1] as number;
    const { text } = this.#batch;
    return Buffer.from(text.buffer, text.byteOffset + from, length);
  }
}
