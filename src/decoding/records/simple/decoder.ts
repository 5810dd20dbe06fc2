import { NO_TIME } from '../../../base/place.ts';
import { type EventBatch, NO_THREAD } from '../../../events/batch.ts';
import { type EventKind, type EventName, kindOfName } from '../../../events/catalogue/index.ts';
import type { LossKind } from '../../../events/catalogue/notes.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { holdsMessage } from '../../commit-event.ts';
import type { DeclaredEvent } from '../../declared-events.ts';
import type { StreamDecoder } from '../../format.ts';
import { LAST_SECOND } from '../../iso-time.ts';
import { writeMessage } from '../../messages.ts';
import { writeLoss, writeLossBefore } from '../../notes.ts';
import { act, declaredLayout, type Layout, layoutsOf, type TextStep } from './layout.ts';
import { printed } from './print.ts';
import {
  DROPPED_HIGH,
  DROPPED_LOW,
  EVENT,
  EVENT_BYTES,
  HEADER_BYTES,
  headerlessOrder,
  headerOf,
  LONGEST_EVENT,
  LONGEST_NAME,
  LONGEST_TEXT,
  MAPPING,
  MAPPING_BYTES,
  TYPE_BYTES,
  viewOf,
} from './wire.ts';

/** Events with a name, and bytes of their names, in one file; QEMU has some six thousand. */
const MOST_NAMES = 65_536;
const MOST_NAME_BYTES = 4 * 1024 * 1024;
/** Only QEMU 7.2 of all whose events are known lacks it. */
const NOT_IN_OLD = 'migrate_error';
const TWO_32 = 2 ** 32;
/** Bytes that come at a time; their records take more than as many of text. */
const EXPECTED_BYTES = 2 * 1024 * 1024;
/** Ids that are looked up without a hash; QEMU counts events from 0. */
const SMALL_IDS = 16_384;
/** So far from a known time the sums of times are exact. */
const FAR = 2 ** 20;

/** An event by its id. */
interface Known {
  readonly name: string;
  /** Null where the replay does not need it. */
  readonly kind: EventKind | null;
  /** In the order in which they are tried: the one that fitted last comes first. */
  readonly layouts: Layout[];
  /** As the user's list has it. */
  readonly declared: DeclaredEvent | null;
  /** Bytes of its arguments as it is declared; null where not known, or where it has strings. */
  readonly bytes: number | null;
  /** Times that it came, since the last batch, and was not stored. */
  skipped: number;
}

