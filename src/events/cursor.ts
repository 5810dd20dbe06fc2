import { hexOfWords, pageOfWords } from '../base/address.ts';
import { NO_TIME } from '../base/place.ts';
import {
  type EventBatch,
  HEADER_WORDS,
  KIND,
  LINE,
  NANOSECONDS,
  OFFSET,
  RECORD_WORDS,
  SECONDS,
  SOURCE,
  THREAD,
} from './batch.ts';
import { eventNames, textsOf } from './catalogue/index.ts';

const NO_BYTES = new Uint8Array(0);
/** Where the texts of an event lie in its record, by its number. */
const TEXTS = eventNames.map(textsOf);

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
    const texts = TEXTS[this.kind] as readonly number[];
    const text = Buffer.concat(texts.map((at) => this.#textBytes(at)));
    let from = 0;
    for (const at of texts) {
      words[HEADER_WORDS + at] = from;
      from += words[HEADER_WORDS + at + 1] as number;
    }
    // Nothing else of the batch, whose memory would be kept with it.
    const record = { ...this.#batch, words, text, source: NO_BYTES, skipped: {}, sources: [] };
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
    return this.#textBytes(at).toString();
  }

  #textBytes(at: number): Buffer {
    const from = this.#words[this.#args + at] as number;
    const length = this.#words[this.#args + at + 1] as number;
    const { text } = this.#batch;
    return Buffer.from(text.buffer, text.byteOffset + from, length);
  }
}
