import type { PageRangeMap, RangeScratch } from '../base/page-range-map.ts';
import type { DirtyQuery } from '../base/vocabulary.ts';
import type { Outcome } from './outcome.ts';
import type { Profile } from './profiles/profile.ts';
import type { RamLayout } from './ram-layout.ts';
import { type ContainerBackend, NO_ENTRY } from './vfio/container-backend.ts';
import { permission } from './viommu/iova-tree.ts';
import type { SentUnmaps } from './viommu/sent.ts';

/**
 * A machine for which UNMAPs are evaluated: as it was, as if dirty pages were tracked, or another
 * version, page size or kind of container. Which UNMAPs it is sent is not its matter: that depends on
 * the width of the vIOMMU too, and is a `WholeUnmapState` of `viommu/viommu.ts`.
 */
export interface Scenario {
  readonly profile: Profile;
  /** Dirty pages are tracked in the container. */
  readonly tracked: boolean;
  readonly backend: ContainerBackend;
  readonly limits: Limits;
  /** Bytes of the host's pages. */
  readonly pageSize: number;
  /** Every device of the container logs its own DMA (`vfio_device_dirty_tracking_start`). */
  readonly deviceTracking: boolean;
}

/** What the host's container accepts. */
export interface Limits {
  /** Bytes of the largest dirty bitmap. */
  readonly bitmapBytes: number;
}

/** What an unmap meets. */
export interface World {
  /** What is mapped under it, as QEMU knows it, lowest first: the shadow's nodes, or sections of RAM. */
  readonly mapped: RangeScratch | null;
  /** What the container of the host maps. */
  readonly host: PageRangeMap;
  readonly ram: RamLayout;
}

/**
 * What becomes of UNMAPs that are sent, ascending and of one notifier, in a scenario: what QEMU's
 * unmap of the container returns, and which guest pages' dirty bits are lost or put elsewhere.
 * Changes nothing but `outcome`, which it returns.
 *
 * A mapping's bits are safe only if it lies wholly inside an UNMAP and its own bits land on its own
 * RAM (`physical_memory_set_dirty_lebitmap` takes a `ram_addr`); an UNMAP that fails, or for which
 * nothing is asked, makes every writable mapping unsafe. Read-only mappings cannot have been written
 * by the device.
 */
export function unmapOutcome(
  sent: SentUnmaps,
  scenario: Scenario,
  world: World,
  outcome: Outcome,
): Outcome {
  outcome.clear();
  let from = 0;
  for (let index = 0; index < sent.count; index += 1) {
    from = addUnmap(sent, index, from, scenario, world, outcome);
  }
  outcome.classify();
  return outcome;
}

/** Adds the UNMAP at `index`. `from`: index of the first mapping it can meet; returns that of the next one. */
function addUnmap(
  sent: SentUnmaps,
  index: number,
  from: number,
  scenario: Scenario,
  world: World,
  outcome: Outcome,
): number {
  const first = sent.first(index);
  const last = sent.last(index);
  const carried = sent.carried(index);
  const { backend, tracked } = scenario;
  const query = tracked ? backend.query(scenario, carried !== NO_ENTRY) : 'none';
  const errno = backend.unmapResult(world.host, first, last, query, scenario);
  outcome.addResult(query, errno);
  // Dirty bits matter only while somebody wants them.
  if (!tracked) return from;

  if (marksDirty(query, errno, carried)) {
    const page = pageMarkedPastRam(world, query === 'bitmap', first, last, carried);
    if (page > outcome.pastRamPage) outcome.pastRamPage = page;
  }
  return addMappings(first, last, carried, query, errno, from, world, outcome);
}

/** Whether an UNMAP that asked like `query`, returned `errno` and carried page `carried` sets dirty bits. */
export function marksDirty(query: DirtyQuery, errno: number, carried: number): boolean {
  return errno === 0 && query !== 'none' && carried >= 0;
}

/**
 * Adds what becomes of the mappings under an UNMAP that asked like `query` and returned `errno`. `from`:
 * index of the first mapping it can meet; returns that of the next one.
 */
export function addMappings(
  first: number,
  last: number,
  carried: number,
  query: DirtyQuery,
  errno: number,
  from: number,
  { mapped, ram }: Pick<World, 'mapped' | 'ram'>,
  outcome: Outcome,
): number {
  if (mapped === null) return from;
  const marks = marksDirty(query, errno, carried);
  let next = from;
  while (next < mapped.count && mapped.last(next) < first) next += 1;
  for (let at = next; at < mapped.count && mapped.first(at) <= last; at += 1) {
    const flags = mapped.flags(at);
    if ((flags & permission.write) === 0) continue;
    const start = mapped.first(at);
    const end = mapped.last(at);
    const gpa = mapped.value(at);
    const lastGpa = gpa + (end - start);
    if (marks && start >= first && end <= last) {
      const markedAt = carried + (start - first);
      if (ram.ramPageOf(gpa, lastGpa) === markedAt) {
        outcome.addCorrectlyMarked(gpa, lastGpa);
        continue;
      }
    }
    outcome.addAtRisk(gpa, lastGpa, ram.ramPage(gpa), query, errno, carried);
  }
  return next;
}

/**
 * The highest page of `ram_addr` that an UNMAP marks past the end of RAM, or -1. With a bitmap, type1
 * reports all that is mapped; devices that log their own DMA, and iommufd, only what can have been
 * written.
 */
export function pageMarkedPastRam(
  { host, ram: { totalPages } }: Pick<World, 'host' | 'ram'>,
  reportsAllMapped: boolean,
  first: number,
  last: number,
  carried: number,
): number {
  if (carried + (last - first) < totalPages) return -1;
  const highest = reportsAllMapped ? host.highest(first, last) : highestWritable(host, first, last);
  if (highest < 0) return -1;
  const marked = carried + (highest - first);
  return marked >= totalPages ? marked : -1;
}

/** The last page of `first .. last` in the host that the device may write, or -1. */
function highestWritable(host: PageRangeMap, first: number, last: number): number {
  const held = host.collect(first, last);
  for (let index = held.count - 1; index >= 0; index -= 1) {
    if ((held.flags(index) & permission.write) !== 0) return Math.min(held.last(index), last);
  }
  return -1;
}
