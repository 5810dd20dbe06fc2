import type { UnmapInMigration } from '../viommu/intel/unmap-in-migration.ts';

/**
 * What differs between versions of QEMU, as far as unmaps depend on it: data, and the functions
 * that a version has of its own. A version is a file of this folder and a line of its index.
 */
export interface Profile {
  readonly id: string;
  /** A `versionNumber`. */
  readonly version: number;
  /**
   * `source`: read in that version's source or seen in a log of its binary; `inferred`: from dated
   * patches and compatibility tables only; `unmerged`: a patch series that was posted and not merged
   * in this form.
   */
  readonly known: 'source' | 'inferred' | 'unmerged';
  /** What `vtd_address_space_unmap` does in the place of pieces while dirty pages are tracked. */
  readonly unmapInMigration: UnmapInMigration | null;
  /** `vtd_iommu_replay` empties the whole shadow; else it unmaps the notifier's own range first. */
  readonly replayClearsShadow: boolean;
  /** `vtd_address_space_unmap` takes one byte too many from the shadow. */
  readonly removesOneByteMore: boolean;
  /**
   * What `memory_region_notify_iommu_one` does with an event that reaches beyond its notifier: it
   * fails an assertion, or cuts the event.
   */
  readonly crossingEvent: 'abort' | 'crop';
  /** When an unmap of a container asks for dirty bits: `vfio/dirty-tracking.ts`. */
  readonly legacyTracking: 'saving' | 'started';
  /** How an unmap of iommufd asks for dirty bits. */
  readonly iommufdQuery: 'none' | 'before';
  /** `vfio_listener_region_del` makes up an IOTLB entry for RAM while tracking is on. */
  readonly regionDelEntry: boolean;
  /** The address in that entry: the section's guest address, or where it lies in `ram_addr`. */
  readonly regionDelAddress: 'guest' | 'ram';
  /** Migration with a VFIO device behind a vIOMMU. */
  readonly migration: 'allowed' | 'blocked' | 'without-device-tracking';
  /** Address width of the newest machine type when `aw-bits` is not given. */
  readonly defaultAwBits: 39 | 48;
}

/** 10.2 -> 1002, so that versions compare as numbers. */
export function versionNumber(major: number, minor: number): number {
  return major * 100 + minor;
}

/** `x.y` of a `versionNumber`. */
export function versionText(version: number): string {
  return `${Math.floor(version / 100)}.${version % 100}`;
}