/** Decodes the records of the `simple` backend; a file is decoded from its start, as names come anywhere. */
export class SimpleDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #hasHeader: boolean;
  #isLittleEndian = true;
  readonly #declared: ReadonlyMap<string, DeclaredEvent>;
  readonly #writer = new BatchWriter(EXPECTED_BYTES);
  readonly #known = new Map<number, Known>();
  /** Those of them with a small id. */
  readonly #bySmallId: (Known | undefined)[] = new Array<Known | undefined>(SMALL_IDS).fill(
    undefined,
  );
  /** Those of them that came since the last batch and were not stored. */
  readonly #skipped: Known[] = [];
  #nameBytes = 0;
  /** Names that decide between layouts. */
  #isOld = true;
  /** The first bytes have come, which say the order of all others. */
  #hasBegun = false;
  /** Of a record that is not complete. */
  #rest: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #starts: number[] = [];
  /** Why nothing can be read any more: behind damage it is not known where a record begins. */
  #isOver = false;
  // A time that is known, and its words.
  #baseHigh = -FAR * 4;
  #baseLow = 0;
  #baseSeconds = 0;
  #baseNanoseconds = 0;
  // Of the record that is being read.
  #bytes: Uint8Array = new Uint8Array(0);
  #view = viewOf(this.#bytes);
  #seconds = 0;
  #nanoseconds: number = NO_TIME;

  /**
   * `declared`: the build's events in their order, or null: then the catalogue's are known.
   * `hasHeader`: false where ids are positions in that list.
   */
  constructor(
    emit: (batch: EventBatch) => void,
    declared: readonly DeclaredEvent[] | null,
    hasHeader: boolean,
  ) {
    this.#emit = emit;
    this.#hasHeader = hasHeader;
    this.#declared = new Map(declared?.map((event) => [event.name, event]));
    if (!hasHeader) for (const [id, { name }] of declared?.entries() ?? []) this.#name(id, name);
  }

  push(chunk: Uint8Array): void {
    if (this.#isOver) {
      this.#handOver(chunk, chunk.length);
      return;
    }
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    const end = this.#hasBegun ? this.#records(0) : this.#begin();
    // A copy: whoever made the chunk may use its buffer again.
    this.#rest = this.#isOver ? new Uint8Array(0) : Uint8Array.from(bytes.subarray(end));
    this.#handOver(bytes, this.#isOver ? bytes.length : end);
  }

  end(): void {
    const left = this.#rest.length;
    if (left > 0) {
      this.#bytes = this.#rest;
      this.#lose(0, 'truncated', `the file ends within a record, of which ${left} bytes are there`);
    }
    this.#handOver(this.#rest, left);
  }

  /** Reads the header and the records behind it, as far as they are there; returns where they end. */
  #begin(): number {
    if (this.#bytes.length < HEADER_BYTES) return 0;
    const order = this.#hasHeader ? headerOf(this.#bytes) : headerlessOrder(this.#bytes);
    this.#hasBegun = true;
    this.#isLittleEndian = order?.isLittleEndian ?? true;
    return this.#records(this.#hasHeader ? HEADER_BYTES : 0);
  }

  /** Reads all whole records from `at` on; returns where the first other one begins. */
  #records(at: number): number {
    let next = at;
    for (let record = next; ; record = next) {
      next = this.#record(record);
      if (next <= record) return record;
    }
  }

  /** Reads the record at `at`; returns where it ends, or `at` where it is not whole or is damaged. */
  #record(at: number): number {
    const view = this.#view;
    const left = view.byteLength - at;
    if (left < TYPE_BYTES + MAPPING_BYTES) return at;
    const isLittle = this.#isLittleEndian;
    const type = view.getUint32(isLittle ? at : at + 4, isLittle);
    const typeHigh = view.getUint32(isLittle ? at + 4 : at, isLittle);
    if (typeHigh !== 0 || type > EVENT) return this.#stop(at, 'a record of no known type');
    if (type === MAPPING) return this.#mapping(at);
    if (left < TYPE_BYTES + EVENT_BYTES) return at;
    const length = view.getUint32(at + TYPE_BYTES + 16, isLittle);
    if (length < EVENT_BYTES || length > LONGEST_EVENT) {
      return this.#stop(
        at,
        `a record of ${length} bytes, expected ${EVENT_BYTES} to ${LONGEST_EVENT}`,
      );
    }
    const end = at + TYPE_BYTES + length;
    if (end > view.byteLength) return at;
    this.#event(at, end);
    return end;
  }

  #mapping(at: number): number {
    const view = this.#view;
    const from = at + TYPE_BYTES;
    const length = view.getUint32(from + 8, this.#isLittleEndian);
    if (length > LONGEST_NAME) {
      return this.#stop(at, `a name of ${length} bytes, expected ${LONGEST_NAME} at most`);
    }
    const end = from + MAPPING_BYTES + length;
    if (end > view.byteLength) return at;
    this.#nameBytes += length;
    if (this.#known.size >= MOST_NAMES || this.#nameBytes > MOST_NAME_BYTES) {
      return this.#stop(at, 'more names of events than any QEMU has');
    }
    const id = Number(view.getBigUint64(from, this.#isLittleEndian));
    const name = Buffer.from(view.buffer, view.byteOffset, end).toString('utf8', end - length);
    this.#name(id, name);
    return end;
  }

  #name(id: number, name: string): void {
    if (name === NOT_IN_OLD) this.#isOld = false;
    const kind = kindOfName(name);
    const isEvent = kind !== undefined && !name.includes(':');
    const all = isEvent ? layoutsOf(name as EventName) : [];
    const declared = this.#declared.get(name) ?? null;
    const layout = declared === null ? null : declaredLayout(all, declared);
    const isFixed = declared?.isText.every((isText) => !isText) === true;
    const known: Known = {
      name,
      kind: isEvent ? kind : null,
      layouts: declared === null ? [...all] : layout === null ? [] : [layout],
      declared,
      bytes: isFixed ? declared.isText.length * 8 : null,
      skipped: 0,
    };
    this.#known.set(id, known);
    if (id < SMALL_IDS) this.#bySmallId[id] = known;
  }

  #event(at: number, end: number): void {
    const view = this.#view;
    const isLittle = this.#isLittleEndian;
    const from = at + TYPE_BYTES;
    const low = view.getUint32(isLittle ? from : from + 4, isLittle);
    const high = view.getUint32(isLittle ? from + 4 : from, isLittle);
    this.#writer.line = this.#starts.length;
    this.#starts.push(at);
    this.#readTime(from + 8);
    if (high === DROPPED_HIGH && low === DROPPED_LOW) {
      this.#dropped(at, from + EVENT_BYTES, end);
      return;
    }
    const known =
      high === 0 && low < SMALL_IDS ? this.#bySmallId[low] : this.#known.get(high * TWO_32 + low);
    if (known === undefined) {
      this.#lose(at, 'unreadable', `an event without a name, number ${high * TWO_32 + low}`);
    } else if (known.bytes !== null && known.bytes !== end - from - EVENT_BYTES) {
      const { bytes, name } = known;
      const found = end - from - EVENT_BYTES;
      this.#lose(
        at,
        'unreadable',
        `${name} has ${found} bytes, and ${bytes} by --trace-events-all: it is of another build`,
      );
    } else if (known.kind === null) {
      if (known.skipped === 0) this.#skipped.push(known);
      known.skipped += 1;
    } else this.#catalogued(known, known.kind, at, from + EVENT_BYTES, end);
  }

  #catalogued(known: Known, kind: EventKind, at: number, from: number, end: number): void {
    const { layouts } = known;
    for (let index = 0; index < layouts.length; index += 1) {
      const layout = layouts[index] as Layout;
      if (layout.isOld && !this.#isOld && known.declared === null) continue;
      if (!this.#arguments(layout, kind, from, end)) continue;
      this.#writer.commit(at, this.#seconds, this.#nanoseconds, NO_THREAD);
      if (holdsMessage(kind)) this.#heldMessage(at, from, end);
      return;
    }
    this.#lose(at, 'unreadable', `${known.name} has arguments of no known version`);
  }

  /** Writes the arguments that lie in `from .. end`; false where this is not their layout. */
  #arguments(layout: Layout, kind: EventKind, from: number, end: number): boolean {
    const { steps, hasMore, presets, texts } = layout;
    const base = this.#writer.begin(kind);
    const { words } = this.#writer;
    const view = this.#view;
    const isLittle = this.#isLittleEndian;
    for (let index = 0; index < presets.length; index += 2) {
      words[base + (presets[index] as number)] = presets[index + 1] as number;
    }
    let next = from;
    let text = 0;
    for (let index = 0; index < steps.length; index += 2) {
      const what = steps[index] as number;
      const at = base + (steps[index + 1] as number);
      if (what >= act.passText) {
        if (next + 4 > end) return false;
        const length = view.getUint32(next, isLittle);
        next += 4;
        if (length > LONGEST_TEXT || next + length > end) return false;
        if (what === act.text) {
          if (!this.#text(texts[text] as TextStep, at, next, next + length)) return false;
          text += 1;
        }
        next += length;
        continue;
      }
      if (next + 8 > end) return false;
      if (what !== act.pass) {
        const low = view.getUint32(isLittle ? next : next + 4, isLittle);
        const high = view.getUint32(isLittle ? next + 4 : next, isLittle);
        if (what === act.u64) {
          words[at] = high;
          words[at + 1] = low;
        } else {
          // An int is stored with its sign.
          if (high !== 0 && high !== 0xffff_ffff) return false;
          words[at] = low;
        }
      }
      next += 8;
    }
    return hasMore || next === end;
  }

  #text({ words, pattern }: TextStep, at: number, from: number, end: number): boolean {
    const writer = this.#writer;
    if (words === null && pattern === null) {
      writer.addText(at, this.#bytes, from, end);
      return true;
    }
    if (words === null) {
      const text = Buffer.from(this.#bytes.subarray(from, end)).toString('latin1');
      if (pattern?.test(text) === false) return false;
      writer.addText(at, this.#bytes, from, end);
      return true;
    }
    const index = words.findIndex((word) => this.#holds(word, from, end));
    if (index < 0) return false;
    writer.words[at] = index;
    return true;
  }

  /** Byte for byte: a string of each would be made for every seventh event. */
  #holds(word: Uint8Array, from: number, end: number): boolean {
    if (word.length !== end - from) return false;
    for (let index = 0; index < word.length; index += 1) {
      if (this.#bytes[from + index] !== word[index]) return false;
    }
    return true;
  }

  /** The error of a migration may be the only word about a failed unmap. */
  #heldMessage(at: number, from: number, end: number): void {
    const text = Buffer.from(this.#bytes.subarray(Math.min(end, from + 4), end)).toString('latin1');
    const [seconds, nanoseconds] = [this.#seconds, this.#nanoseconds];
    writeMessage(
      text,
      this.#writer,
      { byteOffset: at, seconds, nanoseconds, thread: NO_THREAD },
      true,
    );
  }

  /** Where they were dropped is not told: somewhere before, since the buffer was written last. */
  #dropped(at: number, from: number, end: number): void {
    if (end - from !== 8) {
      this.#lose(at, 'unreadable', 'the record of dropped events has no count');
      return;
    }
    const count = Number(this.#view.getBigUint64(from, this.#isLittleEndian));
    const [seconds, nanoseconds] = [this.#seconds, this.#nanoseconds];
    writeLossBefore(
      this.#writer,
      { byteOffset: at, seconds, nanoseconds, thread: NO_THREAD },
      'dropped',
      `QEMU dropped ${count} events, as its trace buffer was full`,
      count,
    );
  }

  /** Nanoseconds may have more bits than a double: they are counted from a time that is known. */
  #readTime(at: number): void {
    const isLittle = this.#isLittleEndian;
    const low = this.#view.getUint32(isLittle ? at : at + 4, isLittle);
    const high = this.#view.getUint32(isLittle ? at + 4 : at, isLittle);
    if (Math.abs(high - this.#baseHigh) > FAR) {
      const time = (BigInt(high) << 32n) | BigInt(low);
      this.#baseHigh = high;
      this.#baseLow = low;
      this.#baseSeconds = Number(time / 1_000_000_000n);
      this.#baseNanoseconds = Number(time % 1_000_000_000n);
    }
    const passed = (high - this.#baseHigh) * TWO_32 + (low - this.#baseLow) + this.#baseNanoseconds;
    const seconds = Math.floor(passed / 1e9);
    this.#seconds = this.#baseSeconds + seconds;
    this.#nanoseconds = passed - seconds * 1e9;
    if (this.#seconds > LAST_SECOND) this.#nanoseconds = NO_TIME;
  }

  /** Nothing can be read from `at` on. Returns `at`. */
  #stop(at: number, what: string): number {
    this.#isOver = true;
    this.#writer.line = this.#starts.length;
    this.#starts.push(at);
    this.#lose(at, 'unreadable', `damaged at byte ${this.#offset + at}: ${what}`);
    return at;
  }

  #lose(at: number, kind: LossKind, detail: string): void {
    const place = { byteOffset: at, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
    writeLoss(this.#writer, place, kind, detail);
  }

  /** Emits what was read, as the batch of the first `length` of these bytes. */
  #handOver(bytes: Uint8Array, length: number): void {
    for (const known of this.#skipped) {
      this.#writer.skip(known.name, known.skipped);
      known.skipped = 0;
    }
    this.#skipped.length = 0;
    const starts = this.#starts;
    const source = bytes.subarray(0, length);
    const batch = this.#writer.finish(source, this.#offset, starts.length);
    const view = viewOf(source);
    const print = (index: number) => this.#print(view, starts[index] ?? 0);
    this.#emit({ ...batch, records: { starts, print } });
    this.#offset += length;
    this.#starts = [];
  }

  #print(view: DataView, at: number): string {
    const from = at + TYPE_BYTES;
    if (from + EVENT_BYTES > view.byteLength) return '(not readable)';
    const isLittle = this.#isLittleEndian;
    const end = Math.min(view.byteLength, from + view.getUint32(from + 16, isLittle));
    const known = this.#known.get(Number(view.getBigUint64(from, isLittle)));
    if (known === undefined) return '(dropped events, or not readable)';
    const { declared, layouts, name } = known;
    const format = declared?.format ?? layouts.find(({ isOld }) => isOld === this.#isOld)?.format;
    const first = from + EVENT_BYTES;
    const payload = new DataView(view.buffer, view.byteOffset + first, Math.max(0, end - first));
    return printed(name, format ?? layouts[0]?.format ?? [], payload, isLittle);
  }
}
