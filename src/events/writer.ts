import { NO_TIME } from '../base/place.ts';
import {
  type BatchClock,
  type EventBatch,
  FIRST_SOURCE,
  HEADER_WORDS,
  isSetBack,
  KIND,
  LINE,
  NANOSECONDS,
  NO_SOURCE,
  NO_THREAD,
  OFFSET,
  type PlaceInBatch,
  RECORD_WORDS,
  RUN,
  RUN_MORE,
  SECONDS,
  SOURCE,
  THREAD,
} from './batch.ts';
import { type EventKind, eventNames } from './catalogue/index.ts';

const IS_TRACE_EVENT = Uint8Array.from(eventNames, (name) => (name.includes(':') ? 0 : 1));
const LONGEST_RECORD = Math.max(...RECORD_WORDS);

const NONE = new Uint32Array(0);

/** What is said of records that were written elsewhere, so that nobody has to look at each. */
export interface RecordsTold {
  readonly events: number;
  /** Of the first record, and whether all have them. */
  readonly thread: number;
  readonly source: number;
  readonly isOneWriter: boolean;
  /** The first record with a time, or null; the four numbers count only where there is one. */
  readonly first: PlaceInBatch | null;
  readonly firstSeconds: number;
  readonly firstNanoseconds: number;
  readonly lastSeconds: number;
  readonly lastNanoseconds: number;
  /** The first record that is more than a second older than the one before it among these. */
  readonly backwards: PlaceInBatch | null;
}

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
  #newestAt = 0;
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
    if (kind === RUN) this.#words[this.#used + RUN_MORE] = 0;
    return this.#used + HEADER_WORDS;
  }

  /** The record that was committed last, or nothing: the writer's own memory. */
  get newest(): Uint32Array {
    return this.#words.subarray(this.#newestAt, this.#used);
  }

  /** The records that are committed: the writer's own memory. */
  get written(): Uint32Array {
    return this.#words.subarray(0, this.#used);
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
    if (nanoseconds !== NO_TIME) this.#tick(this.line, byteOffset, seconds, nanoseconds);
    this.#newestAt = at;
    this.#used = at + (RECORD_WORDS[words[at + KIND] as number] as number);
    this.#textUsed = this.#textEnd;
    this.#events += 1;
    this.#traceEvents += IS_TRACE_EVENT[words[at + KIND] as number] as number;
  }

  /** Where the next record goes, in bytes from the front of its memory. */
  get nextByte(): number {
    return this.#words.byteOffset + this.#used * Uint32Array.BYTES_PER_ELEMENT;
  }

  /** Takes whole records of trace events without texts, in the place of as many calls of `commit`. */
  append(records: Uint32Array, told: RecordsTold): void {
    const { thread, source, first } = told;
    while (this.#used + records.length > this.#words.length) this.#grow();
    this.#words.set(records, this.#used);
    if (this.#events === 0) {
      this.#firstThread = thread;
      this.#firstSource = source;
    }
    if (thread !== this.#firstThread || source !== this.#firstSource || !told.isOneWriter) {
      this.#hasOneWriter = false;
    }
    if (first !== null) {
      this.#tick(first.line, first.byteOffset, told.firstSeconds, told.firstNanoseconds);
      this.#backwards ??= told.backwards;
      this.#lastSeconds = told.lastSeconds;
      this.#lastNanoseconds = told.lastNanoseconds;
    }
    this.#used += records.length;
    this.#events += told.events;
    this.#traceEvents += told.events;
  }

  #tick(line: number, byteOffset: number, seconds: number, nanoseconds: number): void {
    if (this.#first === null) {
      this.#first = { line, byteOffset };
      this.#firstSeconds = seconds;
      this.#firstNanoseconds = nanoseconds;
    } else if (isSetBack(seconds, this.#lastSeconds)) {
      this.#backwards ??= { line, byteOffset };
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

  /** The number of a process by its name, such as a syslog ident: of this batch only. */
  sourceOf(name: string): number {
    let number = this.#sources.get(name);
    if (number === undefined) {
      number = FIRST_SOURCE + this.#sources.size;
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
      sources: [...this.#sources.keys()],
      writer:
        this.#events > 0 && this.#hasOneWriter
          ? { thread: this.#firstThread, source: this.#firstSource }
          : null,
      clock: this.#clock(),
      records: null,
    };
    this.#words = NONE;
    this.#text = new Uint8Array(1024);
    this.#used = 0;
    this.#newestAt = 0;
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
