import type { GpaRange } from './addresses.ts';
import type { Permission } from './page-table.ts';

/** Why an unmap reached VFIO. */
export type UnmapCause =
  | 'whole-unmap'
  | 'page-walk'
  | 'changed-translation'
  | 'drain'
  /** behind virtio-iommu: an unmap, a detach, a move to another domain, a reset */
  | 'request'
  | 'region-del';

/** How the dirty bits under an unmap are asked for: with it, before it, after it, not at all. */
export type DirtyQuery = 'bitmap' | 'before' | 'after' | 'none';

/** What QEMU's unmap returned. */
export type UnmapErrno = 0 | -1 | -7 | -12 | -22;

/** What an unmap does to dirty bits, for real or under tracking that was not there. */
export interface UnmapOutcome {
  readonly query: DirtyQuery;
  readonly errno: UnmapErrno;
  /**
   * Exact union of the writable guest memory whose dirty bits this unmap loses or puts elsewhere:
   * judged mapping by mapping of the shadow, with the mappings that are right by luck left out.
   */
  readonly atRisk: readonly GpaRange[];
}

/** One unmap that reached VFIO: a delivered UNMAP or a region_del. */
export interface UnmapTruth {
  /** line of its `vfio_iommu_map_notify` or `vfio_listener_region_del`; null if that event is not traced */
  readonly line: number | null;
  /** `bb:ss.f` */
  readonly device: string;
  /** index of the container: each device has one */
  readonly container: number;
  readonly cause: UnmapCause;
  readonly iova: bigint;
  /** bytes; region_del of the upper notifier has 2^64 - 0xfef00000 */
  readonly size: bigint;
  /** dirty tracking was on for this container */
  readonly tracked: boolean;
  readonly query: DirtyQuery;
  /** translated address in the notification; null without an iotlb entry */
  readonly carriedAddress: bigint | null;
  /** what a bitmap of this size needs at the host's page size */
  readonly bitmapBytes: bigint;
  readonly errno: UnmapErrno;
  /** filled for tracked unmaps, empty otherwise */
  readonly atRisk: readonly GpaRange[];
  /** the same under tracking, for unmaps that were not tracked; null for tracked ones, and for the chunks of an untracked
   *  whole unmap in 11.x: tracking would have taken the drain instead, see `GroupTruth.whatIfDrain` */
  readonly whatIf: UnmapOutcome | null;
  /** bits of some writable mapping under it land in their place, or would under tracking */
  readonly marksRight: boolean;
  /** Behind a completed migration nobody wants dirty bits: what would be lost if somebody did; null elsewhere. */
  readonly ifWanted: Pick<UnmapTruth, 'atRisk' | 'marksRight'> | null;
  /** index into `Truth.groups` for the members of a whole unmap or a drain */
  readonly group: number | null;
}

/** One node that a drain delivers, or would deliver. */
export interface DrainedNode {
  readonly iova: bigint;
  readonly size: bigint;
  readonly carriedAddress: bigint;
  readonly errno: UnmapErrno;
  readonly atRisk: readonly GpaRange[];
}

export interface MappingRange {
  readonly iova: bigint;
  readonly size: bigint;
  readonly gpa: bigint;
}

/** What the drain of 11.x does for one notifier. */
export interface DrainOutcome {
  /** in the order of the simulated tree, which nobody can know from a log */
  readonly delivered: readonly DrainedNode[];
  /** shadow nodes inside the notifier that the drain does not find */
  readonly survivors: readonly MappingRange[];
  readonly atRisk: readonly GpaRange[];
}

/** The unmaps that one notifier gets in one whole unmap, or in the drain that replaces it. */
export interface GroupTruth {
  readonly kind: 'whole-unmap' | 'drain';
  readonly device: string;
  readonly container: number;
  /** the notifier's range; the end of the upper one is 2^64 - 1 */
  readonly start: bigint;
  readonly end: bigint;
  /** QEMU's dirty flag word was not zero: in 11.x that alone decides about the drain */
  readonly underTracking: boolean;
  /** last line before the group */
  readonly afterLine: number;
  /** line of `vtd_as_unmap_whole`; null for a drain, or if the event is not traced */
  readonly line: number | null;
  /** 11.x, whole unmap: what tracking would have made of it; null otherwise */
  readonly whatIfDrain: DrainOutcome | null;
  /** a drain: shadow nodes inside the notifier that it left */
  readonly survivors: readonly MappingRange[];
}

/** A MAP that VFIO or the kernel refused; the shadow keeps the node. */
export interface FailedMapTruth {
  readonly line: number | null;
  readonly device: string;
  readonly container: number;
  readonly iova: bigint;
  readonly size: bigint;
  readonly gpa: bigint;
  readonly reason: -17 | -28 | 'granularity' | 'non-memory';
  /** the host holds this very mapping already, as writable, and not one that should be gone: nothing is wrong */
  readonly isRepeated: boolean;
}

/** A dirty sync in which mappings of a tracked container were mapped again, and no dirty bits were fetched. */
export interface UnsyncedTruth {
  readonly device: string;
  readonly container: number;
  /** last line before it */
  readonly afterLine: number;
  readonly lastLine: number;
  /** guest memory that the device may write through those mappings */
  readonly atRisk: readonly GpaRange[];
}

