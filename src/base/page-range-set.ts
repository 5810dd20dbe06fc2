import { PageRangeMap } from './page-range-map.ts';

/** Pages of a range, inclusive at both ends. */
interface Pages {
  readonly first: number;
  readonly last: number;
}

/** log2 of the pages whose bits are kept together; a longer range is kept as its ends. */
const CHUNK_SHIFT = 10;
const CHUNK_PAGES = 2 ** CHUNK_SHIFT;
const WORD_BITS = 32;
const CHUNK_WORDS = CHUNK_PAGES / WORD_BITS;
/** Places for each chunk up to which they are found by index: half the memory of their bits. */
const SPARSEST = 16;

// What empty sets share.
const NO_DIRECTORY = new Int32Array(0);
const NO_BITS = new Uint32Array(0);

/**
 * A set of pages that is told as the fewest ranges.
 *
 * Made to be added to: guest memory at risk comes in single pages without any order, and most of
 * them are in the set already. Short ranges are bits, in chunks that are made where they are needed;
 * against one ordered map of ranges that took a fifth of the time. Long ranges are kept as ranges.
 * The two are joined when the set is read.
 */
export class PageRangeSet {
  /** Where the bits of a chunk begin in #bits, by the chunk's number. */
  readonly #chunks = new Map<number, number>();
  /** The same by index, where chunks lie close together; -1 for those that are not there. */
  #directory = NO_DIRECTORY;
  #highest = 0;
  #bits = NO_BITS;
  #recentChunk = -1;
  #recentStart = 0;
  readonly #spans = new Spans();
  /** What was found when the set was read last; null since it has changed. */
  #ranges: RangeList | null = null;

  /** How many pages are in the set. */
  get pages(): number {
    return this.#inOrder().pages;
  }

  /** How many ranges it takes to write the set down. */
  get size(): number {
    return this.#inOrder().count;
  }

  /** How many parts the set is held in: parts of CHUNK_PAGES with their bits, and long ranges. */
  get parts(): number {
    return this.#chunks.size + this.#spans.size;
  }

  /** Adds pages `first .. last`. */
  add(first: number, last: number): void {
    this.#ranges = null;
    if (last - first >= CHUNK_PAGES) {
      this.#spans.add(first, last);
      return;
    }
    const chunk = Math.floor(first / CHUNK_PAGES);
    const from = first - chunk * CHUNK_PAGES;
    const to = from + (last - first);
    this.#set(chunk, from, Math.min(to, CHUNK_PAGES - 1));
    if (to >= CHUNK_PAGES) this.#set(chunk + 1, 0, to - CHUNK_PAGES);
  }

  /** Adds every page of `other`. */
  addAll(other: PageRangeSet): void {
    const ranges = other.#inOrder();
    for (let index = 0; index < ranges.count; index += 1) {
      this.add(ranges.first(index), ranges.last(index));
    }
  }

  /** The ranges, in order, none of them touching the next. */
  *[Symbol.iterator](): Generator<Pages> {
    const ranges = this.#inOrder();
    for (let index = 0; index < ranges.count; index += 1) {
      yield { first: ranges.first(index), last: ranges.last(index) };
    }
  }

  /** Made when the set is read, and kept until it is added to. */
  #inOrder(): RangeList {
    if (this.#ranges !== null) return this.#ranges;
    if (this.parts === 0) return NOTHING;
    const runs = this.#runs();
    const ranges = this.#spans.size === 0 ? runs : union(runs, this.#spans);
    this.#ranges = ranges;
    return ranges;
  }

