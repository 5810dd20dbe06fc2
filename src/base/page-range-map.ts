import { UNSET_PAGE } from './address.ts';

/** One range with what is kept for it. Pages are inclusive at both ends. */
export interface PageRange {
  first: number;
  last: number;
  /** A page number that belongs to `first` (a guest-physical page), or any other number. */
  value: number;
  /** Bit set of the owner's, 0 .. 255. */
  flags: number;
}

// A block is [first, value, extent] per range. 64 ranges (1.5 KiB) was the quickest of 32 .. 512 for
// random and for ascending traffic over 1,000 to 100,000 live ranges. All blocks of a map lie in one
// array: one each would be three objects more to go through, out of the processor's caches, per search.
const STRIDE = 3;
const CAPACITY = 64;
const FULL = CAPACITY * STRIDE;
// An extent is what a range has behind its first page, times FLAGS, plus its flags: a fourth number for
// each would make every mapping of a large machine 8 bytes dearer, and searches no quicker. A range that is
// too long for that has -1 - flags, and its last page elsewhere; there is room for LAST_PAGE / LONG of them.
const FLAGS = 256;
/** Cells that are used in a block, up to which it takes ranges of a neighbour that is full. */
const MOST_TO_FILL_UP = (FULL * 7) / 8;
/** Pages behind the first one from which on a range is too long: 2^57 bytes. */
const LONG = 2 ** 45;
/** Blocks that a map without ranges keeps; making their memory anew costs more than all else. */
const MOST_KEPT = 4096;

// What maps share that hold nothing, of which a log with many boots makes many.
const NO_CELLS = new Float64Array(0);
const NO_STARTS = new Float64Array(1);
const NO_NUMBERS = new Int32Array(1);

/** Numbers of a range that is handed out. */
const HANDED_OUT = 4;

/** Ranges handed out by `collect` and `remove`, valid until the next call of either. */
export class RangeScratch {
  count = 0;
  #numbers = NO_CELLS;

  first(index: number): number {
    return this.#numbers[index * HANDED_OUT] as number;
  }
  last(index: number): number {
    return this.#numbers[index * HANDED_OUT + 1] as number;
  }
  value(index: number): number {
    return this.#numbers[index * HANDED_OUT + 2] as number;
  }
  flags(index: number): number {
    return this.#numbers[index * HANDED_OUT + 3] as number;
  }

  /** Appends the range at `index` of `source`. */
  copy(source: RangeScratch, index: number): void {
    this.append(source.first(index), source.last(index), source.value(index), source.flags(index));
  }

