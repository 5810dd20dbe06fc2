import type { RangeScratch } from '../base/page-range-map.ts';
import { IovaTree } from '../emulation/viommu/iova-tree.ts';
import { mappingFlag } from './mapping-flags.ts';

/** QEMU's shadow of one device's translations, as far as the trace shows it, with the MAPs that failed. */
export class Shadow extends IovaTree {
  /** First pages of nodes whose MAP failed; a replay forgets the node, and finds it again. */
  readonly #failed = new Set<number>();

  override insert(first: number, last: number, gpa: number, flags: number): boolean {
    const failed = this.#failed.size > 0 && this.#failed.has(first) ? mappingFlag.failed : 0;
    return super.insert(first, last, gpa, flags | failed);
  }

  override remove(first: number, last: number): RangeScratch {
    const removed = super.remove(first, last);
    if (this.#failed.size === 0) return removed;
    for (let index = 0; index < removed.count; index += 1) {
      this.#failed.delete(removed.first(index));
    }
    return removed;
  }

  /** Remembers that the MAP of this node failed. */
  markFailed(first: number, last: number): void {
    const nodes = this.overlapping(first, last);
    for (let index = 0; index < nodes.count; index += 1) this.#failed.add(nodes.first(index));
    this.setFlags(first, last, 0, mappingFlag.failed);
  }
}
