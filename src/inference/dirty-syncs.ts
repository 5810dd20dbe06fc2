import { type Place, ReusedPlace } from '../base/place.ts';
import { permission } from '../emulation/viommu/iova-tree.ts';
import { type EventName, eventNames, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { DeviceSpace } from './device-space.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { PendingMap } from './page-walks.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { SyncedMappings } from './synced-mappings.ts';
import type { UnownedMappings } from './unowned-mappings.ts';
import type { VfioContainer } from './vfio-container.ts';

const at = {
  sync: offsetsOf('memory_region_sync_dirty'),
  query: offsetsOf('vfio_container_query_dirty_bitmap'),
} as const;

/** Lines between the MAPs of one dirty sync. */
const WITHIN: ReadonlySet<EventName> = new Set<EventName>([
  'virtio_iommu_remap',
  'virtio_iommu_notify_map',
  'vfio_iommu_map_dirty_notify',
  'vfio_iommu_map_dirty_notify_skip_ro',
]);
/** What AMD-Vi prints behind the MAPs that the guest has asked for. */
const BEHIND_MAPS: ReadonlySet<EventName> = new Set<EventName>([
  'amdvi_pages_inval',
  'amdvi_all_inval',
]);

/** What came behind the MAPs of a round: a sync's own line, that of a command, an UNMAP, MAPs from the lowest again, the end, another line. */
type Behind = 'mark' | 'command' | 'unmap' | 'again' | 'end' | 'line';

/** The mappings that QEMU has mapped again so far, of one device and in one dirty sync. */
class Round {
  /** Null: of one of several, which no line tells. */
  readonly space: DeviceSpace | null;
  readonly container: VfioContainer | null;
  readonly place = new ReusedPlace();
  /** The newest. */
  newest: number;
  /** Those that the device may write: how many, the first, and where in the guest they lead. */
  count = 0;
  first = -1;
  last = -1;
  readonly guest: [first: number, last: number][] = [];
  /** How many there were of each before the newest MAP. */
  countBefore = 0;
  guestBefore = 0;
  isServed = false;

  constructor(
    cursor: BatchCursor,
    space: DeviceSpace | null,
    container: VfioContainer | null,
    first: number,
  ) {
    this.place.set(cursor);
    this.space = space;
    this.container = container;
    this.newest = first;
  }
}

/**
 * Dirty syncs of devices behind an IOMMU whose replay notifies all that is registered, and not VFIO's
 * dirty notifier that asks (`amdvi_iommu_replay`, `virtio_iommu_replay`): each mapping is mapped again,
 * and no dirty bits are fetched. A sync shows by MAPs of what is mapped already, and is over with its
 * own line, with a line of something else, or where the MAPs begin again with the lowest.
 */
export class DirtySyncs {
  readonly #machine: Machine;
  readonly #rounds = new Map<DeviceSpace | null, Round>();
  /** That of the newest MAP; null: it repeats nothing. */
  #newest: Round | null = null;
  /** VFIO's dirty notifier was called since the sync before. */
  #isServed = false;
  readonly #synced: SyncedMappings;
  /** The newest MAP of one of several devices. */
  readonly #unownedPlace = new ReusedPlace();

  constructor(machine: Machine, stale: StaleMappings) {
    this.#machine = machine;
    this.#synced = new SyncedMappings(machine, stale);
  }

  /** Mappings are mapped again, and more may follow. */
  get isOpen(): boolean {
    return this.#rounds.size > 0 || this.#isServed || this.#synced.isOpen || this.#unowned.isOpen;
  }

  get #unowned(): UnownedMappings {
    return this.#machine.unowned;
  }

  /** A notifier is registered: the MAPs that follow are no sync's. */
  registers(): void {
    this.#synced.registers();
  }

  /** Any MAP has come, of a sync or not. */
  took(map: PendingMap): void {
    this.#synced.mapped(map);
  }

  /** A MAP of exactly what the device has mapped already, by a replay that no registration asks for. */
  repeated(
    cursor: BatchCursor,
    space: DeviceSpace,
    container: VfioContainer,
    first: number,
    last: number,
  ): void {
    const round = this.#repeated(cursor, space, container, first);
    const nodes = space.shadow.overlapping(first, last);
    for (let index = 0; index < nodes.count; index += 1) {
      const flags = nodes.flags(index);
      if ((flags & permission.write) === 0) continue;
      if (round.count === 0) Object.assign(round, { first, last });
      round.count += 1;
      if ((flags & mappingFlag.addressUnknown) !== 0) continue;
      const gpa = nodes.value(index);
      round.guest.push([gpa, gpa + nodes.last(index) - nodes.first(index)]);
    }
  }

  /** A MAP of one of several devices, which no line tells; `isKnown`: one of them has exactly this mapping. */
  mappedForNobody(cursor: BatchCursor, map: PendingMap, isKnown: boolean): void {
    const { first, isConflicting, last } = map;
    this.#unownedPlace.set(cursor);
    if (!this.#unowned.mapped(first, last, isKnown) || isConflicting) {
      this.mapped();
      return;
    }
    const round = this.#repeated(cursor, null, null, first);
    if (round.count === 0) Object.assign(round, { first, last });
    round.count += 1;
  }

  #repeated(
    cursor: BatchCursor,
    space: DeviceSpace | null,
    container: VfioContainer | null,
    first: number,
  ): Round {
    let round = this.#rounds.get(space);
    if (round !== undefined && first <= round.newest) {
      this.#end(round, 'again');
      round = undefined;
    }
    if (round === undefined) {
      round = new Round(cursor, space, container, first);
      this.#rounds.set(space, round);
    }
    round.newest = first;
    round.countBefore = round.count;
    round.guestBefore = round.guest.length;
    this.#newest = round;
    return round;
  }

  /** A MAP of what was not mapped has come. */
  mapped(): void {
    this.#newest = null;
  }

  /** What became of the newest MAP shows that the host did not hold its pages: only -17 says that it does. */
  wasNotHeld(): void {
    const round = this.#newest;
    if (round === null) return;
    round.count = round.countBefore;
    round.guest.length = round.guestBefore;
  }

  /** `vfio_iommu_map_dirty_notify`: the notifier that asks is called, as behind VT-d. */
  served(): void {
    this.#isServed = true;
    for (const round of this.#rounds.values()) round.isServed = true;
  }

  /** `vfio_container_query_dirty_bitmap`: of a section of RAM, or of what a device maps. */
  queried(cursor: BatchCursor): void {
    const first = cursor.page(at.query.iova);
    const last = first + cursor.page(at.query.size) - 1;
    for (const round of this.#rounds.values()) {
      if (round.space?.shadow.overlaps(first, last) !== true) continue;
      // The container of another device, one that is not translated.
      const { all } = this.#machine.containers;
      const isSection = all.some(
        (other) => other !== round.container && other.holdsExactly(first, last),
      );
      if (!isSection) round.isServed = true;
    }
  }

  /** `memory_region_sync_dirty`: VFIO's part of a sync is over. */
  marked(cursor: BatchCursor): void {
    if (cursor.text(at.sync.listener) !== 'vfio') return;
    this.#endUnowned(true);
    this.#endRounds('mark');
    this.#synced.marked(cursor);
  }

  /** A line has come that is no MAP. */
  lineCame(kind: number): void {
    const name = eventNames[kind] as EventName;
    if (WITHIN.has(name) || name === 'memory_region_sync_dirty') return;
    if (name.startsWith('vfio_container_query') || name.startsWith('vfio_get_dirty')) return;
    const isCommand = BEHIND_MAPS.has(name);
    // Which domain a command is for shows with its line.
    if (!isCommand) this.#endUnowned(this.#machine.isTraced('amdvi_devtab_inval'));
    this.end(isCommand ? 'command' : 'line');
  }

  /** The line of a command behind its MAPs and UNMAPs, for devices in `domain`; null: in any. */
  commanded(domain: number | null): void {
    this.#endUnowned(false, domain);
  }

  /** `isOfSync`: what has come for nobody can only be a sync's. */
  #endUnowned(isOfSync: boolean, domain: number | null = null): void {
    if (!this.#unowned.isOpen) return;
    const isAgain = domain === null ? this.#unowned.ends() : this.#unowned.endsIn(domain);
    if (!isAgain || isOfSync || this.#machine.hasMessages) return;
    this.#machine.changesUnseen ??= this.#unownedPlace.mark;
  }

  /** What was mapped again by now is all of a sync. */
  end(behind: Behind): void {
    this.#synced.end(behind === 'unmap');
    this.#endRounds(behind);
    if (behind === 'end') this.#endUnowned(false);
  }

  #endRounds(behind: Behind): void {
    for (const round of [...this.#rounds.values()]) this.#end(round, behind);
    this.#isServed = false;
  }

  #end(round: Round, behind: Behind): void {
    this.#rounds.delete(round.space);
    const { container, count, first, guest, isServed, last, place, space } = round;
    const isUntracked = this.#machine.trackedIn(container) === false;
    // What comes again for nobody may be new to a device, but for a sync.
    if (space === null && behind !== 'mark' && behind !== 'line') return;
    if (this.#mayBeChange(behind, isUntracked)) {
      this.#machine.changesUnseen ??= place.mark;
      return;
    }
    if (isServed || this.#isServed || count === 0 || isUntracked) return;
    if (this.#machine.deviceTrackingIn(container)) return;
    const mark: Place = place.mark;
    this.#machine.report({ kind: 'dirty-sync', mark, space, container, count, first, last, guest });
  }

  /**
   * AMD-Vi maps again also what leads elsewhere by now, for a command of the guest's, and the host keeps the
   * old mapping (`amdvi_notify_iommu`, which says so each time). Where messages are elsewhere, a sync shows only by what
   * comes behind its MAPs: neither the line of a command nor an UNMAP, which is of the same one.
   */
  #mayBeChange(behind: Behind, isUntracked: boolean): boolean {
    const { hasMessages, viommu } = this.#machine;
    if (!viommu.syncForgets || hasMessages) return false;
    // Nothing is synced where nothing is tracked.
    if (isUntracked) return true;
    const isCommandTraced = this.#machine.isTraced('amdvi_devtab_inval');
    return behind !== 'mark' && !(isCommandTraced && (behind === 'line' || behind === 'again'));
  }
}
