import type { ContainerBackend } from './container-backend.ts';
import { iommufdGetDirty, iommufdMap, iommufdUnmap } from './host/iommufd.ts';

/**
 * The iommufd container: `iommufd_cdev_unmap` (hw/vfio/iommufd.c) over the kernel's iommufd.
 *
 * Up to 10.2 nothing asks for dirty bits. From 11.0 on `iommufd_cdev_unmap_one` asks before the
 * unmap, and the unmap is done whether or not the kernel answers; the query's code is returned. There
 * is no limit on the bitmap. ENOENT from an unmap (`iommufd_backend_unmap_dma_non_exist`) counts as
 * success.
 */
export const iommufdBackend: ContainerBackend = {
  query({ profile, deviceTracking }, hasEntry) {
    if (!hasEntry || profile.iommufdQuery === 'none') return 'none';
    return deviceTracking ? 'after' : 'before';
  },

  unmapResult(host, first, last, query) {
    return query === 'before' ? iommufdGetDirty(host, first, last) : 0;
  },

  applyUnmap: iommufdUnmap,
  mapResult: iommufdMap,
};
