import type { ContainerBackend } from './container-backend.ts';
import { dirtyBitmapBytesOfPages, isBitmapTooBig } from './dirty-bitmap.ts';
import { E2BIG, EPERM } from './errno.ts';
import { type1Map, type1Unmap } from './host/type1.ts';

/**
 * The type1 container: `vfio_dma_unmap` (hw/vfio/common.c in 7.2), `vfio_legacy_dma_unmap`
 * (hw/vfio/container.c in 10.0), `vfio_legacy_dma_unmap_one` (hw/vfio/container-legacy.c in 10.2 and
 * 11.0) over the kernel's vfio_iommu_type1.
 *
 * An unmap with an IOTLB entry gets its dirty bits back in a bitmap whose size the kernel limits;
 * QEMU gives up before the ioctl where the bitmap is larger, and the mappings stay. If all devices
 * log their own DMA, the unmap is plain and a query follows.
 */
export const legacyBackend: ContainerBackend = {
  query({ deviceTracking }, hasEntry) {
    if (!hasEntry) return 'none';
    return deviceTracking ? 'after' : 'bitmap';
  },

  unmapResult(host, first, last, query, { limits, pageSize }) {
    const result = type1Unmap(host, first, last);
    if (query !== 'bitmap') return result;
    // `vfio_dma_unmap_bitmap`, in 11.0 `vfio_legacy_dma_unmap_get_dirty_bitmap`.
    const bytes = dirtyBitmapBytesOfPages(last - first + 1, pageSize);
    if (isBitmapTooBig(bytes, limits.bitmapBytes)) return E2BIG;
    // QEMU returns the ioctl's -1, not the errno.
    return result === 0 ? 0 : EPERM;
  },

  applyUnmap(host, first, last, result) {
    return result === 0 ? host.remove(first, last) : null;
  },

  mapResult: type1Map,
};
