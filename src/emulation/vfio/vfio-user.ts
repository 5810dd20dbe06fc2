import type { ContainerBackend } from './container-backend.ts';
import { EEXIST } from './errno.ts';

/**
 * The vfio-user container (QEMU 10.1 and later, hw/vfio-user/container.c): maps and unmaps are
 * messages to a server. It tracks no dirty pages at all, so nothing is asked for and no bitmap can
 * be too big.
 */
export const vfioUserBackend: ContainerBackend = {
  query: () => 'none',
  unmapResult: () => 0,
  applyUnmap: (host, first, last) => host.remove(first, last),
  mapResult: (host, first, last) => (host.overlaps(first, last) ? EEXIST : 0),
};
