import type { PageRangeMap, RangeScratch } from '../../base/page-range-map.ts';
import type { DirtyQuery } from '../../base/vocabulary.ts';
import type { Scenario } from '../scenario.ts';

/** In the place of the page that an unmap carries: it comes without an IOTLB entry. */
export const NO_ENTRY = -1;

/** What a kind of container does; the state it works on is the container's. */
export interface ContainerBackend {
  /**
   * How an unmap asks for dirty bits while tracking is on. `hasEntry`: it comes with an IOTLB entry,
   * that is, as a notification and not from `vfio_listener_region_del`.
   */
  query(scenario: Scenario, hasEntry: boolean): DirtyQuery;
  /** What QEMU's unmap returns: 0 or a negative errno. */
  unmapResult(
    host: PageRangeMap,
    first: number,
    last: number,
    query: DirtyQuery,
    scenario: Scenario,
  ): number;
  /** Takes out of the host map what an unmap with that result removes; null: nothing. */
  applyUnmap(host: PageRangeMap, first: number, last: number, result: number): RangeScratch | null;
  /** What a MAP returns: 0, -17 over a live mapping, -28 at the limit of entries. */
  mapResult(host: PageRangeMap, first: number, last: number, entryLimit: number): number;
}
