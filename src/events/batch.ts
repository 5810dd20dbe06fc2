import { hexOfWords, pageOfWords } from '../base/address.ts';
import { NO_TIME } from '../base/place.ts';
import { argumentWords, type EventKind, eventNames } from './catalogue.ts';

/**
 * Packed event batches: the only thing between decoding and replay.
 *
 * A batch holds the events of some whole lines as records of 32-bit words, in two buffers that
 * cross threads without a copy. A record is a header of HEADER_WORDS words and the event's
 * arguments as the catalogue lays them out; texts lie in an arena of their own. Lines and byte
 * offsets count from the batch's first line, so that batches can be decoded side by side.
 */
export interface EventBatch {
  /** Records, one after the other. */
  readonly words: Uint32Array;
  /** The texts that records point to, as the bytes of the trace. */
  readonly text: Uint8Array;
  /** The bytes that were decoded, for quoting lines in reports. */
  readonly source: Uint8Array;
  /** Offset of `source` in the decompressed stream. */
  readonly byteOffset: number;
  /** Bytes of the stream that it stands for: more than `source` holds where a line was too long. */
  readonly byteLength: number;
  /** Lines that end in `source` (an unfinished last line of the trace counts as one). */
  readonly lines: number;
  /** Records in `words`. */
  readonly events: number;
  /** Those of them that are trace events, and not messages or marks. */
  readonly traceEvents: number;
  /** Lines that are no event and no message. */
  readonly foreignLines: number;
  /** Events that the replay does not need, by name. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Names of the processes that records name by number, where the trace tells them apart. */
  readonly sources: Readonly<Record<number, string>>;
  /** The thread and the process of all records, where they are the same; else null. */
  readonly writer: { readonly thread: number; readonly source: number } | null;
  /** Null where no record has a time. */
  readonly clock: BatchClock | null;
}

/** A place in a batch: like those of records, counted from its first line. */
interface PlaceInBatch {
  readonly line: number;
  readonly byteOffset: number;
}

/** The times of a batch's records, so that nobody has to look at each. */
export interface BatchClock {
  readonly firstSeconds: number;
  readonly firstNanoseconds: number;
  readonly lastSeconds: number;
  readonly lastNanoseconds: number;
  /** The first record with a time. */
  readonly first: PlaceInBatch;
  /** The first one that is more than a second older than the one before it. */
  readonly backwards: PlaceInBatch | null;
}

/** True where a clock was set back: threads race by microseconds. */
export function isSetBack(seconds: number, secondsBefore: number): boolean {
  return seconds + 1 < secondsBefore;
}

const KIND = 0;
const LINE = 1;
const OFFSET = 2;
const SECONDS = 3;
const NANOSECONDS = 4;
const THREAD = 5;
const SOURCE = 6;
/** Words before a record's first argument. */
export const HEADER_WORDS = 7;

// What stands for nothing, and every number that is read for each event, is below 2^31: V8 keeps
// larger ones on the heap, and the replay would make garbage with every line.
/** In the place of the thread: the line names none. */
export const NO_THREAD = 0;
/** The largest number that is taken for a thread's; Linux gives none above 2^22. */
export const LAST_THREAD = 0x7fff_ffff;
/** In the place of the source: the line does not say which process wrote it. */
export const NO_SOURCE = 0;

const RECORD_WORDS = Uint32Array.from(eventNames, (name) => HEADER_WORDS + argumentWords(name));
const IS_TRACE_EVENT = Uint8Array.from(eventNames, (name) => (name.includes(':') ? 0 : 1));
const LONGEST_RECORD = Math.max(...RECORD_WORDS);

const NONE = new Uint32Array(0);

/** Writes a batch; a decoder fills it, `finish` hands it over and starts the next. */
export class BatchWriter {
  /** Line of the record being written, from 0 at the batch's first. */
  line = 0;
  /** Process that wrote it, as `sourceOf` numbers it, or NO_SOURCE. */
  source = NO_SOURCE;
  foreignLines = 0;

