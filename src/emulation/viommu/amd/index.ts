import { pageOf, wrap64 } from '../../../base/address.ts';
import { dmaAlignedPow2Mask } from '../dma-aligned-pow2-mask.ts';
import { PC_NOTIFIERS } from '../notifiers.ts';
import type { AddressRange, Viommu } from '../viommu.ts';

/** Bits of the addresses that a notifier of AMD-Vi covers: nothing clamps them to a width. */
const ADDRESS_BITS = 64;

/** One UNMAP of a whole unmap: `size` bytes from `iova`, with address 0 and no permission. */
export interface Piece {
  readonly iova: bigint;
  readonly size: bigint;
}

/**
 * `amdvi_address_space_unmap` (hw/i386/amd_iommu.c; 10.2, 11.1) over the notifier `n`: aligned powers of
 * two from its start to its end, whether dirty pages are tracked or not, and whatever is mapped. What
 * it then takes from the shadow is the whole range, be it that some of the unmaps failed.
 */
export function amdviAddressSpaceUnmap({ start, end }: AddressRange): readonly Piece[] {
  const pieces: Piece[] = [];
  let from = start;
  for (let remain = end - start + 1n; remain > 0n; ) {
    const size = dmaAlignedPow2Mask(from, end, ADDRESS_BITS) + 1n;
    pieces.push({ iova: from, size });
    from = wrap64(from + size);
    remain -= size;
  }
  return pieces;
}

/**
 * `amd-iommu`: hw/i386/amd_iommu.c. Devices of VFIO are behind it with dma-remap=on only, which came
 * with 10.2.
 */
export const amdIommu: Viommu = {
  name: 'amd-iommu',
  widestBits: ADDRESS_BITS,
  hasWidth: false,
  notifierRanges: PC_NOTIFIERS,
  unmapsByNode: false,
  announcesWholeUnmaps: false,
  replayServesDirtySync: false,
  syncForgets: true,
  commandsComeBehind: true,
  printsGuestAddresses: false,
  replayUnmapsFirst: () => true,
  unmapWholeSpace(range, _shadow, _state, sent) {
    sent.clear();
    for (const { iova, size } of amdviAddressSpaceUnmap(range)) {
      sent.add(pageOf(iova), pageOf(iova + size - 1n), 0);
    }
  },
};
