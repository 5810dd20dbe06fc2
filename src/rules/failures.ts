import { E2BIG, EINVAL, ENOMEM, EPERM } from '../emulation/vfio/errno.ts';
import type { Unmap } from '../inference/unmap.ts';

/** Which failures of unmaps have a rule of their own; shared, so that each is told by one rule only. */

/**
 * True where QEMU gave up as the dirty bitmap is too big: with -7, or with -12 where there was not even
 * memory for it, as it is allocated before it is compared with the limit.
 */
export function isBitmapRefused({ asTraced, underTracking }: Unmap): boolean {
  if (asTraced.errno === ENOMEM) return underTracking.errno === E2BIG;
  return asTraced.errno === E2BIG;
}

/**
 * True where an unmap fails because it cuts through a mapping: by the emulation, which QEMU's message
 * may confirm. A kernel that refuses for a reason of its own is not meant.
 */
export function cutsThrough(unmap: Unmap): boolean {
  if (unmap.container.value?.backend !== 'legacy') return false;
  const { errno, underTracking } = unmap;
  const wouldCut = underTracking.errno === EINVAL || underTracking.errno === EPERM;
  return wouldCut && (errno === EINVAL || errno === EPERM);
}

/** True where the kernel refuses to tell the dirty bits of what is unmapped. */
export function isQueryRefused(unmap: Unmap): boolean {
  return unmap.underTracking.query === 'before' && unmap.errno === EINVAL;
}
