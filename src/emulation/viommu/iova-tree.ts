import { PageRangeMap, type RangeScratch } from '../../base/page-range-map.ts';

/** Permission bits of a DMA mapping (`IOMMUAccessFlags`, include/system/memory.h), as VT-d's tables have them. */
export const permission = { none: 0, read: 1, write: 2 } as const;

const ANY = permission.read | permission.write;

/**
 * QEMU's shadow of one device's translations: `IOVATree` (util/iova-tree.c; the same in 7.2, 10.0 and
 * 10.2). Ranges are in 4 KiB pages with inclusive ends; `value` is the guest page. Flags beside the
 * permissions are the caller's.
 */
export class IovaTree {
  readonly #ranges = new PageRangeMap();
  /** The most nodes that there ever were. */
  peak = 0;

  get size(): number {
    return this.#ranges.size;
  }

  /**
   * `iova_tree_insert` (util/iova-tree.c): false where the range overlaps another or has no
   * permission; QEMU's VT-d code ignores that, and so the tree stays as it was.
   */
  insert(first: number, last: number, gpa: number, flags: number): boolean {
    if ((flags & ANY) === 0) return false;
    if (!this.#ranges.insert(first, last, gpa, flags)) return false;
    if (this.#ranges.size > this.peak) this.peak = this.#ranges.size;
    return true;
  }

  /**
   * `iova_tree_remove` (util/iova-tree.c): takes out every node that shares a page with the range,
   * also those that lie only partly in it, and returns them.
   */
  remove(first: number, last: number): RangeScratch {
    return this.#ranges.remove(first, last);
  }

  /** What `iova_tree_find` (util/iova-tree.c) finds one after the other: the nodes that share a page with the range, lowest first. */
  overlapping(first: number, last: number): RangeScratch {
    return this.#ranges.collect(first, last);
  }

  /** Whether `iova_tree_find` (util/iova-tree.c) finds one. */
  overlaps(first: number, last: number): boolean {
    return this.#ranges.overlaps(first, last);
  }

  /** True where nodes cover every page of the range. */
  covers(first: number, last: number): boolean {
    return this.#ranges.covers(first, last);
  }

  /** True where one node covers exactly this range. */
  hasNode(first: number, last: number): boolean {
    return this.#ranges.has(first, last);
  }

  /** The flags of the node that maps exactly this range to this guest page; -1 where there is none. */
  flagsOf(first: number, last: number, gpa: number): number {
    return this.#ranges.flagsOf(first, last, gpa);
  }

  /** Clears and sets flags of every node that shares a page with the range. */
  setFlags(first: number, last: number, clear: number, set: number): void {
    this.#ranges.setFlags(first, last, clear, set);
  }

  /** A new tree in the place of this one (`iova_tree_new`, util/iova-tree.c). */
  clear(): void {
    this.#ranges.clear();
  }

  [Symbol.iterator]() {
    return this.#ranges[Symbol.iterator]();
  }
}
