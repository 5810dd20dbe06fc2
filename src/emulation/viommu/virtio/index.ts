import { pageOf, U64_MAX } from '../../../base/address.ts';
import type { Viommu } from '../viommu.ts';
import { ADDRESS_BITS, virtioIommuNotify } from './pieces.ts';

/** `virtio-iommu-pci`: hw/virtio/virtio-iommu.c. */
export const virtioIommu: Viommu = {
  name: 'virtio-iommu',
  widestBits: ADDRESS_BITS,
  hasWidth: false,
  // One, with no hole for interrupts.
  notifierRanges: [{ start: 0x0n, end: U64_MAX }],
  unmapsByNode: false,
  announcesWholeUnmaps: false,
  printsGuestAddresses: true,
  replayUnmapsFirst: () => false,
  // `virtio_iommu_detach_endpoint_from_domain`: mapping by mapping, each with address 0.
  unmapWholeSpace({ start, end }, shadow, _state, sent) {
    sent.clear();
    const nodes = shadow.overlapping(pageOf(start), pageOf(end));
    for (let index = 0; index < nodes.count; index += 1) {
      virtioIommuNotify(nodes.first(index), nodes.last(index), 0, sent);
    }
  },
};
