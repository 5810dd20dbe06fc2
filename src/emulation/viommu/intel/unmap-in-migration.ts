import { pageOf, wrap64 } from '../../../base/address.ts';
import type { RangeScratch } from '../../../base/page-range-map.ts';
import { cropToNotifier, cropToPages } from '../../memory.ts';
import type { IovaTree } from '../iova-tree.ts';
import type { SentUnmaps } from '../sent.ts';
import type { AddressRange } from '../viommu.ts';

/** What a version's `vtd_address_space_unmap` does in the place of pieces, and when. */
export interface UnmapInMigration {
  /** The condition: the flag word of dirty tracking is not zero, or `migration_is_running()`. */
  readonly when: 'global-dirty' | 'migration-running';
  /** A name that versions share which send the same. */
  readonly sends: string;
  /** What `translated_addr` holds: the guest address of the mapping, or 0. */
  readonly carries: 'node' | 'zero';
  /** Puts into `sent` what the notifier of `n` is sent, over what `shadow` holds. */
  unmap(n: AddressRange, shadow: IovaTree, sent: SentUnmaps): void;
  /** The UNMAP that the notifier of `n` is sent for the node at `index`, added to `sent`, if any. */
  unmapNode(n: AddressRange, nodes: RangeScratch, index: number, sent: SentUnmaps): void;
  /** True where the search passes by nodes that lie in the notifier's range. */
  passesBy(n: AddressRange): boolean;
}

/**
 * `vtd_address_space_unmap_in_migration` (hw/i386/intel_iommu.c with version 4 or 5 of the series),
 * which is `vtd_address_space_unmap_in_dirty_tracking` in 11.0: an UNMAP for each node of the shadow
 * that the search finds.
 *
 * The search goes from `n.start` over a size of `n.end`, not of `n.end - n.start`: it ends at their
 * sum modulo 2^64. For the upper notifier that is the page below its start, so that only a node that
 * holds both pages is found. The nodes come in the order of the tree's shape; here, ascending.
 */
export function unmapByNode(
  when: UnmapInMigration['when'],
  carries: UnmapInMigration['carries'],
): UnmapInMigration {
  const carriedOf = (nodes: RangeScratch, index: number) =>
    carries === 'zero' ? 0 : nodes.value(index);
  const unmapNode: UnmapInMigration['unmapNode'] = (n, nodes, index, sent) => {
    const carried = carriedOf(nodes, index);
    cropToNotifier(n, nodes.first(index), nodes.last(index), carried, sent);
  };
  return {
    when,
    sends: `by-node-${carries}`,
    carries,
    unmapNode,
    unmap(n, shadow, sent) {
      sent.clear();
      const start = pageOf(n.start);
      const end = pageOf(n.end);
      const searchEnd = pageOf(searchEndOf(n));
      const nodes = shadow.overlapping(start, Math.max(start, searchEnd));
      for (let index = 0; index < nodes.count; index += 1) {
        const first = nodes.first(index);
        if (first > searchEnd) continue;
        cropToPages(start, end, first, nodes.last(index), carriedOf(nodes, index), sent);
      }
    },
    passesBy: (n) => searchEndOf(n) < n.end,
  };
}

/** `n.start + n.end`, as the sum of the search's iova and size. */
function searchEndOf({ start, end }: AddressRange): bigint {
  return wrap64(start + end);
}
