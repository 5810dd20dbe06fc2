import type { ContainerBackend } from './container-backend.ts';
import { dirtyBitmapBytesOfPages, isBitmapTooBig } from './dirty-bitmap.ts';
import { E2BIG, EEXIST, EINVAL, ENOSPC, EPERM } from './errno.ts';

/**
 * The type1 container: `vfio_dma_unmap` (7.2), `vfio_legacy_dma_unmap` (10.0),
 * `vfio_legacy_dma_unmap_one` (10.2, 11) over the kernel's vfio_iommu_type1.
 *
 * An unmap with an IOTLB entry gets its dirty bits back in a bitmap whose size the kernel limits;
 * QEMU gives up before the ioctl where the bitmap is larger, and the mappings stay. If all devices
 * log their own DMA, the unmap is plain and a query follows. Type1 v2 refuses a range that cuts
 * through a mapping.
 */
export const legacyBackend: ContainerBackend = {
  query({ hasEntry, deviceTracking }) {
    if (!hasEntry) return 'none';
    return deviceTracking ? 'after' : 'bitmap';
  },

  unmapResult(host, first, last, query, { hostPageSize, bitmapLimit }) {
    if (query === 'bitmap') {
      const bytes = dirtyBitmapBytesOfPages(last - first + 1, hostPageSize);
      if (isBitmapTooBig(bytes, bitmapLimit)) return E2BIG;
      // The ioctl with a bitmap fails; QEMU returns the ioctl's -1, not the errno.
      return host.straddles(first, last) ? EPERM : 0;
    }
    return host.straddles(first, last) ? EINVAL : 0;
  },

  applyUnmap(host, first, last, result) {
    return result === 0 ? host.remove(first, last) : null;
  },

  mapResult(host, first, last, entryLimit) {
    if (host.overlaps(first, last)) return EEXIST;
    return host.size >= entryLimit ? ENOSPC : 0;
  },
};
