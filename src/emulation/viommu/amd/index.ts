import { pageOf } from '../../../base/address.ts';
import { PC_NOTIFIERS } from '../notifiers.ts';
import type { Viommu } from '../viommu.ts';
import { ADDRESS_BITS, amdviAddressSpaceUnmap } from './unmap.ts';

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
  printsGuestAddresses: false,
  replayUnmapsFirst: () => true,
  unmapWholeSpace(range, _shadow, _state, sent) {
    sent.clear();
    for (const { iova, size } of amdviAddressSpaceUnmap(range)) {
      sent.add(pageOf(iova), pageOf(iova + size - 1n), 0);
    }
  },
};
