import type { ContainerBackend } from './container-backend.ts';
import { EEXIST, EINVAL } from './errno.ts';

/**
 * The iommufd container: `iommufd_cdev_unmap` (hw/vfio/iommufd.c) over the kernel's iommufd.
 *
 * Up to 10.2 nothing asks for dirty bits. From 11.0 on they are asked for before the unmap, and
 * the kernel refuses the query (-22) unless mappings cover the whole range; the unmap is done all
 * the same. There is no limit on the bitmap. ENOENT from an unmap counts as success.
 */
export const iommufdBackend: ContainerBackend = {
  query({ profile, hasEntry, deviceTracking }) {
    if (!hasEntry || profile.iommufdQuery === 'none') return 'none';
    return deviceTracking ? 'after' : 'before';
  },

  unmapResult(host, first, last, query) {
    return query === 'before' && !host.covers(first, last) ? EINVAL : 0;
  },

  applyUnmap(host, first, last) {
    const held = host.collect(first, last);
    if (held.count === 0) return null;
    // The kernel goes up from the lowest mapping and stops at one that the range cuts through.
    if (held.first(0) < first) return null;
    const top = held.last(held.count - 1);
    if (top <= last) return host.remove(first, last);
    return held.count === 1 ? null : host.remove(first, held.first(held.count - 1) - 1);
  },

  mapResult(host, first, last) {
    return host.overlaps(first, last) ? EEXIST : 0;
  },
};
