import type { BatchWriter } from './batch.ts';
import { type EventKind, eventNames } from './catalogue.ts';
import {
  buildEventReaders,
  buildNameReader,
  type EventReader,
  type NameReader,
} from './grammar.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const UNDERSCORE = 0x5f;

/** What the bytes at some position turned out to be. */
export const outcome = {
  /** An event of the catalogue; its arguments are written, the record is not committed yet. */
  event: 0,
  /** An event that the replay does not need; it has been counted. */
  skipped: 1,
  /** The name of a catalogued event, but its text has no known shape: torn, or another version. */
  malformed: 2,
  /** No event name here. */
  foreign: 3,
} as const;
export type Outcome = (typeof outcome)[keyof typeof outcome];

/** Longest name that is taken for one. */
const LONGEST_NAME = 96;
/** Names of events that are only counted; the rest are counted together. */
const MOST_NAMES = 4096;

/** Bytes of an identifier as QEMU's trace events have it. */
const NAME_BYTE = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ') {
  NAME_BYTE[char.charCodeAt(0)] = 1;
}

/**
 * Counts events that are not stored, by name. Names are found by hash, so that counting them makes
 * no string per line.
 */
class SkippedNames {
  readonly #catalogued = eventNames.filter((name) => !name.includes(':'));
  readonly #names: string[] = [];
  readonly #bytes: Uint8Array[] = [];
  readonly #counts: number[] = [];
  /** True for the front part of a catalogued name: a line that ends with it is torn. */
  readonly #cut: boolean[] = [];
  /** Where names are counted once there are too many of them. */
  #other = -1;
  readonly #slots = new Int32Array(16384).fill(-1);

  /**
   * Counts the name at `from .. to`, whose hash the caller has computed while reading it. False
   * for a line that ends inside a catalogued name: nothing is counted then.
   */
  count(bytes: Uint8Array, from: number, to: number, hash: number): boolean {
    const index = this.#indexOf(bytes, from, to, hash);
    if (this.#cut[index] === true && bytes[to] !== SPACE) return false;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    return true;
  }

  takeCounts(writer: BatchWriter): void {
    for (let index = 0; index < this.#counts.length; index += 1) {
      const count = this.#counts[index] as number;
      if (count > 0) writer.skip(this.#names[index] as string, count);
      this.#counts[index] = 0;
    }
  }

  #indexOf(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = slots[slot] as number;
      if (index < 0) return this.#meet(bytes, from, to, slot);
      const known = this.#bytes[index] as Uint8Array;
      if (known.length === to - from && sameBytes(known, bytes, from)) return index;
    }
  }

  #meet(bytes: Uint8Array, from: number, to: number, slot: number): number {
    if (this.#names.length >= MOST_NAMES) {
      if (this.#other < 0) this.#other = this.#add('(other)');
      return this.#other;
    }
    const index = this.#add(Buffer.from(bytes.subarray(from, to)).toString('latin1'));
    this.#slots[slot] = index;
    return index;
  }

  #add(name: string): number {
    this.#names.push(name);
    this.#bytes.push(Buffer.from(name, 'latin1'));
    this.#counts.push(0);
    this.#cut.push(this.#catalogued.some((known) => known.startsWith(name)));
    return this.#names.length - 1;
  }
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number): boolean {
  for (let index = 0; index < known.length; index += 1) {
    if (known[index] !== bytes[from + index]) return false;
  }
  return true;
}

/**
 * Reads `name arguments` as the text backends of QEMU's tracing print it. Holds no state between
 * lines but the table of names it has met. All bytes it is given must hold an LF at or after the
 * place it reads from.
 */
export class EventScanner {
  /** After `event`: the event's number. */
  kind: EventKind = -1;
  /** After `event`: where its line ends, an LF. */
  next = 0;

  readonly #skipped = new SkippedNames();
  readonly #nameAt: NameReader = buildNameReader();
  readonly #readers: readonly EventReader[] = buildEventReaders();
  readonly #lengths = eventNames.map((name) => name.length);

  /** Reads an event whose name begins at `from`; its text ends at the first LF. */
  scan(bytes: Uint8Array, from: number, writer: BatchWriter): Outcome {
    const kind = this.#nameAt(bytes, from);
    if (kind < 0) return this.#skip(bytes, from);
    let at = from + (this.#lengths[kind] as number);
    if (bytes[at] === SPACE) at += 1;
    const base = writer.begin(kind);
    const end = (this.#readers[kind] as EventReader)(bytes, at, writer.words, base, writer);
    if (end < 0) return outcome.malformed;
    this.kind = kind;
    this.next = end;
    return outcome.event;
  }

  /** Moves the counts of skipped events to the batch that is being written. */
  takeCounts(writer: BatchWriter): void {
    this.#skipped.takeCounts(writer);
  }

  #skip(bytes: Uint8Array, from: number): Outcome {
    let hash = 0;
    let at = from;
    let underscores = 0;
    for (; ; at += 1) {
      const byte = bytes[at] as number;
      if (NAME_BYTE[byte] !== 1) break;
      if (byte === UNDERSCORE) underscores += 1;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    const byte = bytes[at] as number;
    if (underscores === 0 || at - from > LONGEST_NAME) return outcome.foreign;
    if (byte !== SPACE && byte !== LF && byte !== CR) return outcome.foreign;
    return this.#skipped.count(bytes, from, at, hash) ? outcome.skipped : outcome.malformed;
  }
}
