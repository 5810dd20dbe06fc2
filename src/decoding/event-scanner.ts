import { type EventKind, eventNames } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import {
  buildEventReaders,
  buildNameGuesser,
  type EventReader,
  type NameGuesser,
  OTHER_NAME,
} from './compiled.ts';

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
/** Slots that the table of skipped names has at first; a build of QEMU has some 5,000 events. */
const FEW_SLOTS = 16_384;
/** Names that the table keeps from one batch to the next. */
const KEPT_NAMES = FEW_SLOTS / 2;
/** Of the FNV-1a hash. */
const HASH_PRIME = 0x0100_0193;

/** Bytes of an identifier as QEMU's trace events have it. */
const NAME_BYTE = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ') {
  NAME_BYTE[char.charCodeAt(0)] = 1;
}

/**
 * Counts events that are not stored, by name. Names are found by hash, so that counting them makes
 * no string per line. What is counted depends on the lines alone: names are never given up for
 * their number within a batch, as batches are cut differently from run to run.
 */
class SkippedNames {
  readonly #catalogued = eventNames.filter((name) => !name.includes(':'));
  #names: string[] = [];
  #bytes: Uint8Array[] = [];
  #hashes: number[] = [];
  #counts: number[] = [];
  /** Those that are no event's name: see `tornOf`. */
  #torn: TornName[] = [];
  #slots = new Int32Array(FEW_SLOTS).fill(-1);
  #last = 0;

  /**
   * Counts the name at `from .. to`, whose hash the caller has computed while reading it. False
   * for a name that shows that its line is torn: nothing is counted then.
   */
  count(bytes: Uint8Array, from: number, to: number, hash: number): boolean {
    const index = this.#indexOf(bytes, from, to, hash);
    const torn = this.#torn[index];
    if (torn === 'glued' || (torn === 'cut' && bytes[to] !== SPACE)) return false;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#last = index;
    return true;
  }

  /** The name counted last was none. */
  takeBack(): void {
    this.#counts[this.#last] = (this.#counts[this.#last] as number) - 1;
  }

  takeCounts(writer: BatchWriter): void {
    for (let index = 0; index < this.#counts.length; index += 1) {
      const count = this.#counts[index] as number;
      if (count > 0) writer.skip(this.#names[index] as string, count);
      this.#counts[index] = 0;
    }
    if (this.#names.length > KEPT_NAMES) this.#clear();
  }

  #indexOf(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const index = slots[slot] as number;
      if (index < 0) return this.#add(bytes.slice(from, to), hash);
      const known = this.#bytes[index] as Uint8Array;
      if (known.length === to - from && sameBytes(known, bytes, from)) return index;
    }
  }

  #add(bytes: Uint8Array, hash: number): number {
    const index = this.#names.length;
    const name = Buffer.from(bytes).toString('latin1');
    this.#names.push(name);
    this.#bytes.push(bytes);
    this.#hashes.push(hash);
    this.#counts.push(0);
    this.#torn.push(tornOf(name, this.#catalogued));
    if (index * 2 < this.#slots.length) this.#enter(index);
    else this.#rehash();
    return index;
  }

  #enter(index: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hashes[index] as number) & mask;
    while ((this.#slots[slot] as number) >= 0) slot = (slot + 1) & mask;
    this.#slots[slot] = index;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (let index = 0; index < this.#names.length; index += 1) this.#enter(index);
  }

  #clear(): void {
    this.#names = [];
    this.#bytes = [];
    this.#hashes = [];
    this.#counts = [];
    this.#torn = [];
    this.#slots = new Int32Array(FEW_SLOTS).fill(-1);
  }
}

/**
 * `cut`: the front part of a catalogued name; a line that ends with it is torn. `glued`: something
 * that ends with a catalogued name, as no event of QEMU does, or the front part of one with another
 * name behind it.
 */
type TornName = 'cut' | 'glued' | null;

/** Where in a name another one may begin. */
const SECOND_NAME =
  /(?<=[a-z0-9])(?:vtd|vfio|iommufd|global_dirty|migrate|memory_region|dirtyrate)_|(?<=_)(?:vtd|vfio)_/g;

function tornOf(name: string, catalogued: readonly string[]): TornName {
  if (catalogued.some((known) => name.endsWith(known))) return 'glued';
  const isFront = (part: string) => catalogued.some((known) => known.startsWith(part));
  if ([...name.matchAll(SECOND_NAME)].some(({ index }) => isFront(name.slice(0, index)))) {
    return 'glued';
  }
  return isFront(name) ? 'cut' : null;
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number): boolean {
  for (let index = 0; index < known.length; index += 1) {
    if (known[index] !== bytes[from + index]) return false;
  }
  return true;
}

/** The readers, made when they are first needed: it takes some ten milliseconds. */
const compiled = once(() => ({ guess: buildNameGuesser(), readers: buildEventReaders() }));

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => {
    made ??= make();
    return made;
  };
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
  readonly #guess: NameGuesser = compiled().guess;
  readonly #readers: readonly EventReader[] = compiled().readers;

  /** Reads an event whose name begins at `from`; its text ends at the first LF. */
  scan(bytes: Uint8Array, from: number, writer: BatchWriter): Outcome {
    const kind = this.#guess(bytes, from);
    if (kind < 0) return this.#skip(bytes, from);
    const base = writer.begin(kind);
    const end = (this.#readers[kind] as EventReader)(bytes, from, writer.words, base, writer);
    if (end < 0) return end === OTHER_NAME ? this.#skip(bytes, from) : outcome.malformed;
    this.kind = kind;
    this.next = end;
    return outcome.event;
  }

  /** What was `skipped` last turned out to be no event. */
  takeBack(): void {
    this.#skipped.takeBack();
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
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    }
    const byte = bytes[at] as number;
    if (underscores === 0 || at - from > LONGEST_NAME) return outcome.foreign;
    if (byte !== SPACE && byte !== LF && byte !== CR) return outcome.foreign;
    return this.#skipped.count(bytes, from, at, hash) ? outcome.skipped : outcome.malformed;
  }
}