  append(first: number, last: number, value: number, flags: number): void {
    const at = this.count * HANDED_OUT;
    if (at === this.#numbers.length) {
      const size = Math.max(at * 2, 16 * HANDED_OUT);
      this.#numbers = larger(this.#numbers, new Float64Array(size));
    }
    const numbers = this.#numbers;
    numbers[at] = first;
    numbers[at + 1] = last;
    numbers[at + 2] = value;
    numbers[at + 3] = flags;
    this.count += 1;
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
  #cells = NO_CELLS;
  /** How many blocks there are: an empty map has one, be it without cells. */
  #count = 1;
  // Of each block, in order: its first page, where its cells begin, and how many are in use, STRIDE for
  // each range. Kept apart, so that a search stays in one array.
  #starts = NO_STARTS;
  #bases = NO_NUMBERS;
  #used = NO_NUMBERS;
  /** Where blocks begin that are free, and where none has been so far. */
  readonly #free: number[] = [];
  #unused = 0;
  #size = 0;
  /** The last pages of ranges that are too long, by their first pages. */
  readonly #long = new Map<number, number>();
  #recent = 0;
  // Where #seek found the first range that ends at or after the page it was asked for.
  #block = 0;
  #cell = 0;
  #at = 0;
  /** The page that was sought last, while nothing has changed since. */
  #sought = UNSET_PAGE;
  #wasFound = false;
  /** What #makeRoom tells beside the block that it returns. */
  #shifted = 0;
  readonly #scratch = new RangeScratch();

  /** How many ranges there are. */
  get size(): number {
    return this.#size;
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#size = 0;
    this.#long.clear();
    this.#drop(0, this.#count);
  }

  /** True where some range shares a page with `first .. last`. */
  overlaps(first: number, last: number): boolean {
    return this.#seek(first) && (this.#cells[this.#at] as number) <= last;
  }

  /** The lowest range that shares a page with `first .. last`, copied into `found`. */
  find(first: number, last: number, found: PageRange): boolean {
    if (!this.overlaps(first, last)) return false;
    const cells = this.#cells;
    const at = this.#at;
    found.first = cells[at] as number;
    found.last = this.#lastAt(at);
    found.value = cells[at + 1] as number;
    found.flags = flagsIn(cells[at + 2] as number);
    return true;
  }

  /** True where one range has exactly these ends. */
  has(first: number, last: number): boolean {
    return (
      this.#seek(first) &&
      (this.#cells[this.#at] as number) === first &&
      this.#lastAt(this.#at) === last
    );
  }

  /** The flags of the range with exactly these ends and this value; -1 where there is none. */
  flagsOf(first: number, last: number, value: number): number {
    if (!this.has(first, last) || this.#cells[this.#at + 1] !== value) return -1;
    return flagsIn(this.#cells[this.#at + 2] as number);
  }

  /** Adds a range; false, and nothing is changed, where it would overlap another. */
  insert(first: number, last: number, value: number, flags: number): boolean {
    if (this.#seek(first) && (this.#cells[this.#at] as number) <= last) return false;
    this.#place(first, value, this.#extentOf(first, last, flags));
    return true;
  }

  /** All ranges that share a page with `first .. last`, in order. Reused by the next call. */
  collect(first: number, last: number): RangeScratch {
    const scratch = this.#scratch;
    scratch.count = 0;
    if (!this.#seek(first)) return scratch;
    for (let index = this.#block; index < this.#count; index += 1) {
      const end = this.#endOf(index);
      const from = this.#firstOf(index);
      const to = endOfOverlap(this.#cells, from, end, last);
      this.#handOut(scratch, from, to);
      if (to < end) break;
    }
    return scratch;
  }

  /** Removes all ranges that share a page with `first .. last` and returns them, in order. */
  remove(first: number, last: number): RangeScratch {
    const scratch = this.#scratch;
    scratch.count = 0;
    if (!this.#seek(first)) return scratch;
    let index = this.#block;
    let emptied = 0;
    for (; index < this.#count; index += 1) {
      const base = this.#bases[index] as number;
      const end = this.#endOf(index);
      const from = this.#firstOf(index);
      const to = endOfOverlap(this.#cells, from, end, last);
      this.#handOut(scratch, from, to);
      if (from === base && to === end) emptied += 1;
      else this.#erase(index, from, to);
      if (to < end) break;
    }
    this.#size -= scratch.count;
    if (this.#long.size > 0) this.#forgetLong(scratch);
    // Those before the block in which the range ends, all at once: a whole unmap empties thousands.
    if (emptied > 0) this.#drop(index - emptied, emptied);
    return scratch;
  }

  /** True where `first .. last` cuts through a range at either end. */
  straddles(first: number, last: number): boolean {
    if (!this.#seek(first)) return false;
    const lowest = this.#cells[this.#at] as number;
    if (lowest > last) return false;
    if (lowest < first) return true;
    const end = this.#lastAt(this.#at);
    if (end >= last) return end > last;
    return this.overlaps(last, last) && this.#lastAt(this.#at) > last;
  }

  /** True where ranges cover every page of `first .. last`. */
  covers(first: number, last: number): boolean {
    if (!this.#seek(first)) return false;
    const cells = this.#cells;
    let next = first;
    for (let index = this.#block; index < this.#count; index += 1) {
      const end = this.#endOf(index);
      for (let cell = this.#firstOf(index); cell < end; cell += STRIDE) {
        if ((cells[cell] as number) > next) return false;
        next = this.#lastAt(cell) + 1;
        if (next > last) return true;
      }
    }
    return false;
  }

  /** The last page of `first .. last` that some range holds, or -1. */
  highest(first: number, last: number): number {
    if (this.overlaps(last, last)) return last;
    // The range before the one found, if it still reaches into first .. last.
    let end = this.#at;
    if (this.#cell === 0) {
      if (this.#block === 0) return -1;
      end = this.#endOf(this.#block - 1);
    }
    const top = this.#lastAt(end - STRIDE);
    return top >= first ? top : -1;
  }

  /** Replaces the flags of every range that shares a page with `first .. last`; returns how many. */
  setFlags(first: number, last: number, clear: number, set: number): number {
    let changed = 0;
    if (!this.#seek(first)) return changed;
    const cells = this.#cells;
    for (let index = this.#block; index < this.#count; index += 1) {
      const end = this.#endOf(index);
      const from = this.#firstOf(index);
      const to = endOfOverlap(cells, from, end, last);
      for (let cell = from; cell < to; cell += STRIDE) {
        const extent = cells[cell + 2] as number;
        const flags = flagsIn(extent);
        const change = ((flags & ~clear) | set) - flags;
        cells[cell + 2] = extent < 0 ? extent - change : extent + change;
        changed += 1;
      }
      if (to < end) break;
    }
    return changed;
  }

  /** Every range, in order; for the end of a trace, not for the hot path. */
  *[Symbol.iterator](): Generator<PageRange> {
    for (let index = 0; index < this.#count; index += 1) {
      const end = this.#endOf(index);
      const cells = this.#cells;
      for (let cell = this.#bases[index] as number; cell < end; cell += STRIDE) {
        yield {
          first: cells[cell] as number,
          last: this.#lastAt(cell),
          value: cells[cell + 1] as number,
          flags: flagsIn(cells[cell + 2] as number),
        };
      }
    }
  }

  /** The last page of the range whose cells begin at `at`. */
  #lastAt(at: number): number {
    const first = this.#cells[at] as number;
    const extent = this.#cells[at + 2] as number;
    return extent < 0 ? (this.#long.get(first) as number) : first + Math.floor(extent / FLAGS);
  }

  /** The extent of a new range. */
  #extentOf(first: number, last: number, flags: number): number {
    const behind = last - first;
    if (behind < LONG) return behind * FLAGS + flags;
    this.#long.set(first, last);
    return -1 - flags;
  }

  #forgetLong(removed: RangeScratch): void {
    for (let index = 0; index < removed.count; index += 1) this.#long.delete(removed.first(index));
  }

  /** Appends the ranges in cells `from` up to, not including, `to`. */
  #handOut(scratch: RangeScratch, from: number, to: number): void {
    const cells = this.#cells;
    for (let cell = from; cell < to; cell += STRIDE) {
      const first = cells[cell] as number;
      const flags = flagsIn(cells[cell + 2] as number);
      scratch.append(first, this.#lastAt(cell), cells[cell + 1] as number, flags);
    }
  }

  /** Where the cells of a block end. */
  #endOf(index: number): number {
    return (this.#bases[index] as number) + (this.#used[index] as number);
  }

  /** Where the cells begin, of a block from the one on that #seek found, that it was to find. */
  #firstOf(index: number): number {
    return index === this.#block ? this.#at : (this.#bases[index] as number);
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
    const top = this.#count - 1;
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
    const used = this.#used[index] as number;
    const base = this.#bases[index] as number;
    const cell = this.#firstEndingFrom(page, base, used);
    if (cell < used) {
      this.#find(index, cell, base + cell);
      return true;
    }
    if (index + 1 < this.#count) {
      this.#find(index + 1, 0, this.#bases[index + 1] as number);
      return true;
    }
    // Past the end: #place appends to the last block.
    this.#find(index, used, base + used);
    return false;
  }

  #find(block: number, cell: number, at: number): void {
    this.#block = block;
    this.#cell = cell;
    this.#at = at;
  }

  /**
   * The first cell of the block at `base` whose range ends at `page` or later, or `used`. Walks go from
   * page to page, so it is mostly where the newest search ended, or one further.
   */
  #firstEndingFrom(page: number, base: number, used: number): number {
    const cells = this.#cells;
    // How many ranges begin at `page` or before: the last of them may end there or later.
    let low = 0;
    let high = used / STRIDE;
    const hint = this.#cell / STRIDE;
    if (hint < high) {
      if ((cells[base + hint * STRIDE] as number) <= page) {
        low = hint + 1;
        if (low < high && (cells[base + low * STRIDE] as number) > page) high = low;
      } else {
        high = hint;
        if (hint > 0 && (cells[base + hint * STRIDE - STRIDE] as number) <= page) low = hint;
      }
    }
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cells[base + middle * STRIDE] as number) <= page) low = middle + 1;
      else high = middle;
    }
    const cell = low * STRIDE;
    return low > 0 && this.#lastAt(base + cell - STRIDE) >= page ? cell - STRIDE : cell;
  }

  /** Writes a range where #seek(first) has just pointed. */
  #place(first: number, value: number, extent: number): void {
    // A range before the first of a block belongs to the end of the block before, if that has room:
    // descending traffic would otherwise shift a whole block each time.
    let index = this.#block;
    let cell = this.#cell;
    if (cell === 0 && index > 0) {
      const usedBefore = this.#used[index - 1] as number;
      if (usedBefore < FULL) {
        index -= 1;
        cell = usedBefore;
      }
    }
    if (this.#cells === NO_CELLS) this.#makeFirst();
    if (this.#used[index] === FULL) {
      if (cell === FULL) {
        index += 1;
        cell = 0;
        this.#insertBlock(index, first);
      } else {
        // Its place among the ranges of that block and of the one or two behind it.
        index = this.#makeRoom(index);
        cell += this.#shifted;
        while (cell > (this.#used[index] as number)) {
          cell -= this.#used[index] as number;
          index += 1;
        }
      }
    }
    const cells = this.#cells;
    const used = this.#used[index] as number;
    const base = this.#bases[index] as number;
    const at = base + cell;
    if (cell < used) cells.copyWithin(at + STRIDE, at, base + used);
    this.#sought = UNSET_PAGE;
    cells[at] = first;
    cells[at + 1] = value;
    cells[at + 2] = extent;
    this.#used[index] = used + STRIDE;
    if (cell === 0) this.#starts[index] = first;
    this.#recent = index;
    this.#size += 1;
  }

  /** The map has held nothing so far: arrays that are its own, and a block. */
  #makeFirst(): void {
    this.#starts = new Float64Array(16);
    this.#bases = new Int32Array(16);
    this.#used = new Int32Array(16);
    this.#bases[0] = this.#newBlock();
  }

  /**
   * Takes some ranges out of a full block, and returns the block in which they then begin, with those that it
   * had itself in `#shifted`. They go to a neighbour where one has room, so that blocks are four fifths full
   * where ranges come in no order, in the place of two thirds.
   */
  #makeRoom(index: number): number {
    const before = index > 0 ? (this.#used[index - 1] as number) : FULL;
    const behind = index + 1 < this.#count ? (this.#used[index + 1] as number) : FULL;
    this.#shifted = 0;
    if (Math.min(before, behind) > MOST_TO_FILL_UP) this.#insertBlock(index + 1, 0);
    else if (before < behind) {
      this.#shifted = before;
      this.#moveToBlockBefore(index, halfOf(FULL - before));
      return index - 1;
    }
    this.#moveToBlockBehind(index, halfOf(FULL - (this.#used[index + 1] as number)));
    return index;
  }

  /** Moves the first ranges of a full block, which are so many cells. */
  #moveToBlockBefore(index: number, moved: number): void {
    const cells = this.#cells;
    const from = this.#bases[index] as number;
    cells.copyWithin(this.#endOf(index - 1), from, from + moved);
    cells.copyWithin(from, from + moved, from + FULL);
    this.#used[index - 1] = (this.#used[index - 1] as number) + moved;
    this.#used[index] = FULL - moved;
    this.#starts[index] = cells[from] as number;
  }

  /** Moves the last ranges of a full block, which are so many cells. */
  #moveToBlockBehind(index: number, moved: number): void {
    const cells = this.#cells;
    const to = this.#bases[index + 1] as number;
    cells.copyWithin(to + moved, to, this.#endOf(index + 1));
    cells.copyWithin(to, this.#endOf(index) - moved, this.#endOf(index));
    this.#used[index + 1] = (this.#used[index + 1] as number) + moved;
    this.#used[index] = FULL - moved;
    this.#starts[index + 1] = cells[to] as number;
  }

  /** An empty block, the first page of which will be `start`. */
  #insertBlock(index: number, start: number): void {
    const base = this.#newBlock();
    const count = this.#count;
    if (count === this.#starts.length) {
      this.#starts = larger(this.#starts, new Float64Array(count * 2));
      this.#bases = larger(this.#bases, new Int32Array(count * 2));
      this.#used = larger(this.#used, new Int32Array(count * 2));
    }
    this.#moveBlocks(index + 1, index);
    this.#starts[index] = start;
    this.#bases[index] = base;
    this.#used[index] = 0;
    this.#count = count + 1;
  }

  /** Moves what is known of the blocks from `from` on. */
  #moveBlocks(to: number, from: number): void {
    this.#starts.copyWithin(to, from, this.#count);
    this.#bases.copyWithin(to, from, this.#count);
    this.#used.copyWithin(to, from, this.#count);
  }

  /** Where a free block begins. */
  #newBlock(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const base = this.#unused;
    this.#unused += FULL;
    if (this.#unused > this.#cells.length) {
      this.#cells = larger(this.#cells, new Float64Array(Math.max(FULL, 2 * base)));
    }
    return base;
  }

  /** Takes the cells `from .. to` out of a block that keeps some. */
  #erase(index: number, from: number, to: number): void {
    if (from === to) return;
    this.#sought = UNSET_PAGE;
    const cells = this.#cells;
    const base = this.#bases[index] as number;
    const end = this.#endOf(index);
    if (to < end) cells.copyWithin(from, to, end);
    this.#used[index] = end - base - (to - from);
    if (from === base) this.#starts[index] = cells[base] as number;
  }

  /** Takes out blocks of which nothing is left; an empty map keeps one. */
  #drop(index: number, count: number): void {
    this.#sought = UNSET_PAGE;
    this.#recent = 0;
    if (count === this.#count) {
      this.#empty();
      return;
    }
    for (let block = index; block < index + count; block += 1) {
      this.#free.push(this.#bases[block] as number);
    }
    this.#moveBlocks(index, index + count);
    this.#count -= count;
  }

  /** Nothing is left of any block. */
  #empty(): void {
    this.#free.length = 0;
    this.#count = 1;
    if (this.#unused > MOST_KEPT * FULL) {
      this.#cells = NO_CELLS;
      this.#starts = NO_STARTS;
      this.#bases = NO_NUMBERS;
      this.#used = NO_NUMBERS;
      this.#unused = 0;
      return;
    }
    this.#unused = FULL;
    this.#starts[0] = 0;
    this.#bases[0] = 0;
    this.#used[0] = 0;
  }
}

/** The flags in an extent. */
function flagsIn(extent: number): number {
  return extent < 0 ? -1 - extent : extent & (FLAGS - 1);
}

/** What is in an array, in one that is larger. */
function larger<Numbers extends Float64Array | Int32Array>(
  numbers: Numbers,
  into: Numbers,
): Numbers {
  into.set(numbers);
  return into;
}

/** Half of the cells, rounded up to whole ranges. */
function halfOf(cells: number): number {
  return Math.ceil(cells / 2 / STRIDE) * STRIDE;
}

/** The first cell at or after `from` whose range begins after page `last`. */
function endOfOverlap(cells: Float64Array, from: number, used: number, last: number): number {
  if (from < used && (cells[used - STRIDE] as number) <= last) return used;
  let cell = from;
  while (cell < used && (cells[cell] as number) <= last) cell += STRIDE;
  return cell;
}
