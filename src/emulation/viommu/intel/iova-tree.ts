import { PageRangeMap, type RangeScratch } from '../../../base/page-range-map.ts';

/** Permission bits of a DMA mapping, as `vtd_page_walk_one` prints them. */
export const permission = { none: 0, read: 1, write: 2 } as const;

/** Bits beside the permissions that mappings carry here. */
export const mappingFlag = {
  /** Permissions and guest address were not in the trace. */
  unknown: 4,
  /** A RAM section that the memory listener mapped, not a translation. */
  ram: 8,
  /** An unmap should have removed it and did not. */
  stale: 16,
  /** The guest address is not known. */
  addressUnknown: 32,
  /** An unmap that concerned it failed, or QEMU may have forgotten it in a replay. */
  kept: 64,
  /** Its MAP or its UNMAP failed, which has a report of its own. */
  failed: 128,
} as const;

/** True where two mappings let the device write, or both do not, as far as is known of them. */
export function isSameAccess(flags: number, others: number): boolean {
  const isUnknown = ((flags | others) & mappingFlag.unknown) !== 0;
  return isUnknown || ((flags ^ others) & permission.write) === 0;
}

/**
 * QEMU's shadow of one device's translations: `IOVATree` of `util/iova-tree.c`, the same in 7.2,
 * 10.0 and 10.2. Ranges are in 4 KiB pages with inclusive ends; `value` is the guest page.
 */
export class IovaTree {
  readonly #ranges = new PageRangeMap();
  /** First pages of nodes whose MAP failed; a replay forgets the node, and finds it again. */
  readonly #failed = new Set<number>();
  peak = 0;

  get size(): number {
    return this.#ranges.size;
  }

  /**
   * `iova_tree_insert`: false where the range overlaps another or has no permission; QEMU's VT-d
   * code ignores that, and so the tree stays as it was.
   */
  insert(first: number, last: number, gpa: number, flags: number): boolean {
    if ((flags & (permission.read | permission.write | mappingFlag.unknown)) === 0) return false;
    const failed = this.#failed.size > 0 && this.#failed.has(first) ? mappingFlag.failed : 0;
    if (!this.#ranges.insert(first, last, gpa, flags | failed)) return false;
    if (this.#ranges.size > this.peak) this.peak = this.#ranges.size;
    return true;
  }

  /**
   * `iova_tree_remove`: takes out every node that shares a page with the range, also those that
   * lie only partly in it, and returns them.
   */
  remove(first: number, last: number): RangeScratch {
    const removed = this.#ranges.remove(first, last);
    if (this.#failed.size > 0) this.#forgetFailed(removed);
    return removed;
  }

  /** The nodes that share a page with the range, lowest first. */
  overlapping(first: number, last: number): RangeScratch {
    return this.#ranges.collect(first, last);
  }

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

  /** Remembers that the MAP of this node failed. */
  markFailed(first: number, last: number): void {
    const nodes = this.#ranges.collect(first, last);
    for (let index = 0; index < nodes.count; index += 1) this.#failed.add(nodes.first(index));
    this.#ranges.setFlags(first, last, 0, mappingFlag.failed);
  }

  #forgetFailed(removed: RangeScratch): void {
    for (let index = 0; index < removed.count; index += 1) {
      this.#failed.delete(removed.first(index));
    }
  }

  clear(): void {
    this.#ranges.clear();
  }

  [Symbol.iterator]() {
    return this.#ranges[Symbol.iterator]();
  }
}
