import { eventNames, kindOfName } from '../../events/catalogue/index.ts';
import type { BatchWriter, RecordsTold } from '../../events/writer.ts';
import type { Carrier } from '../carrier.ts';
import type { LineKernel, SingleLineKernel } from '../kernel.ts';
import { tornOf } from '../torn-names.ts';
import type { KernelExports } from './module.ts';

const LF = 0x0a;

/** Lengths of names that the kernel's table takes. */
const SHORTEST_NAME = 8;
const LONGEST_NAME = 47;
/** Names that are none of the catalogue's, in its table at most; a build of QEMU has some 5,000. */
const MOST_NAMES = 2048;

// In the place of a kind: what becomes of a line that begins with such a name.
const COUNTED = -1;
const COUNTED_BEFORE_BLANK = -2;
const LEFT = -3;

// Words that a call leaves; see `assembly/kernel.ts`.
const LINES = 0;
const BYTES = 1;
const EVENTS = 2;
const THREAD = 3;
const IS_ONE_THREAD = 4;
const FIRST = 5;
const LAST = 9;
const BACKWARDS = 11;
const NAME = 13;
const TOLD_WORDS = 15;
const NO_LINE = 0xffff_ffff;

/** An uncatalogued name that the kernel counts. */
interface CountedName {
  readonly name: string;
  readonly slot: number;
}

/**
 * The kernel in WebAssembly: lines that are a stamp and an event, or a name to be counted, which
 * nearly all are, go through it by 256 KiB; each other one goes to `others`.
 */
export class WasmKernel implements LineKernel {
  readonly #kernel: KernelExports;
  readonly #others: SingleLineKernel;
  readonly #bytes: Uint8Array;
  readonly #source: number;
  readonly #sourceBytes: number;
  readonly #records: number;
  readonly #told: Uint32Array;
  readonly #counted: CountedName[] = [];
  #names = 0;

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
      if (name.length < SHORTEST_NAME || name.length > LONGEST_NAME || name.includes(':')) continue;
      this.#bytes.set(Buffer.from(name), this.#source);
      this.#kernel.add(this.#source, name.length, kind);
    }
  }

  decode(block: Uint8Array, carrier: Carrier, writer: BatchWriter): number {
    if (carrier.embeds) return this.#others.decode(block, carrier, writer);
    const end = block.lastIndexOf(LF) + 1;
    let line = 0;
    for (let at = 0; at < end; ) {
      // Whole lines, as many as there is room for; a line longer than that is one of the others.
      const most = Math.min(end, at + this.#sourceBytes);
      const to = most === end ? end : block.lastIndexOf(LF, most - 1) + 1;
      if (to <= at) {
        writer.line = line;
        at = this.#others.line(block, at, carrier, writer);
        line += 1;
      } else {
        line = this.#chunk(block, at, to, line, carrier, writer);
        at = to;
      }
    }
    if (end < block.length) {
      writer.line = line;
      this.#others.unfinishedLine(block, end, writer);
      line += 1;
    }
    this.#takeCounts(writer);
    this.#others.takeCounts(writer);
    return line;
  }

  /** Decodes the lines at `from .. to`; returns the number of the line behind them. */
  #chunk(
    block: Uint8Array,
    from: number,
    to: number,
    first: number,
    carrier: Carrier,
    writer: BatchWriter,
  ): number {
    const kernel = this.#kernel;
    const source = this.#source;
    const shift = from - source;
    this.#bytes.set(block.subarray(from, to), source);
    let line = first;
    for (let at = from; at < to; ) {
      at = kernel.decode(at - shift, to - shift, line, shift) + shift;
      line += this.#told[LINES] as number;
      this.#takeRecords(writer);
      if (at === to) break;
      if (this.#told[NAME] !== 0) this.#learn();
      writer.line = line;
      at = this.#others.line(block, at, carrier, writer);
      line += 1;
    }
    return line;
  }

  #takeRecords(writer: BatchWriter): void {
    const told = this.#told;
    const events = told[EVENTS] as number;
    if (events === 0) return;
    const words = (told[BYTES] as number) / Uint32Array.BYTES_PER_ELEMENT;
    const records = new Uint32Array(this.#bytes.buffer, this.#records, words);
    writer.append(records, {
      events,
      thread: told[THREAD] as number,
      isOneThread: told[IS_ONE_THREAD] === 1,
      first: this.#placeAt(FIRST),
      firstSeconds: told[FIRST + 2] as number,
      firstNanoseconds: told[FIRST + 3] as number,
      lastSeconds: told[LAST] as number,
      lastNanoseconds: told[LAST + 1] as number,
      backwards: this.#placeAt(BACKWARDS),
    } satisfies RecordsTold);
  }

  #placeAt(word: number): { readonly line: number; readonly byteOffset: number } | null {
    const line = this.#told[word] as number;
    return line === NO_LINE ? null : { line, byteOffset: this.#told[word + 1] as number };
  }

  /** Takes the name that the kernel did not know into its table, so that it counts the next one itself. */
  #learn(): void {
    if (this.#names === MOST_NAMES) return;
    const at = this.#told[NAME] as number;
    const length = this.#told[NAME + 1] as number;
    const name = Buffer.from(this.#bytes.buffer, at, length).toString('latin1');
    if (!/^[a-z][a-z0-9]*_[a-z0-9_]*$/.test(name) || kindOfName(name) !== undefined) return;
    const torn = tornOf(name);
    const kind = torn === null ? COUNTED : torn === 'cut' ? COUNTED_BEFORE_BLANK : LEFT;
    const slot = this.#kernel.add(at, length, kind);
    this.#names += 1;
    if (slot !== 0 && kind !== LEFT) this.#counted.push({ name, slot });
  }

  #takeCounts(writer: BatchWriter): void {
    for (const { name, slot } of this.#counted) {
      const count = this.#kernel.takeCount(slot);
      if (count > 0) writer.skip(name, count);
    }
  }
}
