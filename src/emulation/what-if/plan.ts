import { pageOf } from '../../base/address.ts';
import { vtdAddressSpaceUnmap } from '../viommu/intel/unmap.ts';
import type { UnmapInMigration } from '../viommu/intel/unmap-in-migration.ts';
import type { IovaTree } from '../viommu/iova-tree.ts';
import { SentUnmaps } from '../viommu/sent.ts';
import type { AddressRange } from '../viommu/viommu.ts';

/** The UNMAPs of one device's whole space that go to one of its notifiers, in their order. */
export interface UnmapPlan {
  readonly name: string;
  readonly isByNode: boolean;
  readonly sent: SentUnmaps;
}

/** `vtd_address_space_unmap` in pieces, for an address width. */
export function piecesOf(notifier: AddressRange, awBits: number): UnmapPlan {
  const sent = new SentUnmaps();
  for (const { iova, size } of vtdAddressSpaceUnmap(notifier, awBits).pieces) {
    sent.add(pageOf(iova), pageOf(iova + size - 1n), 0);
  }
  return { name: `pieces of ${awBits} bits`, isByNode: false, sent };
}

/** What comes in the place of pieces in migration, over what the shadow holds. */
export function nodesOf(
  notifier: AddressRange,
  behaviour: UnmapInMigration,
  shadow: IovaTree,
): UnmapPlan {
  const sent = new SentUnmaps();
  behaviour.unmap(notifier, shadow, sent);
  return { name: behaviour.sends, isByNode: true, sent };
}
