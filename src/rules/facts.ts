import type { Place } from '../base/place.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import type { Viommu } from '../emulation/viommu/viommu.ts';
import type { EventName } from '../events/catalogue/index.ts';
import type { Known } from '../inference/parameters.ts';
import type { Window } from '../inference/tracking.ts';

export type FactSource = Known<unknown>['source'];

/**
 * What rules and grounds may know of a session beside its operations. Read at any time while the
 * session is replayed: each fact is what the trace has shown up to there.
 */
export interface SessionFacts {
  /** The version of QEMU whose behaviour is emulated. */
  readonly profile: Profile;
  readonly versionSource: FactSource;
  /** True where every version that may have written the trace has the same `field`. */
  versionsAgree(field: keyof Profile): boolean;

  /** The user says that tracking is on. */
  readonly isTrackingOption: boolean;
  /** A line of QEMU's flag word (`global_dirty_changed`) has come. */
  readonly isFlagWordTraced: boolean;
  /** The flag word is non-zero; null: the trace does not show it. */
  readonly globalDirty: boolean | null;
  /** The tracking window that is open, or null. */
  readonly trackingWindow: Window | null;

  readonly hostPageSize: Known<number>;
  /** Bytes of the largest dirty bitmap that a legacy container accepts. */
  readonly bitmapLimit: Known<number>;
  /** Bitmaps that were refused, or accepted against expectation, bound that limit. */
  readonly isBitmapLimitBounded: boolean;
  /** Mappings that a legacy container accepts. */
  readonly entryLimit: Known<number>;
  /** What lines have shown the VM's IOMMU to be; VT-d until then. */
  readonly viommu: Viommu;
  /** False where lines of VFIO come without any of a vIOMMU. */
  readonly mayHaveVIommu: boolean;
  /** It may be one whose address width is an option. */
  readonly mayHaveAwBits: boolean;
  /** Pages of the guest's RAM; -1 where unknown. */
  readonly ramPages: number;
  readonly ramSource: FactSource;

  /** Where the newest migration completed; null: none has, as far as lines show it. */
  readonly completedMigration: Place | null;
  /** Line at which dirty bits of the host were last asked for; or 0. */
  readonly lastDirtyQueryLine: number;
  /** Dirty syncs ask devices that log their own DMA, or no container that can track. */
  readonly areSyncsOfOthers: boolean;
  /** Dirty tracking was on at some time, or no line of the flag word shows that it was not. */
  readonly mayHaveTracked: boolean;
  /** Unmaps for which the trace does not show whether dirty tracking was on. */
  readonly unmapsOfUnknownTracking: {
    /** Some of them would do harm under tracking. */
    readonly hasHazard: boolean;
    /** How many were evaluated over mappings that are not wholly known. */
    readonly uncertain: number;
  };
  /** Unmaps under tracking that were evaluated over mappings that are not wholly known. */
  readonly uncertainUnderTracking: {
    readonly count: number;
    readonly firstLine: number;
    readonly lastLine: number;
  };

  /** A container of VFIO shows in the trace. */
  readonly hasContainers: boolean;
  /** QEMU may have had something to notify VFIO of. */
  readonly mayLackNotifications: boolean;
  /**
   * Line at which the guest first invalidated something while the host held what QEMU had forgotten,
   * and no line shows what; or 0.
   */
  readonly unseenSkipAtLine: number;
  /** Line of AMD-Vi's first command for a device of which nothing came while it had something mapped; or 0. */
  readonly unseenMoveAtLine: number;
  /** Line of AMD-Vi's first dirty sync of which no line tells what it found of what a device maps; or 0. */
  readonly unseenSyncAtLine: number;
  /** Line at which AMD-Vi first mapped again what it had mapped, in no dirty sync, and no message tells why; or 0. */
  readonly unseenChangeAtLine: number;
  /** There may have been dirty syncs in which AMD-Vi forgot mappings, and that printed nothing of their own. */
  readonly mayHaveUnseenSyncs: boolean;
  /** A device was switched to translation by a command that is not in the trace. */
  readonly hasUnexplainedSwitch: boolean;
  /** The trace has a line of this event so far. */
  isTraced(event: EventName): boolean;
  /** MAP and UNMAP of notifications were told by the lines before them. */
  readonly areOperationsInferred: boolean;
  /** QEMU's messages are in the trace, so that a failure would show. */
  readonly hasMessages: boolean;
  /** It shows that devices do not log their own DMA. */
  readonly isDeviceLogKnown: boolean;
  /** So much is missing, or so early, that only what a line says by itself is believed. */
  readonly hasTooManyLosses: boolean;
  /** Line of the unmap in the middle of which the trace ends, after it set bits past the end of RAM; or 0. */
  readonly diedAtLine: number;
}
