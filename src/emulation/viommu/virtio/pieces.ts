import { addressOfPage, pageOf } from '../../../base/address.ts';
import { dmaAlignedPow2Mask } from '../dma-aligned-pow2-mask.ts';
import type { SentUnmaps } from '../sent.ts';

/** Bits of the addresses that its notifier covers. */
export const ADDRESS_BITS = 64;

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
