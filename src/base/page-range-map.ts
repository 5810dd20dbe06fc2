import { UNSET_PAGE } from './address.ts';

/** One range with what is kept for it. Pages are inclusive at both ends. */
export interface PageRange {
  first: number;
  last: number;
  /** A page number that belongs to `first` (a guest-physical page), or any other number. */
  value: number;
  /** Small bit set of the owner's. */
  flags: number;
}

// A block is one Float64Array of [first, last, value, flags] per range. 64 ranges (2 KiB) was the
// quickest of 32 .. 512 for random and for ascending traffic over 1,000 to 100,000 live ranges.
const STRIDE = 4;
const CAPACITY = 64;
const FULL = CAPACITY * STRIDE;
/** Emptied blocks kept for the next; making one costs more than all else that is done with it. */
const MOST_SPARE = 4096;

interface Block {
  readonly cells: Float64Array;
  /** Cells in use: STRIDE times the number of ranges. */
  used: number;
}

// What maps share that have never held anything, of which a log with many boots makes many.
const NO_CELLS = new Float64Array(0);
const NO_BLOCK: Block = { cells: NO_CELLS, used: 0 };
const NO_STARTS = new Float64Array(1);

/** Ranges handed out by `collect` and `remove`, valid until the next call of either. */
export class RangeScratch {
  count = 0;
  #cells = NO_CELLS;

  first(index: number): number {
    return this.#cells[index * STRIDE] as number;
  }
  last(index: number): number {
    return this.#cells[index * STRIDE + 1] as number;
  }
  value(index: number): number {
    return this.#cells[index * STRIDE + 2] as number;
  }
  flags(index: number): number {
    return this.#cells[index * STRIDE + 3] as number;
  }

