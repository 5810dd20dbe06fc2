import type { Place } from '../base/place.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { DeviceSpace } from './device-space.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import type { PendingMap } from './page-walks.ts';
import type { StaleMappings } from './stale-mappings.ts';

/**
 * What dirty syncs find of the mappings that AMD-Vi knew (`amdvi_iommu_replay`, hw/i386/amd_iommu.c; 10.2,
 * 11.1). A sync empties the shadow of a device and maps again, lowest first, what it finds in the guest's
 * tables. What the guest has taken out of them without a command by then is forgotten without a line, and
 * no later command unmaps it in the host. A sync that finds nothing prints nothing, and neither does one
 * that does not reach the device: then nobody knows what is still mapped.
 */
export class SyncedMappings {
  readonly #machine: Machine;
  readonly #stale: StaleMappings;
  /** First pages of the MAPs since the last line of anything else, ascending: of this device. */
  #found: number[] = [];
  #space: DeviceSpace | null = null;
  #isSure = false;
  /** The MAPs may be of a registration's replay, whose line was the last. */
  #isRegistering = false;
  /** Lines of VFIO's part of a sync since the last line of anything else, and those since the last with MAPs. */
  #marks = 0;
  #emptyMarks = 0;
  #mark: Place | null = null;
  /** Devices with mappings in the host that they may have reached. */
  #mapping: readonly DeviceSpace[] = [];
  /** The same of what was mapped for one of several, and no line tells for which. */
  #hasUnowned = false;
  /** The device whose mappings one of those syncs has found, or not. */
  #synced: DeviceSpace | null = null;

  constructor(machine: Machine, stale: StaleMappings) {
    this.#machine = machine;
    this.#stale = stale;
  }

  /** What has come so far may be of a sync. */
  get isOpen(): boolean {
    return this.#isRegistering || this.#marks > 0 || this.#found.length > 0;
  }

  /** A notifier is registered: the MAPs that follow are those of its replay. */
  registers(): void {
    this.#isRegistering = true;
  }

  /** A MAP of the pages from `map.first` on. */
  mapped({ first, isRepeated, isSure, space }: PendingMap): void {
    if (!this.#machine.viommu.syncForgets) return;
    const isRestart = space !== this.#space || first <= (this.#found.at(-1) ?? -1);
    // A registration maps nothing twice.
    if (isRestart || (isRepeated && this.#isRegistering)) {
      if (this.#found.length > 0 || isRepeated) this.#isRegistering = false;
      this.#found = [];
      this.#space = space;
    }
    this.#isSure = isSure;
    this.#found.push(first);
  }

  /** VFIO's part of a sync is over. */
  marked(cursor: BatchCursor): void {
    if (!this.#machine.viommu.syncForgets) return;
    const place = placeOf(cursor);
    if (this.#marks === 0) {
      this.#mark = place;
      this.#mapping = this.#findMapping();
      this.#hasUnowned = this.#mayHoldUnowned;
    }
    this.#marks += 1;
    this.#emptyMarks += 1;
    if (this.#isOfSync) {
      this.#emptyMarks = 0;
      this.#synced = this.#space;
      if (this.#space !== null) this.#forget(this.#space, place);
    }
    this.#found = [];
    this.#isRegistering = false;
  }

  /** A line of anything else has come, or the trace ends. `isUnmap`: an UNMAP, as of a registration. */
  end(isUnmap = false): void {
    if (this.#marks > 0) this.#doubtOthers();
    this.#found = [];
    this.#space = null;
    this.#synced = null;
    this.#mark = null;
    this.#marks = 0;
    this.#emptyMarks = 0;
    this.#hasUnowned = false;
    if (!isUnmap) this.#isRegistering = false;
  }

  /** The MAPs so far are those of a sync, and all that it found: nothing else brings them, and no line is missing. */
  get #isOfSync(): boolean {
    if (this.#found.length === 0 || this.#isRegistering || !this.#isSure) return false;
    const { losses } = this.#machine;
    // The line of a command that maps comes behind its MAPs.
    return this.#machine.isTraced('amdvi_devtab_inval') && !losses.isAny;
  }

  /** Takes out of the shadow what the sync has not found. */
  #forget(space: DeviceSpace, place: Place): void {
    const { bounds, mappings } = this.#machine;
    if (this.#found.length === space.shadow.size) return;
    bounds.step(space.shadow.size);
    const found = new Set(this.#found);
    const forgotten = [...space.shadow].filter(({ first }) => !found.has(first));
    for (const { first, last } of forgotten) {
      mappings.shadowRemove(space, first, last);
      this.#stale.mark(space, first, last, place, 'forgotten');
    }
  }

  /** Devices that may be synced and have something mapped in the host. */
  #findMapping(): readonly DeviceSpace[] {
    const machine = this.#machine;
    if (machine.syncsUnseen !== null || !machine.maySyncDevices) return [];
    return machine.attribution.spaces.filter(({ container, notifiers, shadow }) => {
      if (container === null || notifiers.length === 0) return false;
      if (machine.trackedIn(container) === false) return false;
      for (const { first, last } of shadow) if (container.host.overlaps(first, last)) return true;
      machine.bounds.step(shadow.size);
      return false;
    });
  }

  get #mayHoldUnowned(): boolean {
    const machine = this.#machine;
    if (machine.syncsUnseen !== null || !machine.maySyncDevices) return false;
    return machine.trackedIn(null) !== false && machine.unowned.isAny;
  }

  /** Syncs have come of which it does not show whether they reached a device that maps something. */
  #doubtOthers(): void {
    const areAllSeen = this.#emptyMarks < this.#machine.containers.all.length;
    const isSeen = (space: DeviceSpace) => space === this.#synced && areAllSeen;
    if (!this.#hasUnowned && this.#mapping.every(isSeen)) return;
    const { tracking } = this.#machine;
    if (tracking.globalDirty === null) this.#machine.earlySyncsUnseen ??= this.#mark;
    else this.#machine.syncsUnseen ??= this.#mark;
  }
}
