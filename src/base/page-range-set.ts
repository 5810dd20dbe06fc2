import { PageRangeMap } from './page-range-map.ts';

/** A set of pages, kept as the fewest ranges: neighbours and overlaps are merged as they come. */
export class PageRangeSet {
  readonly #ranges = new PageRangeMap();
  readonly #found = { first: 0, last: 0, value: 0, flags: 0 };
  #pages = 0;

  /** How many pages are in the set. */
  get pages(): number {
    return this.#pages;
  }

  /** How many ranges it takes to write the set down. */
  get size(): number {
    return this.#ranges.size;
  }

  /** Adds pages `first .. last`. */
  add(first: number, last: number): void {
    const found = this.#found;
    const below = first === 0 ? 0 : first - 1;
    let newFirst = first;
    let newLast = last;
    if (this.#ranges.find(below, last + 1, found)) {
      if (found.first <= first && found.last >= last) return;
      const merged = this.#ranges.remove(below, last + 1);
      for (let index = 0; index < merged.count; index += 1) {
        newFirst = Math.min(newFirst, merged.first(index));
        newLast = Math.max(newLast, merged.last(index));
        this.#pages -= merged.last(index) - merged.first(index) + 1;
      }
    }
    this.#ranges.insert(newFirst, newLast, 0, 0);
    this.#pages += newLast - newFirst + 1;
  }

  /** Adds every page of `other`. */
  addAll(other: PageRangeSet): void {
    for (const { first, last } of other) this.add(first, last);
  }

  *[Symbol.iterator](): Generator<{ first: number; last: number }> {
    for (const { first, last } of this.#ranges) yield { first, last };
  }
}
