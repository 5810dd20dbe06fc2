import type { PageRangeMap } from '../../base/page-range-map.ts';
import type { Profile } from '../profiles/profile.ts';
import { type ContainerBackend, NO_ENTRY } from './container-backend.ts';
import { EINVAL } from './errno.ts';

/**
 * What becomes of a MAP notification of the pages `first .. last`: `vfio_iommu_map_notify`
 * (hw/vfio/common.c in 7.2 and 10.0, hw/vfio/listener.c later). A part whose size is no power of two,
 * as `memory_region_notify_iommu_one` cuts them, is dropped before the container sees it ("iommu has
 * granularity incompatible with target AS"), which counts as -22 here.
 */
export function mapNotifyResult(
  backend: ContainerBackend,
  host: PageRangeMap,
  first: number,
  last: number,
  entryLimit: number,
): number {
  if (!isPowerOfTwo(last - first + 1)) return EINVAL;
  return backend.mapResult(host, first, last, entryLimit);
}

function isPowerOfTwo(pages: number): boolean {
  return Number.isInteger(Math.log2(pages));
}

/**
 * The page that the unmap of `vfio_listener_region_del` (hw/vfio/listener.c) carries while dirty pages
 * are tracked, for a section that begins at guest page `first` and in `ram_addr` at `ramPage`: NO_ENTRY
 * up to 10.2, and for all but writable RAM.
 */
export function regionDelCarries(
  { regionDelEntry, regionDelAddress }: Profile,
  isWritableRam: boolean,
  first: number,
  ramPage: number,
): number {
  if (!regionDelEntry || !isWritableRam) return NO_ENTRY;
  return regionDelAddress === 'ram' ? ramPage : first;
}
