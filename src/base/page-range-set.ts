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
  #bits = new Uint32Array(0);
  #recentChunk = -1;
  #recentStart = 0;
  readonly #spans = new Spans();
  /** What was counted when the set was read last; null since it has changed. */
  #counted: { readonly pages: number; readonly ranges: number } | null = null;

  /** How many pages are in the set. */
  get pages(): number {
    return this.#count().pages;
  }

  /** How many ranges it takes to write the set down. */
  get size(): number {
    return this.#count().ranges;
  }

  /** Adds pages `first .. last`. */
  add(first: number, last: number): void {
    this.#counted = null;
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
    for (const { first, last } of other) this.add(first, last);
  }

  /** The ranges, in order, none of them touching the next. */
  *[Symbol.iterator](): Generator<Pages> {
    let open: { first: number; last: number } | null = null;
    for (const { first, last } of inOrder(this.#runs(), this.#spans)) {
      if (open !== null && first <= open.last + 1) {
        if (last > open.last) open.last = last;
        continue;
      }
      if (open !== null) yield open;
      open = { first, last };
    }
    if (open !== null) yield open;
  }

  #count(): { readonly pages: number; readonly ranges: number } {
    if (this.#counted === null) {
      let pages = 0;
      let ranges = 0;
      for (const { first, last } of this) {
        pages += last - first + 1;
        ranges += 1;
      }
      this.#counted = { pages, ranges };
    }
    return this.#counted;
  }

  /** Sets the bits `from .. to` of a chunk. */
  #set(chunk: number, from: number, to: number): void {
    if (chunk !== this.#recentChunk) {
      this.#recentStart = this.#chunks.get(chunk) ?? this.#newChunk(chunk);
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
    }
    this.#chunks.set(chunk, start);
    return start;
  }

  /** Runs of bits, in order; one that goes on in the next chunk is told in two. */
  *#runs(): Generator<Pages> {
    const chunks = [...this.#chunks].sort(([a], [b]) => a - b);
    for (const [chunk, start] of chunks) {
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
            yield { first, last: page - 1 };
            first = -1;
          }
          ends = (first < 0 ? bits : ~bits) & (-1 << bit);
        }
      }
      if (first >= 0) yield { first, last: base + CHUNK_PAGES - 1 };
    }
  }
}

/** Long ranges: neighbours and overlaps are merged as they come. */
class Spans {
  readonly #ranges = new PageRangeMap();

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

/** The ranges of two ordered lists, by their first page. */
function* inOrder(one: Iterable<Pages>, other: Iterable<Pages>): Generator<Pages> {
  const [left, right] = [one[Symbol.iterator](), other[Symbol.iterator]()];
  let [a, b] = [left.next(), right.next()];
  while (a.done !== true || b.done !== true) {
    if (b.done === true || (a.done !== true && a.value.first <= b.value.first)) {
      yield a.value as Pages;
      a = left.next();
    } else {
      yield b.value;
      b = right.next();
    }
  }
}