/** A host mapping that outlived the unmap that should have removed it. */
export interface StaleTruth {
  readonly device: string;
  readonly container: number;
  readonly iova: bigint;
  readonly size: bigint;
  readonly gpa: bigint;
  /** `failed-unmap`: the chunk or the drained node failed; `not-drained`: a drain passed it by; `skipped`: the guest's
   *  invalidation met no shadow node. Behind AMD-Vi, `changed`: the guest's new translation was not mapped over it; `moved`:
   *  its device went to another domain; `forgotten`: a dirty sync did not find it in the guest's tables */
  readonly how: 'failed-unmap' | 'not-drained' | 'skipped' | 'changed' | 'moved' | 'forgotten';
  /** line that made it stale: of the failed UNMAP, of the skipped walk line, or the last line of the drain */
  readonly since: number;
  /** line when it was found to be the guest's current translation again, and so no longer stale; null: never */
  usedAgain: number | null;
  /** line of the unmap that removed it at last; null: still there at the end */
  gone: number | null;
}

/**
 * Dirty bits that go to or above the end of main RAM: those of every mapping under the unmap that can have some.
 * Not those of a VM that runs elsewhere by then.
 */
export interface PastRamTruth {
  /** line of the unmap */
  readonly line: number | null;
  readonly device: string;
  readonly iova: bigint;
  readonly size: bigint;
  /** places in RAM block space that reach past the end */
  readonly marks: readonly GpaRange[];
  /** QEMU died of it */
  readonly fatal: boolean;
}

export type TrackingReason = 'migration' | 'dirty-rate' | 'dirty-limit';

/** A time in which dirty tracking was on. 7.2: the devices save and the status is in its set; later: the flag word is not 0. */
export interface WindowTruth {
  /** first line written while tracking was on; the line that says so, if it is traced */
  readonly firstLine: number;
  /** line that ended it, or the last line before; null: on until the end */
  lastLine: number | null;
  /** in the order of QEMU's bits */
  by: readonly TrackingReason[];
}

export interface ShadowNodeTruth extends MappingRange {
  readonly permission: Permission;
}

export interface HostMappingTruth extends MappingRange {
  /** 1 read-only, 3 read and write: what the host allows the device */
  readonly permission: 1 | 3;
  /** mapped for the guest's IOMMU, or a section of RAM in pass-through */
  readonly of: 'dma' | 'ram';
}

export interface DeviceTruth {
  readonly device: string;
  readonly container: number;
  /** QEMU's IOVATree at the end, ascending */
  readonly shadow: readonly ShadowNodeTruth[];
  /** what the container really holds at the end, ascending */
  readonly host: readonly HostMappingTruth[];
  readonly peakHostMappings: number;
  readonly peakShadowNodes: number;
}

/** How a run ended. */
export type Ending =
  /** all acts were played, or the wanted number of bytes was reached */
  | { readonly kind: 'finished' }
  /** killed by a mark far past its dirty bitmap */
  | { readonly kind: 'sigsegv'; readonly line: number }
  /** aborted on an event that crossed the interrupt hole, or on RAM that could not be mapped */
  | { readonly kind: 'abort'; readonly line: number };

export interface Totals {
  unmaps: number;
  trackedUnmaps: number;
  failedUnmaps: number;
  maps: number;
  failedMaps: number;
}

/** What happened, known from having done it: never read back from the log. */
export interface Truth {
  readonly unmaps: readonly UnmapTruth[];
  readonly groups: readonly GroupTruth[];
  readonly failedMaps: readonly FailedMapTruth[];
  readonly stale: readonly StaleTruth[];
  readonly pastRam: readonly PastRamTruth[];
  readonly unsynced: readonly UnsyncedTruth[];
  readonly windows: readonly WindowTruth[];
  /** times in which the flag word was not zero: the same, but for 7.2 */
  readonly flagWindows: readonly WindowTruth[];
  readonly devices: readonly DeviceTruth[];
  readonly totals: Readonly<Totals>;
  /** complete lines of the log */
  readonly lines: number;
  readonly ending: Ending;
  /** what nobody can know from this log, with the reason */
  readonly unknowable: readonly string[];
}

/** Collects the truth while a run goes on. */
export class TruthRecorder {
  readonly unmaps: UnmapTruth[] = [];
  readonly groups: GroupTruth[] = [];
  readonly failedMaps: FailedMapTruth[] = [];
  readonly stale: StaleTruth[] = [];
  readonly pastRam: PastRamTruth[] = [];
  readonly unsynced: UnsyncedTruth[] = [];
  readonly windows: WindowTruth[] = [];
  readonly flagWindows: WindowTruth[] = [];
  readonly totals: Totals = {
    unmaps: 0,
    trackedUnmaps: 0,
    failedUnmaps: 0,
    maps: 0,
    failedMaps: 0,
  };
  readonly #keep: boolean;
  #groups = 0;

  /** @param keep false: totals only, for large logs */
  constructor(keep: boolean) {
    this.#keep = keep;
  }

  unmap(record: UnmapTruth): void {
    this.totals.unmaps++;
    if (record.tracked) this.totals.trackedUnmaps++;
    if (record.errno !== 0) this.totals.failedUnmaps++;
    if (this.#keep) this.unmaps.push(record);
  }

  /** Index that the next group will have: its members are recorded before it. */
  get nextGroup(): number {
    return this.#groups;
  }

  group(record: GroupTruth): void {
    this.#groups++;
    if (this.#keep) this.groups.push(record);
  }

  failedMap(record: FailedMapTruth): void {
    this.totals.failedMaps++;
    if (this.#keep) this.failedMaps.push(record);
  }

  staleMapping(record: StaleTruth): void {
    if (this.#keep) this.stale.push(record);
  }

  marksPastRam(record: PastRamTruth): void {
    if (this.#keep) this.pastRam.push(record);
  }

  unsyncedRound(record: UnsyncedTruth): void {
    if (this.#keep) this.unsynced.push(record);
  }
}
