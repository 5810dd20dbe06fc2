import { addressOfPage, pageOf, U64_MAX } from '../../../base/address.ts';
import { dmaAlignedPow2Mask } from '../dma-aligned-pow2-mask.ts';
import type { SentUnmaps } from '../sent.ts';
import type { Viommu } from '../viommu.ts';

/** Bits of the addresses that its notifier covers. */
const ADDRESS_BITS = 64;

/**
 * Adds to `sent` the events that a mapping, or an unmap, of the pages `first .. last` comes in:
 * `virtio_iommu_notify_map_unmap` (hw/virtio/virtio-iommu.c; 7.2, 10.0, 10.2, 11.1), aligned powers of two.
 * `carried`: the page of the first; of an unmap always 0, which the others carry as well.
 */
export function virtioIommuNotify(
  first: number,
  last: number,
  carried: number,
  sent: SentUnmaps,
): void {
  const end = addressOfPage(last) + 0xfffn;
  for (let page = first; page <= last; ) {
    const pages = pageOf(dmaAlignedPow2Mask(addressOfPage(page), end, ADDRESS_BITS)) + 1;
    sent.add(page, page + pages - 1, carried === 0 ? 0 : carried + (page - first));
    page += pages;
  }
}

/** `virtio-iommu-pci`: hw/virtio/virtio-iommu.c. */
export const virtioIommu: Viommu = {
  name: 'virtio-iommu',
  widestBits: ADDRESS_BITS,
  hasWidth: false,
  // One, with no hole for interrupts.
  notifierRanges: [{ start: 0x0n, end: U64_MAX }],
  unmapsByNode: false,
  announcesWholeUnmaps: false,
  replayServesDirtySync: false,
  syncForgets: false,
  commandsComeBehind: false,
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
