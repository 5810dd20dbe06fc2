import type { BatchWriter } from '../../events/writer.ts';
import { type TornName, tornOf } from '../torn-names.ts';

const SPACE = 0x20;
/** Slots that the table of skipped names has at first; a build of QEMU has some 5,000 events. */
const FEW_SLOTS = 16_384;
/** Names that the table keeps from one batch to the next. */
const KEPT_NAMES = FEW_SLOTS / 2;

/**
 * Counts events that are not stored, by name. Names are found by hash, so that counting them makes
 * no string per line. What is counted depends on the lines alone: names are never given up for
 * their number within a batch, as batches are cut differently from run to run.
 */
export class SkippedNames {
  #names: string[] = [];
  #bytes: Uint8Array[] = [];
  #hashes: number[] = [];
  #counts: number[] = [];
  /** Those that are no event's name: see `TornName`. */
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
    this.#torn.push(tornOf(name));
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

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number): boolean {
  for (let index = 0; index < known.length; index += 1) {
    if (known[index] !== bytes[from + index]) return false;
  }
  return true;
}