  /** Sets the bits `from .. to` of a chunk. */
  #set(chunk: number, from: number, to: number): void {
    if (chunk !== this.#recentChunk) {
      const start = chunk < this.#directory.length ? (this.#directory[chunk] as number) : -1;
      this.#recentStart = start >= 0 ? start : (this.#chunks.get(chunk) ?? this.#newChunk(chunk));
      this.#recentChunk = chunk;
    }
    const bits = this.#bits;
    const start = this.#recentStart;
    const firstWord = from >>> 5;
    const lastWord = to >>> 5;
    const head = -1 << (from & 31);
    const tail = -1 >>> (31 - (to & 31));
    if (firstWord === lastWord) {
      bits[start + firstWord] = (bits[start + firstWord] as number) | (head & tail);
      return;
    }
    bits[start + firstWord] = (bits[start + firstWord] as number) | head;
    for (let word = firstWord + 1; word < lastWord; word += 1) bits[start + word] = -1;
    bits[start + lastWord] = (bits[start + lastWord] as number) | tail;
  }

  #newChunk(chunk: number): number {
    const start = this.#chunks.size * CHUNK_WORDS;
    if (start === this.#bits.length) {
      const larger = new Uint32Array(Math.max(4 * CHUNK_WORDS, start * 2));
      larger.set(this.#bits);
      this.#bits = larger;
      this.#listChunks();
    }
    this.#chunks.set(chunk, start);
    if (chunk > this.#highest) this.#highest = chunk;
    if (chunk < this.#directory.length) this.#directory[chunk] = start;
    return start;
  }

  #listChunks(): void {
    const length = this.#highest + 1;
    if (length > this.#chunks.size * SPARSEST) return;
    this.#directory = new Int32Array(length).fill(-1);
    for (const [chunk, start] of this.#chunks) this.#directory[chunk] = start;
  }

  /** Runs of bits, in order. */
  #runs(): RangeList {
    const runs = new RangeList();
    for (const chunk of Float64Array.from(this.#chunks.keys()).sort()) {
      const start = this.#chunks.get(chunk) as number;
      const base = chunk * CHUNK_PAGES;
      let first = -1;
      for (let word = 0; word < CHUNK_WORDS; word += 1) {
        const bits = this.#bits[start + word] as number;
        // From one end of a run to the next: a set bit outside of runs, a clear one inside.
        for (let ends = first < 0 ? bits : ~bits; ends !== 0; ) {
          const bit = 31 - Math.clz32(ends & -ends);
          const page = base + word * WORD_BITS + bit;
          if (first < 0) first = page;
          else {
            runs.push(first, page - 1);
            first = -1;
          }
          ends = (first < 0 ? bits : ~bits) & (-1 << bit);
        }
      }
      if (first >= 0) runs.push(first, base + CHUNK_PAGES - 1);
    }
    return runs;
  }
}

/** Ranges in order, none of them touching the next. */
class RangeList {
  count = 0;
  pages = 0;
  #cells = new Float64Array(64);

  first(index: number): number {
    return this.#cells[2 * index] as number;
  }
  last(index: number): number {
    return this.#cells[2 * index + 1] as number;
  }

  /** Adds a range that begins no lower than the newest, and joins it to that if they touch. */
  push(first: number, last: number): void {
    const newest = 2 * this.count - 1;
    const top = this.count > 0 ? (this.#cells[newest] as number) : -2;
    if (first > top + 1) {
      if (newest + 2 >= this.#cells.length) this.#grow();
      this.#cells[newest + 1] = first;
      this.#cells[newest + 2] = last;
      this.count += 1;
      this.pages += last - first + 1;
    } else if (last > top) {
      this.#cells[newest] = last;
      this.pages += last - top;
    }
  }

  #grow(): void {
    const larger = new Float64Array(this.#cells.length * 2);
    larger.set(this.#cells);
    this.#cells = larger;
  }
}

const NOTHING = new RangeList();

/** What is in either. */
function union(runs: RangeList, spans: Iterable<Pages>): RangeList {
  const all = new RangeList();
  let index = 0;
  for (const { first, last } of spans) {
    for (; index < runs.count && runs.first(index) <= first; index += 1) {
      all.push(runs.first(index), runs.last(index));
    }
    all.push(first, last);
  }
  for (; index < runs.count; index += 1) all.push(runs.first(index), runs.last(index));
  return all;
}

/** Long ranges: neighbours and overlaps are merged as they come. */
class Spans {
  readonly #ranges = new PageRangeMap();

  get size(): number {
    return this.#ranges.size;
  }

  add(first: number, last: number): void {
    const merged = this.#ranges.remove(first === 0 ? 0 : first - 1, last + 1);
    let newFirst = first;
    let newLast = last;
    for (let index = 0; index < merged.count; index += 1) {
      newFirst = Math.min(newFirst, merged.first(index));
      newLast = Math.max(newLast, merged.last(index));
    }
    this.#ranges.insert(newFirst, newLast, 0, 0);
  }

  [Symbol.iterator](): Iterator<Pages> {
    return this.#ranges[Symbol.iterator]();
  }
}
