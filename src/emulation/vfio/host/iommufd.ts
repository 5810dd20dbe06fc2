import type { PageRangeMap, RangeScratch } from '../../../base/page-range-map.ts';
import { EEXIST, EINVAL } from '../errno.ts';

/**
 * `iommu_read_and_clear_dirty` (Linux, drivers/iommu/iommufd/io_pagetable.c): dirty bits are told of
 * a range only if mappings cover all of it.
 */
export function iommufdGetDirty(host: PageRangeMap, first: number, last: number): number {
  return host.covers(first, last) ? 0 : EINVAL;
}

/**
 * `iopt_unmap_iova` (the same file): goes up from the lowest mapping and stops at one that the range
 * cuts through. What it took out, or null where that is nothing.
 */
export function iommufdUnmap(host: PageRangeMap, first: number, last: number): RangeScratch | null {
  const held = host.collect(first, last);
  if (held.count === 0) return null;
  if (held.first(0) < first) return null;
  const top = held.last(held.count - 1);
  if (top <= last) return host.remove(first, last);
  return held.count === 1 ? null : host.remove(first, held.first(held.count - 1) - 1);
}

/** `iopt_map_pages` (the same file): there is no limit of entries. */
export function iommufdMap(host: PageRangeMap, first: number, last: number): number {
  return host.overlaps(first, last) ? EEXIST : 0;
}
