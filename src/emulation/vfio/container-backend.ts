import type { PageRangeMap, RangeScratch } from '../../base/page-range-map.ts';
import type { DirtyQuery } from '../../base/vocabulary.ts';
import type { Profile } from '../profiles/profile.ts';

/** What of QEMU's state decides how an unmap asks for dirty bits. */
export interface UnmapContext {
  readonly profile: Profile;
  /** The unmap came with an IOTLB entry, i.e. as a notification and not from region_del. */
  readonly hasEntry: boolean;
  /** Every device of the container logs its own DMA (`vfio_device_dirty_tracking_start`). */
  readonly deviceTracking: boolean;
  readonly hostPageSize: number;
  readonly bitmapLimit: number;
}

/** What a kind of container does; the state it works on is the container's. */
export interface ContainerBackend {
  /** How dirty bits are asked for while tracking is on. */
  query(context: UnmapContext): DirtyQuery;
  /** What QEMU's unmap returns: 0 or a negative errno. */
  unmapResult(
    host: PageRangeMap,
    first: number,
    last: number,
    query: DirtyQuery,
    context: UnmapContext,
  ): number;
  /** Takes out of the host map what an unmap with that result removes. */
  applyUnmap(host: PageRangeMap, first: number, last: number, result: number): RangeScratch | null;
  /** What a MAP returns: 0, -17 over a live mapping, -28 at the limit of entries. */
  mapResult(host: PageRangeMap, first: number, last: number, entryLimit: number): number;
}
