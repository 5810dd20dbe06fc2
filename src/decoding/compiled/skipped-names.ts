import type { BatchWriter } from '../../events/writer.ts';
import { LONGEST_NAME } from '../patterns.ts';
import { type TornName, tornOf } from '../torn-names.ts';

const SPACE = 0x20;
/** Slots that the table of skipped names has at first, as a power of two; a build of QEMU has some 5,000 events. */
const FEW_SLOTS_LOG2 = 14;
/** Names that the table keeps from one batch to the next. */
const KEPT_NAMES = 8192;

/** Draws a key that nobody who writes a log can know. */
function randomKey(): Int32Array {
  return crypto.getRandomValues(new Int32Array(LONGEST_NAME));
}

/**
 * Counts events that are not stored, by name. Names are found by hash, so that counting them makes
 * no string per line. What is counted depends on the lines alone: names are never given up for
 * their number within a batch, as batches are cut differently from run to run.
 *
 * A log may hold names that were chosen to meet in one slot, so the hash is one of a family of which
 * no names are bad for more than a few: the sum of the name's bytes, each times a random word of its
 * own (multilinear hashing: Lemire and Kaser, "Strongly universal string hashing is fast", 2014). Of
 * a sum of 32 bits over bytes of 7 bits, the upper 26 bits are those of such a family; slots are
 * chosen by the uppermost.
 */
export class SkippedNames {
  /** The random word of each byte of a name; its hash is the lower 32 bits of the sum of the products. */
  readonly key: Int32Array;
  /** Names that were compared in vain: what the table costs beside one comparison per line. */
  misses = 0;

  #names: string[] = [];
  #bytes: Uint8Array[] = [];
  #hashes: number[] = [];
  #counts: number[] = [];
  /** Those that are no event's name: see `TornName`. */
  #torn: TornName[] = [];
  /** The name that was found before one in the same slot, or -1. */
  #before: number[] = [];
  /** The name that was found last in each slot, or -1. */
  #slots = new Int32Array(1 << FEW_SLOTS_LOG2).fill(-1);
  /** How many bits of a hash are not those of its slot. */
  #shift = 32 - FEW_SLOTS_LOG2;
  #last = 0;

  constructor(key = randomKey()) {
    this.key = key;
  }

  /**
   * Counts the name at `from .. to`, of at most LONGEST_NAME bytes, whose hash the caller has
   * computed while reading it. False for a name that shows that its line is torn: nothing is counted
   * then.
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
    let index = this.#slots[hash >>> this.#shift] as number;
    while (index >= 0) {
      const known = this.#bytes[index] as Uint8Array;
      if (known.length === to - from && isAt(known, bytes, from)) return index;
      this.misses += 1;
      index = this.#before[index] as number;
    }
    return this.#add(bytes.slice(from, to), hash);
  }

  #add(bytes: Uint8Array, hash: number): number {
    const index = this.#names.length;
    const name = Buffer.from(bytes).toString('latin1');
    this.#names.push(name);
    this.#bytes.push(bytes);
    this.#hashes.push(hash);
    this.#counts.push(0);
    this.#torn.push(tornOf(name));
    if (index * 2 < this.#slots.length) this.#enter(index);
    else this.#spread();
    return index;
  }

  #enter(index: number): void {
    const slot = (this.#hashes[index] as number) >>> this.#shift;
    this.#before[index] = this.#slots[slot] as number;
    this.#slots[slot] = index;
  }

  /** Twice as many slots. */
  #spread(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    this.#shift -= 1;
    for (let index = 0; index < this.#names.length; index += 1) this.#enter(index);
  }

  #clear(): void {
    this.#names = [];
    this.#bytes = [];
    this.#hashes = [];
    this.#counts = [];
    this.#torn = [];
    this.#before = [];
    this.#slots = new Int32Array(1 << FEW_SLOTS_LOG2).fill(-1);
    this.#shift = 32 - FEW_SLOTS_LOG2;
  }
}

function isAt(known: Uint8Array, bytes: Uint8Array, from: number): boolean {
  for (let index = 0; index < known.length; index += 1) {
    if (known[index] !== bytes[from + index]) return false;
  }
  return true;
}