  /** Appends the range at `index` of `source`. */
  copy(source: RangeScratch, index: number): void {
    this.append(source.#cells, index * STRIDE, (index + 1) * STRIDE);
  }

  /** Appends the ranges of `source` in cells `from` up to, not including, `to`. */
  append(source: Float64Array, from: number, to: number): void {
    const at = this.count * STRIDE;
    const needed = at + (to - from);
    if (needed > this.#cells.length) {
      const larger = new Float64Array(Math.max(needed, this.#cells.length * 2, 16 * STRIDE));
      larger.set(this.#cells.subarray(0, at));
      this.#cells = larger;
    }
    for (let cell = from; cell < to; cell += 1) {
      this.#cells[at + cell - from] = source[cell] as number;
    }
    this.count += (to - from) / STRIDE;
  }
}

/**
 * Ranges of pages that never overlap, in order, with two numbers for each.
 *
 * A list of sorted blocks: a search is a binary search over the blocks' first pages and one inside
 * a block; an insertion moves at most one block. Ten million ranges are searched in well under a
 * microsecond. Neighbouring traffic, as page walks make it, hits the block of the call before.
 */
export class PageRangeMap {
  readonly #blocks: Block[] = [NO_BLOCK];
  /** First page of each block, kept beside them so that the search stays in one array. */
  #starts = NO_STARTS;
  #spare: Block[] = [];
  #size = 0;
  #recent = 0;
  // Where #seek found the first range that ends at or after the page it was asked for.
  #block = 0;
  #cell = 0;
  /** The page that was sought last, while nothing has changed since. */
  #sought = UNSET_PAGE;
  #wasFound = false;
  readonly #scratch = new RangeScratch();

  /** How many ranges there are. */
  get size(): number {
    return this.#size;
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#drop(0, this.#blocks.length);
    this.#size = 0;
  }

  /** True where some range shares a page with `first .. last`. */
  overlaps(first: number, last: number): boolean {
    return this.#seek(first) && this.#cellAt(0) <= last;
  }

  /** The lowest range that shares a page with `first .. last`, copied into `found`. */
  find(first: number, last: number, found: PageRange): boolean {
    if (!this.overlaps(first, last)) return false;
    found.first = this.#cellAt(0);
    found.last = this.#cellAt(1);
    found.value = this.#cellAt(2);
    found.flags = this.#cellAt(3);
    return true;
  }

  /** True where one range has exactly these ends. */
  has(first: number, last: number): boolean {
    return this.#seek(first) && this.#cellAt(0) === first && this.#cellAt(1) === last;
  }

  /** The flags of the range with exactly these ends and this value; -1 where there is none. */
  flagsOf(first: number, last: number, value: number): number {
    return this.has(first, last) && this.#cellAt(2) === value ? this.#cellAt(3) : -1;
  }

  /** Adds a range; false, and nothing is changed, where it would overlap another. */
  insert(first: number, last: number, value: number, flags: number): boolean {
    if (this.#seek(first)) {
      if (this.#cellAt(0) <= last) return false;
    }
    this.#place(first, last, value, flags);
    return true;
  }

  /** All ranges that share a page with `first .. last`, in order. Reused by the next call. */
  collect(first: number, last: number): RangeScratch {
    const scratch = this.#scratch;
    scratch.count = 0;
    if (!this.#seek(first)) return scratch;
    for (let index = this.#block; index < this.#blocks.length; index += 1) {
      const { cells, used } = this.#blocks[index] as Block;
      const from = index === this.#block ? this.#cell : 0;
      const to = endOfOverlap(cells, from, used, last);
      scratch.append(cells, from, to);
      if (to < used) break;
    }
    return scratch;
  }

  /** Removes all ranges that share a page with `first .. last` and returns them, in order. */
  remove(first: number, last: number): RangeScratch {
    const scratch = this.#scratch;
    scratch.count = 0;
    if (!this.#seek(first)) return scratch;
    let index = this.#block;
    let from = this.#cell;
    let emptied = 0;
    for (; index < this.#blocks.length; index += 1) {
      const { cells, used } = this.#blocks[index] as Block;
      const to = endOfOverlap(cells, from, used, last);
      scratch.append(cells, from, to);
      if (from === 0 && to === used) emptied += 1;
      else this.#erase(index, from, to);
      if (to < used) break;
      from = 0;
    }
    // Those before the block in which the range ends, all at once: a whole unmap empties thousands.
    if (emptied > 0) this.#drop(index - emptied, emptied);
    this.#size -= scratch.count;
    return scratch;
  }

  /** True where `first .. last` cuts through a range at either end. */
  straddles(first: number, last: number): boolean {
    if (!this.#seek(first) || this.#cellAt(0) > last) return false;
    if (this.#cellAt(0) < first) return true;
    if (this.#cellAt(1) >= last) return this.#cellAt(1) > last;
    return this.#seek(last) && this.#cellAt(0) <= last && this.#cellAt(1) > last;
  }

  /** True where ranges cover every page of `first .. last`. */
  covers(first: number, last: number): boolean {
    if (!this.#seek(first)) return false;
    let next = first;
    for (let index = this.#block; index < this.#blocks.length; index += 1) {
      const { cells, used } = this.#blocks[index] as Block;
      const from = index === this.#block ? this.#cell : 0;
      for (let cell = from; cell < used; cell += STRIDE) {
        if ((cells[cell] as number) > next) return false;
        next = (cells[cell + 1] as number) + 1;
        if (next > last) return true;
      }
    }
    return false;
  }

  /** The last page of `first .. last` that some range holds, or -1. */
  highest(first: number, last: number): number {
    if (this.#seek(last) && this.#cellAt(0) <= last) return last;
    // The range before the one found, if it still reaches into first .. last.
    let index = this.#block;
    let cell = this.#cell - STRIDE;
    if (cell < 0) {
      index -= 1;
      if (index < 0) return -1;
      cell = (this.#blocks[index] as Block).used - STRIDE;
      if (cell < 0) return -1;
    }
    const top = (this.#blocks[index] as Block).cells[cell + 1] as number;
    return top >= first ? top : -1;
  }

  /** Replaces the flags of every range that shares a page with `first .. last`; returns how many. */
  setFlags(first: number, last: number, clear: number, set: number): number {
    let changed = 0;
    if (!this.#seek(first)) return changed;
    for (let index = this.#block; index < this.#blocks.length; index += 1) {
      const { cells, used } = this.#blocks[index] as Block;
      const from = index === this.#block ? this.#cell : 0;
      const to = endOfOverlap(cells, from, used, last);
      for (let cell = from; cell < to; cell += STRIDE) {
        cells[cell + 3] = ((cells[cell + 3] as number) & ~clear) | set;
        changed += 1;
      }
      if (to < used) break;
    }
    return changed;
  }

  /** Every range, in order; for the end of a trace, not for the hot path. */
  *[Symbol.iterator](): Generator<PageRange> {
    for (const { cells, used } of this.#blocks) {
      for (let cell = 0; cell < used; cell += STRIDE) {
        yield {
          first: cells[cell] as number,
          last: cells[cell + 1] as number,
          value: cells[cell + 2] as number,
          flags: cells[cell + 3] as number,
        };
      }
    }
  }

  #cellAt(offset: number): number {
    return (this.#blocks[this.#block] as Block).cells[this.#cell + offset] as number;
  }

  /** Finds the first range whose last page is `page` or later; false where there is none. */
  #seek(page: number): boolean {
    if (page !== this.#sought) {
      this.#wasFound = this.#search(page);
      this.#sought = page;
    }
    return this.#wasFound;
  }

  #search(page: number): boolean {
    const starts = this.#starts;
    const top = this.#blocks.length - 1;
    let index = this.#recent;
    const isBelow = index === top || page < (starts[index + 1] as number);
    if (!isBelow || page < (starts[index] as number)) {
      let low = 0;
      let high = top;
      while (low < high) {
        const middle = (low + high + 1) >>> 1;
        if ((starts[middle] as number) <= page) low = middle;
        else high = middle - 1;
      }
      index = low;
      this.#recent = index;
    }
    const { cells, used } = this.#blocks[index] as Block;
    const cell = this.#firstEndingFrom(page, cells, used);
    if (cell < used) {
      this.#block = index;
      this.#cell = cell;
      return true;
    }
    if (index + 1 < this.#blocks.length) {
      this.#block = index + 1;
      this.#cell = 0;
      return true;
    }
    // Past the end: #place appends to the last block.
    this.#block = index;
    this.#cell = used;
    return false;
  }

  /**
   * The first cell whose range ends at `page` or later, or `used`. Walks go from page to page, so it
   * is mostly where the newest search ended, or one further.
   */
  #firstEndingFrom(page: number, cells: Float64Array, used: number): number {
    let low = 0;
    let high = used / STRIDE;
    const hint = this.#cell / STRIDE;
    if (hint < high) {
      if ((cells[hint * STRIDE + 1] as number) < page) {
        low = hint + 1;
        if (low < high && (cells[low * STRIDE + 1] as number) >= page) return low * STRIDE;
      } else {
        if (hint === 0 || (cells[hint * STRIDE - STRIDE + 1] as number) < page)
          return hint * STRIDE;
        high = hint;
      }
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cells[middle * STRIDE + 1] as number) < page) low = middle + 1;
      else high = middle;
    }
    return low * STRIDE;
  }

  /** Writes a range where #seek(first) has just pointed. */
  #place(first: number, last: number, value: number, flags: number): void {
    // A range before the first of a block belongs to the end of the block before, if that has room:
    // descending traffic would otherwise shift a whole block each time.
    let index = this.#block;
    let cell = this.#cell;
    if (cell === 0 && index > 0) {
      const before = this.#blocks[index - 1] as Block;
      if (before.used < FULL) {
        index -= 1;
        cell = before.used;
      }
    }
    let block = this.#blocks[index] as Block;
    if (block === NO_BLOCK) {
      block = this.#newBlock();
      this.#blocks[index] = block;
      this.#starts = new Float64Array(64);
    }
    if (block.used === FULL) {
      if (cell === FULL) {
        block = this.#insertBlock(index + 1, first);
        index += 1;
        cell = 0;
      } else {
        const half = FULL / 2;
        const upper = this.#insertBlock(index + 1, block.cells[half] as number);
        upper.cells.set(block.cells.subarray(half, FULL));
        upper.used = half;
        block.used = half;
        if (cell > half) {
          block = upper;
          index += 1;
          cell -= half;
        }
      }
    }
    const { cells } = block;
    if (cell < block.used) cells.copyWithin(cell + STRIDE, cell, block.used);
    this.#sought = UNSET_PAGE;
    cells[cell] = first;
    cells[cell + 1] = last;
    cells[cell + 2] = value;
    cells[cell + 3] = flags;
    block.used += STRIDE;
    if (cell === 0) this.#starts[index] = first;
    this.#recent = index;
    this.#size += 1;
  }

  #insertBlock(index: number, start: number): Block {
    const block = this.#newBlock();
    const count = this.#blocks.length;
    if (count === this.#starts.length) {
      const larger = new Float64Array(count * 2);
      larger.set(this.#starts);
      this.#starts = larger;
    }
    this.#blocks.splice(index, 0, block);
    this.#starts.copyWithin(index + 1, index, count);
    this.#starts[index] = start;
    return block;
  }

  #newBlock(): Block {
    return this.#spare.pop() ?? { cells: new Float64Array(FULL), used: 0 };
  }

  #keep(block: Block): void {
    block.used = 0;
    if (this.#spare.length < MOST_SPARE) this.#spare.push(block);
  }

  /** Takes cells out of a block that keeps some. */
  #erase(index: number, from: number, to: number): void {
    if (from === to) return;
    this.#sought = UNSET_PAGE;
    const block = this.#blocks[index] as Block;
    const { cells, used } = block;
    if (to < used) cells.copyWithin(from, to, used);
    block.used = used - (to - from);
    if (from === 0) this.#starts[index] = cells[0] as number;
  }

  /** Takes out blocks of which nothing is left; an empty map keeps one. */
  #drop(index: number, count: number): void {
    this.#sought = UNSET_PAGE;
    this.#recent = 0;
    this.#starts.copyWithin(index, index + count, this.#blocks.length);
    for (const block of this.#blocks.splice(index, count)) this.#keep(block);
    if (this.#blocks.length > 0) return;
    this.#blocks.push(this.#newBlock());
    this.#starts[0] = 0;
  }
}

/** The first cell at or after `from` whose range begins after page `last`. */
function endOfOverlap(cells: Float64Array, from: number, used: number, last: number): number {
  if (from < used && (cells[used - STRIDE] as number) <= last) return used;
  let cell = from;
  while (cell < used && (cells[cell] as number) <= last) cell += STRIDE;
  return cell;
}
