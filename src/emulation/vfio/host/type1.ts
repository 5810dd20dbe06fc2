import type { PageRangeMap } from '../../../base/page-range-map.ts';
import { EEXIST, EINVAL, ENOSPC } from '../errno.ts';

/**
 * `vfio_dma_do_unmap` (Linux, drivers/vfio/vfio_iommu_type1.c): type1 v2 refuses a range that cuts
 * through a mapping at either end.
 */
export function type1Unmap(host: PageRangeMap, first: number, last: number): number {
  return host.straddles(first, last) ? EINVAL : 0;
}

/** `vfio_dma_do_map` (the same file): a mapping for each MAP, up to the module's `dma_entry_limit`. */
export function type1Map(
  host: PageRangeMap,
  first: number,
  last: number,
  entryLimit: number,
): number {
  if (host.overlaps(first, last)) return EEXIST;
  return host.size >= entryLimit ? ENOSPC : 0;
}