  #words: Uint32Array = NONE;
  readonly #expectedWords: number;
  #used = 0;
  #events = 0;
  #traceEvents = 0;
  #text = new Uint8Array(1024);
  #textUsed = 0;
  /** End of the text of the record that is being written. */
  #textEnd = 0;
  readonly #skipped = new Map<string, number>();
  readonly #sources = new Map<string, number>();
  // Of the first record, and whether all are alike.
  #firstThread = NO_THREAD;
  #firstSource = NO_SOURCE;
  #hasOneWriter = true;
  // Of the first record with a time, of the newest, and of the first that is older than one before.
  #first: PlaceInBatch | null = null;
  #firstSeconds = 0;
  #firstNanoseconds: number = NO_TIME;
  #lastSeconds = 0;
  #lastNanoseconds: number = NO_TIME;
  #backwards: PlaceInBatch | null = null;

  /** `expectedBytes`: how much of the trace one batch will hold; only allocations depend on it. */
  constructor(expectedBytes = 64 * 1024) {
    this.#expectedWords = Math.max(4096, expectedBytes >>> 3);
  }

  /**
   * Where the next batch's records go, instead of memory of their own; if they need more than that,
   * they go elsewhere all the same. Call it before the first `begin`.
   */
  writeTo(words: Uint32Array): void {
    this.#words = words;
  }

