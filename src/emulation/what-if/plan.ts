import { pageOf } from '../../base/address.ts';
import { vtdAddressSpaceUnmap } from '../viommu/intel/unmap.ts';
import type { UnmapInMigration } from '../viommu/intel/unmap-in-migration.ts';
import type { IovaTree } from '../viommu/iova-tree.ts';
import { SentUnmaps } from '../viommu/sent.ts';
import type { AddressRange } from '../viommu/viommu.ts';

/** The UNMAPs of one device's whole space, of all its notifiers in their order. */
export interface UnmapPlan {
  readonly name: string;
  readonly isByNode: boolean;
  readonly unmaps: readonly {
    /** Pages, inclusive. */
    readonly first: number;
    readonly last: number;
    readonly carried: number;
  }[];
}

/** `vtd_address_space_unmap` in pieces, for an address width. */
export function piecesOf(notifiers: readonly AddressRange[], awBits: number): UnmapPlan {
  return {
    name: `pieces of ${awBits} bits`,
    isByNode: false,
    unmaps: notifiers.flatMap((notifier) =>
      vtdAddressSpaceUnmap(notifier, awBits).pieces.map(({ iova, size }) => ({
        first: pageOf(iova),
        last: pageOf(iova + size - 1n),
        carried: 0,
      })),
    ),
  };
}

/** What comes in the place of pieces in migration, over what the shadow holds. */
export function nodesOf(
  notifiers: readonly AddressRange[],
  behaviour: UnmapInMigration,
  shadow: IovaTree,
): UnmapPlan {
  const sent = new SentUnmaps();
  return {
    name: behaviour.sends,
    isByNode: true,
    unmaps: notifiers.flatMap((notifier) => {
      behaviour.unmap(notifier, shadow, sent);
      return Array.from({ length: sent.count }, (_, index) => ({
        first: sent.first(index),
        last: sent.last(index),
        carried: sent.carried(index),
      }));
    }),
  };
}
