import type { Profile } from '../profiles/profile.ts';
import type { IovaTree } from './iova-tree.ts';
import type { SentUnmaps } from './sent.ts';

/** Addresses of a range, inclusive. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

export function isSameRange(a: AddressRange, b: AddressRange): boolean {
  return a.start === b.start && a.end === b.end;
}

/** What of QEMU's state decides how a whole space is unmapped. */
export interface WholeUnmapState {
  readonly profile: Pick<Profile, 'unmapInMigration'>;
  /** What `unmapInMigration.when` asks for is so. */
  readonly isInMigration: boolean;
  /** Address width of the vIOMMU. */
  readonly awBits: number;
}

/** Emulated IOMMUs, by QEMU's names of the devices. */
export type ViommuName = 'intel-iommu' | 'amd-iommu' | 'virtio-iommu';

/** An emulated IOMMU, as far as VFIO's notifiers see it. */
export interface Viommu {
  readonly name: ViommuName;
  /** Bits of the widest address space that it can have: what is known of the real one only cuts whole unmaps off. */
  readonly widestBits: number;
  /** The ranges for which VFIO registers notifiers, in the order in which QEMU visits them. */
  readonly notifierRanges: readonly AddressRange[];
  /** The address width is an option of the device; else it has all of `widestBits`. */
  readonly hasWidth: boolean;
  /** From 11.0 on, it unmaps whole spaces mapping by mapping while dirty pages are tracked. */
  readonly unmapsByNode: boolean;
  /** Lines say that a whole unmap comes before it does, so that one that then does not is missing. */
  readonly announcesWholeUnmaps: boolean;
  /** The line of a command that maps or unmaps pages comes behind what it brings, and names no device. */
  readonly commandsComeBehind: boolean;
  /** Its events tell where in the guest a mapping leads, and with which permissions. */
  readonly printsGuestAddresses: boolean;
  /** A replay for a notifier begins with the whole unmap of its range. */
  replayUnmapsFirst(profile: Pick<Profile, 'replayClearsShadow'>): boolean;
  /** Its replay notifies the notifier that asks, so that a dirty sync reaches VFIO's; else all that are registered. */
  readonly replayServesDirtySync: boolean;
  /** A dirty sync empties a device's shadow and fills it from the guest's tables: what is not in them is forgotten without a line. */
  readonly syncForgets: boolean;
  /** Puts into `sent` what the notifier of `range` is sent when a device's whole space is unmapped. */
  unmapWholeSpace(
    range: AddressRange,
    shadow: IovaTree,
    state: WholeUnmapState,
    sent: SentUnmaps,
  ): void;
}