  /**
   * Where the arguments of a new record go. Write them with `words` and `addText`, then call
   * `commit`; without it the record never was.
   */
  begin(kind: EventKind): number {
    if (this.#used + LONGEST_RECORD > this.#words.length) this.#grow();
    this.#textEnd = this.#textUsed;
    this.#words[this.#used + KIND] = kind;
    return this.#used + HEADER_WORDS;
  }

  /** The words to write arguments to; ask anew after every `begin`. */
  get words(): Uint32Array {
    return this.#words;
  }

  commit(byteOffset: number, seconds: number, nanoseconds: number, thread: number): void {
    const words = this.#words;
    const at = this.#used;
    words[at + LINE] = this.line;
    words[at + OFFSET] = byteOffset;
    words[at + SECONDS] = seconds;
    words[at + NANOSECONDS] = nanoseconds;
    words[at + THREAD] = thread;
    words[at + SOURCE] = this.source;
    if (this.#events === 0) {
      this.#firstThread = thread;
      this.#firstSource = this.source;
    } else if (thread !== this.#firstThread || this.source !== this.#firstSource) {
      this.#hasOneWriter = false;
    }
    if (nanoseconds !== NO_TIME) this.#tick(byteOffset, seconds, nanoseconds);
    this.#used = at + (RECORD_WORDS[words[at + KIND] as number] as number);
    this.#textUsed = this.#textEnd;
    this.#events += 1;
    this.#traceEvents += IS_TRACE_EVENT[words[at + KIND] as number] as number;
  }

  #tick(byteOffset: number, seconds: number, nanoseconds: number): void {
    if (this.#first === null) {
      this.#first = { line: this.line, byteOffset };
      this.#firstSeconds = seconds;
      this.#firstNanoseconds = nanoseconds;
    } else if (isSetBack(seconds, this.#lastSeconds)) {
      this.#backwards ??= { line: this.line, byteOffset };
    }
    this.#lastSeconds = seconds;
    this.#lastNanoseconds = nanoseconds;
  }

  /** Writes a text argument at word `at`: up to `limit` of the bytes `from .. to`. */
  addText(at: number, bytes: Uint8Array, from: number, to: number, limit = 512): void {
    const length = Math.min(to - from, limit);
    if (this.#textEnd + length > this.#text.length) {
      const larger = new Uint8Array(Math.max(this.#textEnd + length, this.#text.length * 2));
      larger.set(this.#text);
      this.#text = larger;
    }
    this.#text.set(bytes.subarray(from, from + length), this.#textEnd);
    this.#words[at] = this.#textEnd;
    this.#words[at + 1] = length;
    this.#textEnd += length;
  }

  /** The same for bytes of the trace that are at hand as Latin-1, one character each. */
  addLatin1(at: number, text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.addText(at, bytes, 0, bytes.length);
  }

  /** The same for a string. */
  addString(at: number, text: string): void {
    const bytes = Buffer.from(text);
    this.addText(at, bytes, 0, bytes.length);
  }

  /** The number of a process by its name, such as a syslog ident: the same in every batch. */
  sourceOf(name: string): number {
    let number = this.#sources.get(name);
    if (number === undefined) {
      number = hashOf(name);
      this.#sources.set(name, number);
    }
    return number;
  }

  /** Counts an event that is not stored. */
  skip(name: string, count = 1): void {
    this.#skipped.set(name, (this.#skipped.get(name) ?? 0) + count);
  }

  /** The batch so far; the writer is empty again and keeps none of its buffers. */
  finish(source: Uint8Array, byteOffset: number, lines: number): EventBatch {
    const batch: EventBatch = {
      words: this.#words.subarray(0, this.#used),
      text: this.#text.subarray(0, this.#textUsed),
      source,
      byteOffset,
      byteLength: source.length,
      lines,
      events: this.#events,
      traceEvents: this.#traceEvents,
      foreignLines: this.foreignLines,
      skipped: Object.fromEntries(this.#skipped),
      sources: Object.fromEntries([...this.#sources].map(([name, number]) => [number, name])),
      writer:
        this.#events > 0 && this.#hasOneWriter
          ? { thread: this.#firstThread, source: this.#firstSource }
          : null,
      clock: this.#clock(),
    };
    this.#words = NONE;
    this.#text = new Uint8Array(1024);
    this.#used = 0;
    this.#textUsed = 0;
    this.#textEnd = 0;
    this.#events = 0;
    this.#traceEvents = 0;
    this.line = 0;
    this.source = NO_SOURCE;
    this.foreignLines = 0;
    this.#skipped.clear();
    this.#sources.clear();
    this.#hasOneWriter = true;
    this.#first = null;
    this.#backwards = null;
    return batch;
  }

  #clock(): BatchClock | null {
    if (this.#first === null) return null;
    return {
      firstSeconds: this.#firstSeconds,
      firstNanoseconds: this.#firstNanoseconds,
      lastSeconds: this.#lastSeconds,
      lastNanoseconds: this.#lastNanoseconds,
      first: this.#first,
      backwards: this.#backwards,
    };
  }

  #grow(): void {
    const larger = new Uint32Array(Math.max(this.#expectedWords, this.#words.length * 2));
    larger.set(this.#words.subarray(0, this.#used));
    this.#words = larger;
  }
}

/** FNV-1a, 31 bits of it; never NO_SOURCE. */
function hashOf(name: string): number {
  let hash = 0x811c_9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash & 0x7fff_ffff || 1;
}

/**
 * Reads a batch record by record. `at` arguments are word offsets as `offsetsOf` gives them.
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

  #batch: EventBatch;
  #words: Uint32Array;
  #next = 0;
  #args = 0;
  readonly #firstLine: number;

  /** `linesBefore`: lines of the trace before the batch's first. */
  constructor(batch: EventBatch, linesBefore: number) {
    this.#batch = batch;
    this.#words = batch.words;
    this.#firstLine = linesBefore + 1;
  }

  /** A cursor on a copy of the current record, which stays when the batch's memory is used again. */
  copy(): BatchCursor {
    const words = this.#words.slice(this.#args - HEADER_WORDS, this.#next);
    const record = { ...this.#batch, words, source: new Uint8Array(0) };
    const copy = new BatchCursor(record, this.#firstLine - 1);
    copy.next();
    return copy;
  }

  /** Moves to the next record; false after the last. */
  next(): boolean {
    const at = this.#next;
    const words = this.#words;
    if (at >= words.length) return false;
    const kind = words[at + KIND] as number;
    this.kind = kind;
    this.line = this.#firstLine + (words[at + LINE] as number);
    this.#args = at + HEADER_WORDS;
    this.#next = at + (RECORD_WORDS[kind] as number);
    return true;
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
    const from = this.#words[this.#args + at] as number;
    const length = this.#words[this.#args + at + 1] as number;
    return Buffer.from(
      this.#batch.text.buffer,
      this.#batch.text.byteOffset + from,
      length,
    ).toString();
  }
}
