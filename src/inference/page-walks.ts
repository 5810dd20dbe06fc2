import { UNSET_PAGE } from '../base/address.ts';
import type { RangeScratch } from '../base/page-range-map.ts';
import { type Place, ReusedPlace } from '../base/place.ts';
import { concernsNotifier } from '../emulation/memory.ts';
import { EEXIST, EINVAL, ENOSPC } from '../emulation/vfio/errno.ts';
import { mapNotifyResult } from '../emulation/vfio/listener.ts';
import { crossesInterruptRange, vtdPageWalkOne } from '../emulation/viommu/intel/page-walk.ts';
import { permission } from '../emulation/viommu/iova-tree.ts';
import type { SentUnmaps } from '../emulation/viommu/sent.ts';
import type { AddressRange } from '../emulation/viommu/viommu.ts';
import { offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { ground } from './claim.ts';
import type { DeviceSpace } from './device-space.ts';
import type { DirtySyncs } from './dirty-syncs.ts';
import { placeOf } from './line.ts';
import type { LossId } from './losses.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { UNKNOWN_ADDRESS, type Unmap } from './unmap.ts';
import type { VfioContainer } from './vfio-container.ts';

const at = {
  walk: offsetsOf('vtd_page_walk_one'),
  skipMap: offsetsOf('vtd_page_walk_one_skip_map'),
  skipUnmap: offsetsOf('vtd_page_walk_one_skip_unmap'),
  level: offsetsOf('vtd_page_walk_level'),
  skipRead: offsetsOf('vtd_page_walk_skip_read'),
} as const;

const READ_WRITE = permission.read | permission.write;
const UNKNOWN_MAPPING = READ_WRITE | mappingFlag.unknown | mappingFlag.addressUnknown;

/** True for 2^n - 1. */
function isMask(high: number, low: number): boolean {
  return high === 0 ? (low & (low + 1)) === 0 : low === 0xffff_ffff && (high & (high + 1)) === 0;
}

/** Pages of the smallest piece that a whole unmap of VFIO's notifiers has: 1 MiB at 0xfef00000. */
const SMALLEST_PIECE = 0x100;

/** A walk event that waits for its notification. */
class WalkEvent {
  active = false;
  space: DeviceSpace | null = null;
  /** `space` is beyond doubt. */
  isSure = false;
  domain = -1;
  /** Pages, inclusive. */
  first: number = UNSET_PAGE;
  last: number = UNSET_PAGE;
  gpa: number = UNSET_PAGE;
  /** Permissions; 0 is an UNMAP. */
  permissions = 0;
  /** Notifications that have come for it. */
  delivered = 0;
  /** Of an UNMAP: the nodes it took from the shadow, valid until the shadow is touched again. */
  nodes: RangeScratch | null = null;
  /** It is no walk's, but one of virtio-iommu's: guest addresses go on from piece to piece. */
  isOfRequest = false;
  /** Of a MAP of virtio-iommu's: a replay brings it. */
  isReplay = false;
  /** The same: nothing was mapped there. */
  isNew = false;
  /** Of an UNMAP: our shadow had nothing where QEMU's had. */
  isSurprise = false;
  /** Where it stands, if it crosses the interrupt range. */
  crossing: Place | null = null;
}

/** A MAP that waits for QEMU's message that it failed. */
export class PendingMap {
  active = false;
  space: DeviceSpace | null = null;
  /** `space` is beyond doubt. */
  isSure = false;
  container: VfioContainer | null = null;
  first: number = UNSET_PAGE;
  last: number = UNSET_PAGE;
  gpa: number = UNSET_PAGE;
  flags = 0;
  /** What the emulation says it returned; the host holds it only once no message can follow. */
  predicted = 0;
  /** The backend's own line says that it failed. */
  isRefused = false;
  /** The device has exactly this mapping already. */
  isRepeated = false;
  /** QEMU has said that something else is mapped there. */
  isConflicting = false;
  tracked: boolean | null = null;
  /** Its line. */
  readonly place = new ReusedPlace();
}

/**
 * Page walks, `vtd_page_walk` and below it, and the notifications that they send to VFIO.
 *
 * Each change that a walk finds is one line, and after it one `vfio_iommu_map_notify` for each
 * notifier that it concerns. The walk's line drives the shadow, the notification the host map.
 */
export class PageWalks {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #stale: StaleMappings;
  readonly #syncs: DirtySyncs;
  readonly #walk = new WalkEvent();
  readonly map = new PendingMap();
  /** The notifier whose registration is being replayed: nobody else gets its events. */
  replayedNotifier: AddressRange | null = null;
  readonly #warned = new Set<VfioContainer>();
  /** QEMU has just said that the next MAP is of what leads elsewhere by now. */
  #isConflicting = false;

  constructor(machine: Machine, pending: PendingUnmaps, stale: StaleMappings, syncs: DirtySyncs) {
    this.#machine = machine;
    this.#pending = pending;
    this.#stale = stale;
    this.#syncs = syncs;
  }

  /** `vtd_page_walk_level`. */
  level(cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    const start = cursor.page(at.level.start);
    const end = cursor.page(at.level.end);
    const [base, level] = [cursor.page(at.level.base), cursor.u32(at.level.level)];
    const isRoot = attribution.level(base, level, start, end, cursor.line);
    this.#machine.losses.reportHole(cursor);
    if (isRoot && attribution.operation !== 'replay') {
      this.#stale.walked(attribution.walking, start, end - 1, cursor);
    }
    this.#stale.visits(level, start, end - 1, cursor);
    if (start === 0) {
      this.#machine.parameters.walkEnd(end, cursor.line);
    }
  }

  /** `vtd_page_walk_skip_read` and `..._reserve`: an entry that QEMU cannot use. */
  unusable(cursor: BatchCursor): void {
    const [first, last] = [cursor.page(at.skipRead.start), cursor.page(at.skipRead.end) - 1];
    this.#walker(cursor, -1, first, last);
    this.#stale.passesBy(first, last);
  }

  /** True where the event is what QEMU can print: aligned, and of a size that a table entry has. */
  isSound(cursor: BatchCursor): boolean {
    const maskHigh = cursor.high(at.walk.mask);
    const maskLow = cursor.low(at.walk.mask);
    const perm = cursor.i32(at.walk.perm);
    return (
      perm >= 0 &&
      perm <= READ_WRITE &&
      (maskLow & 0xfff) === 0xfff &&
      isMask(maskHigh, maskLow) &&
      (cursor.low(at.walk.iova) & maskLow) === 0 &&
      (cursor.high(at.walk.iova) & maskHigh) === 0
    );
  }

  /**
   * An UNMAP, and now a MAP of the same range and address, with nothing between: the walk met a
   * changed translation, and the UNMAP carried the new address. Asked before the UNMAP is committed.
   */
  recogniseChange(cursor: BatchCursor): void {
    const unmap = this.#pending.single;
    const walk = this.#walk;
    if (unmap === null || unmap.cause !== 'page-walk' || !walk.active) return;
    if (cursor.i32(at.walk.perm) === 0 || cursor.page(at.walk.iova) !== walk.first) return;
    const sameSize = cursor.page(at.walk.mask) === walk.last - walk.first;
    if (sameSize && cursor.page(at.walk.gpa) === walk.gpa) unmap.cause = 'changed-translation';
  }

  /** `vtd_page_walk_one`. */
  event(cursor: BatchCursor): void {
    const walk = this.#walk;
    const machine = this.#machine;
    walk.active = true;
    walk.domain = cursor.u32(at.walk.domain);
    walk.first = cursor.page(at.walk.iova);
    walk.last = walk.first + cursor.page(at.walk.mask);
    const space = this.#walker(cursor, walk.domain, walk.first, walk.last);
    walk.space = space;
    walk.isSure = machine.attribution.isSure;
    walk.gpa = cursor.page(at.walk.gpa);
    walk.permissions = cursor.i32(at.walk.perm);
    walk.delivered = 0;
    walk.nodes = null;
    walk.isSurprise = false;
    walk.isOfRequest = false;
    walk.crossing = crossesInterruptRange(walk.first, walk.last) ? placeOf(cursor) : null;
    if (space === null) {
      // Of one of several: from here on none of them is as it is thought to be.
      machine.losses.doubtAll(cursor.line);
      return;
    }
    const step = vtdPageWalkOne(space.shadow, walk.first, walk.last, walk.gpa, walk.permissions);
    if (walk.permissions === 0) {
      walk.nodes = machine.mappings.shadowRemove(space, walk.first, walk.last);
      // QEMU prints the line only where its own shadow had something.
      walk.isSurprise = step === 'skip-unmap';
      if (walk.isSurprise && space.interval.knowledge !== 'partial') {
        machine.losses.report('unmap-of-unseen', cursor, space);
      }
      return;
    }
    if (step !== 'map') {
      // QEMU would have said that it has it, or unmapped the old translation first.
      machine.losses.report('map-over-translation', cursor, space);
      machine.mappings.shadowRemove(space, walk.first, walk.last);
    }
    machine.mappings.shadowInsert(space, walk.first, walk.last, walk.gpa, walk.permissions);
  }

  /**
   * `virtio_iommu_notify_map`: MAPs of `pieces` follow, which are those of the pages `first .. last`. A
   * replay maps what is mapped already, which changes nothing.
   */
  mapsPieces(
    cursor: BatchCursor,
    space: DeviceSpace,
    first: number,
    last: number,
    pieces: SentUnmaps,
    permissions: number,
    isReplay: boolean,
  ): void {
    this.#request(space, first, last, pieces.carried(0), permissions);
    this.#walk.isReplay = isReplay;
    const { mappings, losses } = this.#machine;
    for (let index = 0; index < pieces.count; index += 1) {
      const [from, to, gpa] = [pieces.first(index), pieces.last(index), pieces.carried(index)];
      if (space.shadow.flagsOf(from, to, gpa) >= 0) continue;
      if (space.shadow.overlaps(from, to)) {
        // The guest cannot map over a mapping: virtio-iommu refuses it.
        losses.report('map-over-translation', cursor, space);
        mappings.shadowRemove(space, from, to);
      } else this.#walk.isNew = true;
      mappings.shadowInsert(space, from, to, gpa, permissions);
    }
  }

  /** `virtio_iommu_notify_unmap`: UNMAPs of the pages `first .. last` follow, be it that no MAP of them came. */
  unmapsPieces(
    cursor: BatchCursor,
    space: DeviceSpace,
    first: number,
    last: number,
    isOfRegisters: boolean,
  ): void {
    this.#request(space, first, last, 0, 0);
    const walk = this.#walk;
    walk.nodes = this.#machine.mappings.shadowRemove(space, first, last);
    walk.isSurprise = walk.nodes.count === 0 && !isOfRegisters;
    if (walk.isSurprise && space.interval.knowledge !== 'partial') {
      this.#machine.losses.report('unmap-of-unseen', cursor, space);
    }
  }

  #request(
    space: DeviceSpace,
    first: number,
    last: number,
    gpa: number,
    permissions: number,
  ): void {
    const walk = this.#walk;
    walk.active = true;
    walk.isOfRequest = true;
    walk.space = space;
    walk.isSure = true;
    walk.domain = space.domain ?? -1;
    walk.first = first;
    walk.last = last;
    walk.gpa = gpa;
    walk.permissions = permissions;
    walk.delivered = 0;
    walk.nodes = null;
    walk.isSurprise = false;
    walk.isNew = false;
    walk.isReplay = false;
    walk.crossing = null;
  }

  /** The device whose walk has come to the pages `first .. last`. */
  #walker(cursor: BatchCursor, domain: number, first: number, last: number): DeviceSpace | null {
    const { attribution } = this.#machine;
    const space = attribution.walker(domain, first, last);
    if (attribution.hasHole) this.#machine.losses.reportHole(cursor);
    return space;
  }

  /** What the newest walk event was to bring has not come yet. */
  get isOpen(): boolean {
    return this.#walk.active && this.#walk.delivered === 0;
  }

  /** Another line has come: whatever the last walk event was to bring, it has brought. */
  end(cursor: BatchCursor): void {
    const walk = this.#walk;
    if (!walk.active) return;
    walk.active = false;
    if (walk.delivered > 0 || walk.space === null) return;
    if (!this.#isDelivered(walk.space, walk.first, walk.last)) return;
    this.#machine.dueNotifications.due();
    if (!this.#machine.hasNotifications) return;
    this.#machine.losses.report('notification-of-walk', cursor, walk.space);
    const container = this.#machine.containers.of(walk.space);
    if (walk.permissions === 0) this.#machine.mappings.hostForget(container, walk.first, walk.last);
    else {
      const { first, last, gpa, permissions } = walk;
      this.#machine.mappings.hostMap(container, first, last, gpa, permissions);
    }
  }

  /**
   * The trace is over. Where it ends with an event that crosses the interrupt range, QEMU up to 10.1
   * has stopped with an assertion when it was about to deliver it.
   */
  finish(): void {
    const { active, delivered, space, first, last, crossing } = this.#walk;
    if (!active || delivered > 0 || space === null || crossing === null) return;
    const { hasNotifications, writtenBy } = this.#machine;
    if (writtenBy.crossingEvent !== 'abort' || !hasNotifications) return;
    if (!this.#isDelivered(space, first, last)) return;
    this.#machine.report({ kind: 'abort', mark: crossing, space, first, last });
  }

  /** The UNMAP notification of the walk event before it, if it is one. */
  unmap(cursor: BatchCursor, first: number, last: number): boolean {
    const walk = this.#walk;
    if (!walk.active || walk.permissions !== 0) return false;
    if (first < walk.first || last > walk.last) return false;
    walk.delivered += 1;
    const unmap = this.#pending.open(cursor, first, last);
    this.#pending.place(unmap, walk.space, walk.isSure);
    unmap.domain = walk.domain;
    unmap.cause = walk.isOfRequest ? 'request' : 'page-walk';
    unmap.carried = walk.gpa;
    const unseen = walk.space === null || walk.isSurprise ? 1 : 0;
    this.#pending.evaluate(unmap, walk.nodes, unseen);
    return true;
  }

  /** An UNMAP that neither a walk nor a whole unmap explains. */
  unexplainedUnmap(cursor: BatchCursor, first: number, last: number): void {
    this.leaveUnexplained(this.#pending.open(cursor, first, last), cursor);
  }

  /** The same of one that is pending already. */
  leaveUnexplained(unmap: Unmap, place: BatchCursor | Place): void {
    const { first, last, tracked } = unmap;
    const walked = this.#walkedUnseen(first, last);
    const space = walked ?? this.#ownerOfUnexplained(place, 'unmap-without-walk');
    const isSure = walked !== null || this.#isUnexplainedSure;
    this.#pending.place(unmap, space, isSure);
    if (walked !== null) unmap.space.grounds |= ground.onlyTranslated;
    unmap.cause = 'unknown';
    unmap.carried = UNKNOWN_ADDRESS;
    const nodes = space === null ? null : this.#machine.mappings.shadowRemove(space, first, last);
    // QEMU unmaps only what it has mapped, be it for a device that nobody thinks of.
    const unseen = nodes === null || nodes.count === 0 || !isSure ? 1 : 0;
    this.#pending.evaluate(unmap, nodes, unseen);
    // What QEMU has said of it by now holds.
    if (unmap.message.isSeen) unmap.tracked = tracked;
  }

  /**
   * The device of an UNMAP in a trace without walks, where it can be a walk's of one device only:
   * it is no piece, and no mapping that QEMU 11.x unmaps by node, of another device that has just lost its
   * context entry.
   */
  #walkedUnseen(first: number, last: number): DeviceSpace | null {
    const { attribution, contextEntries, hasWalks, singleTranslated } = this.#machine;
    if (hasWalks || singleTranslated === null) return null;
    const { tracking, writtenBy, version } = this.#machine;
    const mayBeByNode =
      (version.mayUnmapInMigration || writtenBy.unmapInMigration !== null) &&
      tracking.globalDirty !== false;
    const mayBeWhole = mayBeByNode && !contextEntries.isSingleEver;
    const mayBeOthers = mayBeWhole || last - first + 1 >= SMALLEST_PIECE;
    return mayBeOthers && attribution.device !== singleTranslated ? null : singleTranslated;
  }

  /** The likeliest device of a notification that nothing explains; `loss`: what that is where walks are traced. */
  #ownerOfUnexplained(place: BatchCursor | Place, loss: LossId): DeviceSpace | null {
    const { attribution, hasWalks, registering, viommu } = this.#machine;
    // Of AMD-Vi's commands for one device, only the one that registers its notifiers maps anything.
    const device = viommu.commandsComeBehind ? (registering?.space ?? null) : attribution.device;
    const space = device ?? attribution.singleDeviceOrNew;
    if (hasWalks) this.#machine.losses.report(loss, place, attribution.singleDevice);
    return space;
  }

  /** Whether that device is beyond doubt. */
  get #isUnexplainedSure(): boolean {
    const { attribution, hasWalks } = this.#machine;
    if (attribution.singleDevice !== null) return attribution.isSingleDeviceSure;
    return !hasWalks && attribution.isCommandSure;
  }

  /** "Found conflicting translation": the guest has changed where the next MAP leads, and nothing was unmapped. */
  conflicts(): void {
    this.#isConflicting = true;
  }

  /** A MAP notification, of the walk event before it or of one that is not in the trace. */
  mapped(cursor: BatchCursor, first: number, last: number): void {
    const walk = this.#walk;
    const { map } = this;
    const isWalked =
      walk.active && walk.permissions !== 0 && first >= walk.first && last <= walk.last;
    if (isWalked) walk.delivered += 1;
    map.isConflicting = this.#isConflicting;
    this.#isConflicting = false;
    const isRepeated = map.isConflicting
      ? false
      : isWalked
        ? walk.isOfRequest && !walk.isNew
        : this.#isRepeated(first, last);
    const space = isWalked ? walk.space : this.#unwalkedMap(cursor, first, last);
    if (space === null) {
      if (this.#machine.viommu.commandsComeBehind) {
        this.#mappedForNobody(cursor, first, last);
        this.#syncs.mappedForNobody(cursor, map, isRepeated);
      }
      return;
    }
    const container = this.#machine.containers.of(space);
    map.active = true;
    map.space = space;
    map.isSure = isWalked ? walk.isSure : this.#isUnexplainedSure;
    map.container = container;
    map.first = first;
    map.last = last;
    // A part of a larger mapping carries the address of the whole one's front.
    map.gpa = isWalked ? walk.gpa : 0;
    if (isWalked && walk.isOfRequest) map.gpa += first - walk.first;
    map.flags = isWalked ? walk.permissions : UNKNOWN_MAPPING;
    map.tracked = this.#machine.trackedIn(container);
    map.isRefused = false;
    map.isRepeated = isRepeated;
    if (isRepeated && (!isWalked || walk.isReplay)) {
      this.#syncs.repeated(cursor, space, container, first, last);
    } else this.#syncs.mapped();
    this.#syncs.took(map);
    map.place.set(cursor);
    const entryLimit = this.#machine.parameters.entryLimit.value;
    const { behaviour, host } = container;
    const isPart = first !== walk.first || last !== walk.last;
    const isCropped = isWalked && !walk.isOfRequest && isPart;
    map.predicted = isCropped
      ? mapNotifyResult(behaviour, host, first, last, entryLimit)
      : behaviour.mapResult(host, first, last, entryLimit);
  }

  /** A MAP of one of several devices: what the host makes of it shows by its message alone. */
  #mappedForNobody(cursor: BatchCursor, first: number, last: number): void {
    const { map } = this;
    map.active = true;
    map.space = null;
    map.isSure = false;
    map.container = null;
    map.first = first;
    map.last = last;
    map.gpa = UNSET_PAGE;
    map.flags = UNKNOWN_MAPPING;
    map.tracked = this.#machine.trackedIn(null);
    map.isRefused = false;
    map.isRepeated = false;
    map.predicted = 0;
    map.place.set(cursor);
  }

  /** QEMU's message points to the container of a device that the newest MAP is of. */
  isOf(space: DeviceSpace): void {
    const { map } = this;
    if (map.space !== null) return;
    map.space = space;
    map.isSure = true;
    map.container = space.container;
  }

  /**
   * Whether the device of a MAP without a walk has exactly that mapping already. Only a replay maps
   * what is mapped, and VT-d's would have told VFIO of it in other words.
   */
  #isRepeated(first: number, last: number): boolean {
    const { attribution, viommu } = this.#machine;
    if (viommu.announcesWholeUnmaps) return false;
    return attribution.spaces.some(({ shadow }) => shadow.hasNode(first, last));
  }

  /**
   * An UNMAP that no line before it tells of: of what AMD-Vi no longer finds in the tables of a device,
   * which carries what is left in the entry, 0 where the guest has cleared it; or one of virtio-iommu,
   * whose lines are not in the trace, and whose UNMAPs all carry 0.
   */
  zeroUnmap(cursor: BatchCursor, first: number, last: number): void {
    const unmap = this.#pending.open(cursor, first, last);
    const { attribution, losses, mappings, viommu } = this.#machine;
    const isOfRequest = viommu.printsGuestAddresses;
    // Of a command whose line is behind it: the one before is over.
    if (!isOfRequest) {
      this.#machine.unseenMoves.settle();
      this.#machine.unowned.unmapped(first, last);
    }
    const holder = isOfRequest ? null : attribution.holderOf(first, last);
    const space = isOfRequest
      ? this.#ownerOfUnexplained(cursor, 'unmap-without-walk')
      : (holder?.space ?? null);
    this.#pending.place(unmap, space, holder?.isSure ?? this.#isUnexplainedSure);
    unmap.cause = isOfRequest ? 'request' : 'page-walk';
    unmap.carried = 0;
    const nodes = space === null ? null : mappings.shadowRemove(space, first, last);
    this.#pending.evaluate(unmap, nodes, nodes === null || nodes.count === 0 ? 1 : 0);
    if (holder?.isSure === false && attribution.singleDevice === null) losses.doubtAll(cursor.line);
  }

  /** No message came for the newest MAP: it did what the emulation says. */
  commitPendingMap(): void {
    const { map } = this;
    if (!map.active) return;
    map.active = false;
    const { container, predicted } = map;
    if (container === null) {
      // A message would have told that the host holds it.
      if (this.#machine.hasMessages) this.#syncs.wasNotHeld();
      return;
    }
    // Of AMD-Vi it may be another device's, which the host takes: then no message has come.
    const isTraced = this.#machine.hasMessages && this.#machine.viommu.commandsComeBehind;
    if (map.isRefused || (map.isRepeated && predicted === EEXIST && !isTraced)) {
      this.reportFailure(predicted === 0 ? EEXIST : predicted, map.isRefused);
      return;
    }
    const isExpected = predicted !== EEXIST || this.#isLeftBehind(container, map);
    const isBelieved = predicted === EINVAL || (!this.#machine.hasMessages && isExpected);
    if (predicted !== 0 && isBelieved) {
      this.reportFailure(predicted, false);
      return;
    }
    // What the host takes now it did not hold before.
    if (this.#machine.hasMessages || !this.#machine.losses.isAny) this.#syncs.wasNotHeld();
    // QEMU would have said so. The host took it: what was thought of the host is wrong.
    if (predicted === ENOSPC) {
      this.#machine.parameters.exceeded(container.host.size + 1, map.place.line);
    } else if (predicted !== 0) {
      this.#machine.losses.report('map-accepted', map.place.mark, map.space);
      this.#machine.mappings.hostForget(container, map.first, map.last);
    }
    this.#machine.mappings.hostMap(container, map.first, map.last, map.gpa, map.flags);
    if (map.isConflicting) container.takeChanged(map.first);
    this.#watchEntries(container, map);
  }

  /**
   * What is in the way of a MAP is known to have outlived its unmap; else its UNMAP is what is missing,
   * or the removal of a section of RAM.
   */
  #isLeftBehind({ host }: VfioContainer, { first, last }: PendingMap): boolean {
    const found = host.collect(first, last);
    for (let index = 0; index < found.count; index += 1) {
      const flags = found.flags(index);
      const isRam = (flags & mappingFlag.ram) !== 0;
      // Of a section of RAM only a failure shows that it is still there.
      const left = isRam ? mappingFlag.stale : mappingFlag.stale | mappingFlag.kept;
      if ((flags & left) === 0) return false;
    }
    return true;
  }

  /** QEMU did not pass the newest MAP on to the host. */
  dropPendingMap(): void {
    if (this.map.active) this.#syncs.wasNotHeld();
    this.map.active = false;
  }

  /** The newest MAP failed. */
  reportFailure(errno: number, observed: boolean): void {
    if (errno !== EEXIST) this.#syncs.wasNotHeld();
    const { place, space, isSure, container, first, last, tracked } = this.map;
    space?.shadow.markFailed(first, last);
    this.#machine.report({
      kind: 'failed-map',
      mark: place.mark,
      space: isSure ? space : null,
      container: isSure || this.#machine.containers.isSingleSure ? container : null,
      first,
      last,
      errno,
      observed,
      tracked,
      memory: 'viommu',
      endsQemu: false,
      isRepeated: this.map.isRepeated && errno === EEXIST,
      isOverStale: isOverStale(container, this.map),
    });
  }

  /** `vtd_page_walk_one_skip_map`: QEMU's shadow has this mapping already. */
  skippedMap(cursor: BatchCursor): void {
    const first = cursor.page(at.skipMap.iova);
    const last = first + cursor.page(at.skipMap.mask);
    const space = this.#walker(cursor, -1, first, last);
    if (space === null) return;
    const gpa = cursor.page(at.skipMap.gpa);
    if (space.shadow.flagsOf(first, last, gpa) >= 0) {
      space.container?.useAgain(first, last, gpa);
      return;
    }
    if (space.interval.knowledge !== 'partial') {
      this.#machine.losses.report('skipped-map-of-unseen', cursor, space);
    }
    const flags = READ_WRITE | mappingFlag.unknown;
    this.#machine.mappings.shadowRemove(space, first, last);
    this.#machine.mappings.shadowInsert(space, first, last, gpa, flags);
    const container = this.#machine.containers.of(space);
    if (!container.host.overlaps(first, last)) {
      this.#machine.mappings.hostMap(container, first, last, gpa, flags);
    }
  }

  /** `vtd_page_walk_one_skip_unmap`: nothing in QEMU's shadow, so nothing is unmapped. */
  skippedUnmap(cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    attribution.sawEmptyEntry();
    const first = cursor.page(at.skipUnmap.iova);
    const last = first + cursor.page(at.skipUnmap.mask);
    const space = this.#walker(cursor, -1, first, last);
    if (attribution.operation === 'replay') return;
    if (space === null || space.container === null) return;
    const { container, shadow } = space;
    if (shadow.overlaps(first, last)) {
      this.#machine.losses.report('skipped-unmap-of-mapped', cursor, space);
      this.#machine.mappings.shadowRemove(space, first, last);
      this.#machine.mappings.hostForget(container, first, last);
      return;
    }
    // The guest has invalidated it, QEMU has forgotten it, and the host may still map it.
    if (!container.host.overlaps(first, last)) return;
    this.#stale.mark(space, first, last, placeOf(cursor), 'skipped-invalidation');
  }

  /**
   * Lines like the one that `skippedUnmap` has just taken, of the pages behind it, as many as `lines`.
   * False where something comes of one of them: then none is taken.
   */
  passEmpty(cursor: BatchCursor, lines: number): boolean {
    const { attribution } = this.#machine;
    const pages = cursor.page(at.skipUnmap.mask) + 1;
    const first = cursor.page(at.skipUnmap.iova) + pages;
    const last = first + lines * pages - 1;
    const space = attribution.walking;
    if (space === null) return false;
    const mayMatter = attribution.operation !== 'replay' && space.container !== null;
    if (mayMatter && space.shadow.overlaps(first, last)) return false;
    if (mayMatter && space.container?.host.overlaps(first, last) === true) return false;
    return attribution.walkerPasses(first, last, last - pages + 1);
  }

  /** The device of a MAP without a walk; its mapping goes into the shadow with an unknown address. */
  #unwalkedMap(cursor: BatchCursor, first: number, last: number): DeviceSpace | null {
    const { attribution, hasWalks, singleTranslated } = this.#machine;
    const walked = hasWalks ? null : singleTranslated;
    const space = walked ?? this.#ownerOfUnexplained(cursor, 'map-without-walk');
    if (walked === null && !this.#isUnexplainedSure) attribution.guessMap(cursor.line);
    if (space === null) return null;
    this.#machine.mappings.shadowRemove(space, first, last);
    this.#machine.mappings.shadowInsert(space, first, last, 0, UNKNOWN_MAPPING);
    return space;
  }

  /** Whether some notifier that gets the events of this walk lies in their range. */
  #isDelivered(space: DeviceSpace, first: number, last: number): boolean {
    if (this.#machine.attribution.operation === 'replay') {
      return this.replayedNotifier !== null && concernsNotifier(this.replayedNotifier, first, last);
    }
    for (const notifier of space.notifiers)
      if (concernsNotifier(notifier, first, last)) return true;
    return false;
  }

  #watchEntries(container: VfioContainer, map: PendingMap): void {
    if (container.backend !== 'legacy' || this.#warned.has(container)) return;
    if (container.host.size < this.#machine.parameters.entryLimit.value * 0.9) return;
    this.#warned.add(container);
    const { space, place } = map;
    this.#machine.report({ kind: 'entry-limit', mark: place.mark, space, container });
  }
}

/**
 * True where the host holds what should be gone, or something else than the MAP asks for. The same
 * once more, as a replay maps it, leads to no other memory.
 */
function isOverStale(container: VfioContainer | null, map: PendingMap): boolean {
  const { first, last, gpa, flags, isConflicting } = map;
  // The host took a MAP like this before: it may be the very same.
  if (isConflicting) return container?.holdsChanged(first, last) !== true;
  if (container === null || !container.host.overlaps(first, last)) return false;
  // The very same that a replay alone has forgotten is as the guest wants it again.
  const isStale = container.holdsMarked(first, last, mappingFlag.stale);
  return isStale || !container.holds(first, last, gpa, flags);
}
