import { addressOfPage, pageOf } from '../base/address.ts';
import type { Place } from '../base/place.ts';
import { dirtyBitmapBytesOfPages } from '../emulation/vfio/dirty-bitmap.ts';
import { amdIommu } from '../emulation/viommu/amd/index.ts';
import { intelIommu } from '../emulation/viommu/intel/index.ts';
import { LOW_NOTIFIER } from '../emulation/viommu/notifiers.ts';
import type { AddressRange } from '../emulation/viommu/viommu.ts';
import { offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { ground } from './claim.ts';
import type { DeviceSpace } from './device-space.ts';
import { bdfOf, placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { PageWalks } from './page-walks.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import { isLonePiece, isPiece, type Owner, PieceGroup, PiecePredictions } from './piece-groups.ts';
import type { StaleMappings } from './stale-mappings.ts';
import type { Unmap } from './unmap.ts';
import { isNodeOfNotifier, UnmapsInMigration } from './unmaps-in-migration.ts';
import { lineMarks } from './version.ts';

const at = offsetsOf('vtd_as_unmap_whole');

/** The page at which the widest space of VT-d ends. */
const BEHIND_VTD = 2 ** (intelIommu.widestBits - 12);

/**
 * Whole unmaps: `vtd_address_space_unmap` of one device, notifier by notifier, and what QEMU 11.x
 * does in its place while dirty tracking is on.
 *
 * The pieces of a notifier come without a device; `vtd_as_unmap_whole` closes them and names it. An
 * unmap in migration has no closing line, and where it finds nothing it prints none at all. So the lines that
 * make QEMU unmap a whole space announce it here first, and when the command is over it shows
 * whether pieces came, an UNMAP for each mapping, or nothing.
 */
export class WholeUnmaps {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #stale: StaleMappings;
  readonly #walks: PageWalks;
  readonly #byNode: UnmapsInMigration;
  /** The one whose pieces are coming in. */
  #group: PieceGroup | null = null;
  /** Those of one device whose pieces have come and are held: one for each of its notifiers. */
  #unit: PieceGroup[] = [];
  /** Devices of which a whole unmap is due, in order. */
  #due: readonly DeviceSpace[] = [];
  #dueMark: Place = { line: 0, byteOffset: 0, time: null };
  /** What the emulation says is sent. */
  readonly #predictions = new PiecePredictions();
  /** Devices whose pieces have come since. */
  readonly #unmappedInPieces = new Set<DeviceSpace>();

  constructor(machine: Machine, pending: PendingUnmaps, stale: StaleMappings, walks: PageWalks) {
    this.#machine = machine;
    this.#pending = pending;
    this.#stale = stale;
    this.#walks = walks;
    this.#byNode = new UnmapsInMigration(machine, pending, stale);
  }

  /** Pieces have come, and more of them, or their closing line, are to come. */
  get isOpen(): boolean {
    return this.#group !== null;
  }

  /** The lines so far say that QEMU now unmaps these devices' whole spaces, in this order. */
  announce(spaces: readonly DeviceSpace[], cursor: BatchCursor): void {
    this.#unmappedInPieces.clear();
    this.#due = spaces.filter((space) => space.notifiers.length > 0 || space.shadow.size > 0);
    this.#dueMark = placeOf(cursor);
  }

  /** Takes an UNMAP if it is part of a whole unmap. */
  take(cursor: BatchCursor, first: number, last: number): boolean {
    if (this.#continues(cursor, first, last)) return true;
    this.#endGroup(null);
    if (this.#byNode.isDue) {
      // First of all, as a mapping can be as large as the first piece of a notifier.
      this.release();
      if (this.#takesNode(cursor, first, last)) return true;
    }
    if (this.#starts(cursor, first, last)) return true;
    this.release();
    return this.#takesNode(cursor, first, last);
  }

  /** `vtd_as_unmap_whole`: the pieces before it are complete, and theirs is the device it names. */
  close(cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    const space = attribution.named(bdfOf(cursor, at));
    // Emulated devices with notifiers of their own print the line, too.
    if (attribution.maybeAssigned(space)) this.#machine.dueNotifications.due();
    const firstPage = cursor.page(at.start);
    const lastPage = firstPage + pageOf(cursor.u64(at.size)) - 1;
    const group = this.#group;
    if (group !== null && this.#isSpliced(space)) {
      this.#machine.losses.report('parts-of-whole-unmaps', cursor);
      // A message may be about a piece of the other one.
      this.#pending.forgetPointers(group.from);
      this.release();
      this.#machine.mappings.hostForget(this.#machine.containers.of(space), firstPage, lastPage);
    } else if (group !== null && group.firstPage === firstPage) {
      this.#machine.parameters.wholeUnmap(cursor.u64(at.start), cursor.u64(at.size), cursor.line);
      this.#learnReplay();
      const isComplete = group.next === lastPage + 1;
      if (!isComplete) {
        this.#machine.losses.report('pieces', cursor, space);
      }
      this.#endGroup(space);
      if (!isComplete) {
        this.#machine.mappings.hostForget(this.#machine.containers.of(space), firstPage, lastPage);
      }
    } else {
      this.#endGroup(null);
      this.#closeWithoutPieces(cursor, space, firstPage, lastPage);
    }
  }

  /**
   * Another device's whole unmap was due than the closing line names: the first pieces may be that
   * one's, and the last ones this one's.
   */
  #isSpliced(space: DeviceSpace): boolean {
    const next = this.#due.find((due) => !this.#unmappedInPieces.has(due));
    return next !== undefined && next !== space && !this.#unmappedInPieces.has(space);
  }

  /**
   * Whatever comes now, it is no part of the pieces that have come: reports them. `isCutShort`: the
   * trace ends, and those that are still missing were never printed.
   */
  release(isCutShort = false): void {
    this.#endGroup(null);
    if (this.#pending.heldCount === 0) return;
    this.#endUnit(isCutShort);
    this.#pending.release();
  }

  /** The pieces of a notifier that have come are all. `named`: the device of the closing line, if one came. */
  #endGroup(named: DeviceSpace | null): void {
    const group = this.#group;
    if (group === null) return;
    this.#group = null;
    this.#machine.wholeUnmaps += 1;
    group.isClosed = named !== null;
    this.#unit.push(group);
    if (named !== null) this.#resolve(group, named, true, true);
  }

  /** All pieces of a device have come: finds the device of those that no line has closed. */
  #endUnit(isCutShort: boolean): void {
    const unit = this.#unit;
    this.#unit = [];
    // Where walks are traced, one that ends the trace is a piece.
    if (isLonePiece(unit) && !(isCutShort && this.#machine.hasWalks)) {
      this.#giveUp();
      return;
    }
    const open = unit.filter(({ isResolved }) => !isResolved);
    if (open.length > 0) {
      const owner = this.#ownerOf(unit);
      for (const group of open) this.#resolve(group, owner.space, owner.isSure, owner.isNamed);
      if (!owner.isSure && owner.space !== this.#machine.attribution.singleDevice) {
        this.#machine.losses.doubtAll(this.#pending.held(0).place.line);
      }
    }
    const [space] = unit.map((group) => group.space);
    if (space !== null && space !== undefined) this.#checkEmptied(space, unit, isCutShort);
  }

  /** Takes the piece that came alone for an UNMAP that nothing explains. */
  #giveUp(): void {
    const unmap = this.#pending.held(0);
    this.#machine.wholeUnmaps -= 1;
    // If it was one, lines of others are missing.
    if (!this.#machine.hasWalks) this.#machine.losses.doubtAll(unmap.place.line);
    this.#walks.leaveUnexplained(unmap, unmap.place.mark);
    this.#pending.decide(unmap);
  }

  /** Evaluates and applies the pieces of a notifier, now that their device is known, or will not be. */
  #resolve(group: PieceGroup, space: DeviceSpace | null, isSure: boolean, isNamed: boolean): void {
    const { from, to, firstPage } = group;
    group.space = space;
    group.isResolved = true;
    this.#evaluatePieces(space, isSure, from, to);
    if (isNamed) {
      for (let index = from; index < to; index += 1) {
        this.#pending.held(index).space.grounds |= ground.named;
      }
    }
    if (space !== null) this.#unmappedInPieces.add(space);
    // Asked while the host still holds what the pieces take from it.
    if (space !== null) this.#byNode.replacePieces(space, group);
    for (let index = from; index < to; index += 1) {
      this.#pending.decide(this.#pending.held(index));
    }
    if (space === null) return;
    const { last } = this.#pending.held(to - 1);
    const extra = this.#machine.writtenBy.removesOneByteMore ? 1 : 0;
    this.#machine.mappings.shadowRemove(space, firstPage, last + extra);
    const mark = (this.#pending.firstFailed(from, to) ?? this.#pending.held(to - 1)).place.mark;
    this.#stale.mark(space, firstPage, last, mark, 'failed-unmap');
  }

  /** The device of pieces that no line closes, or not all of them. */
  #ownerOf(unit: readonly PieceGroup[]): Owner {
    const { attribution } = this.#machine;
    const named = unit.find(({ isResolved }) => isResolved)?.space;
    if (named !== undefined && named !== null) return { space: named, isSure: true, isNamed: true };
    const told = this.#pending.ownerByMessage();
    if (told !== null) return { space: told, isSure: true, isNamed: false };
    const { device } = attribution;
    const next = this.#due.find((space) => !this.#unmappedInPieces.has(space));
    const space = next ?? device ?? attribution.singleDeviceOrNew;
    if (space === null) return { space, isSure: false, isNamed: false };
    const { viommu } = this.#machine;
    // The lines that make QEMU unmap it came just before.
    if (space === device && (space === next || !viommu.announcesWholeUnmaps))
      return { space, isSure: true, isNamed: true };
    if (attribution.singleDevice === space) {
      return { space, isSure: attribution.isSingleDeviceSure, isNamed: space === device };
    }
    // Had a closing line been there to come, a lost one may have been another device's.
    const isInOrder = space === next && !this.#machine.isTraced('vtd_as_unmap_whole');
    return { space, isSure: isInOrder && attribution.isOrderSure, isNamed: false };
  }

  /** Nothing is mapped any more where the unmaps of all its notifiers are complete and none failed. */
  #checkEmptied(space: DeviceSpace, unit: readonly PieceGroup[], isCutShort: boolean): void {
    const { awBits } = this.#machine.parameters;
    const groupOf = ({ start }: AddressRange) =>
      unit.find((group) => group.space === space && group.firstPage === pageOf(start));
    const isEmptied = (notifier: AddressRange) => {
      const group = groupOf(notifier);
      if (group === undefined || !group.isComplete(notifier.end, awBits)) return false;
      return this.#pending.firstFailed(group.from, group.to) === null;
    };
    if (space.effectiveNotifiers.every(isEmptied)) {
      space.becomeKnown(this.#pending.held(this.#pending.heldCount - 1).place.line);
      return;
    }
    if (isCutShort) return;
    // A registration, of VT-d before 8.1 only, unmaps the range of its own notifier.
    const { registering, viommu, writtenBy } = this.#machine;
    const isOfAll = viommu.announcesWholeUnmaps
      ? writtenBy.replayClearsShadow || this.#due.includes(space)
      : registering === null;
    let isShort = false;
    for (const notifier of space.effectiveNotifiers) {
      const group = groupOf(notifier);
      if (group === undefined ? !isOfAll : !group.isCut(notifier.end, awBits)) continue;
      isShort = true;
      this.#forget(space, group?.next ?? pageOf(notifier.start), pageOf(notifier.end));
    }
    if (!isShort) return;
    const mark = this.#pending.held(0).place.mark;
    this.#machine.losses.report('pieces', mark, space);
  }

  /** Pages whose unmap is not in the trace. */
  #forget(space: DeviceSpace, first: number, last: number): void {
    this.#machine.mappings.shadowRemove(space, first, last);
    this.#machine.mappings.hostForget(this.#machine.containers.of(space), first, last);
  }

  /** The command that announced whole unmaps is over. */
  finish(cursor: BatchCursor | null): void {
    const due = this.#due;
    if (due.length === 0) return;
    this.#due = [];
    for (const space of due) this.#finishOne(space, cursor);
    this.#unmappedInPieces.clear();
  }

  // --- Pieces ------------------------------------------------------------------------------------

  #continues(cursor: BatchCursor, first: number, last: number): boolean {
    const group = this.#group;
    if (group !== null && first === BEHIND_VTD) this.#recogniseAmd(group);
    if (group?.continuesWith(first, last) !== true) return false;
    this.#hold(group, cursor, first, last);
    return true;
  }

  /**
   * The pieces of a whole unmap go on where the widest space of VT-d ends: they are of AMD-Vi, none of
   * whose own lines is in the trace.
   */
  #recogniseAmd(group: PieceGroup): void {
    const { viommu } = this.#machine.attribution;
    if (viommu === amdIommu || this.#machine.hasWalks) return;
    this.#machine.showsViommu(amdIommu);
    group.foresee(this.#predictions.of(group.notifier, amdIommu));
  }

  #starts(cursor: BatchCursor, first: number, last: number): boolean {
    const piecesBefore = this.#pending.heldCount;
    const notifier = this.#notifierOf(first, last);
    if (notifier === null) return false;
    // A switch has one group per notifier, the highest first: one that is no lower belongs to the next.
    if (this.#unit.some(({ firstPage }) => firstPage <= first)) this.release();
    const from = this.#pending.heldCount;
    this.#machine.attribution.leaveWalk();
    this.#machine.losses.reportHole(cursor);
    if (from > 0 && from === piecesBefore) {
      // The next notifier's pieces follow at once, so the list before them was complete.
      const lastPiece = this.#pending.held(from - 1);
      this.#machine.parameters.lastChunk(lastPiece.last + 1, lastPiece.place.line);
    }
    const predicted = this.#predictions.of(notifier, this.#machine.attribution.viommu);
    const group = new PieceGroup(notifier, predicted, from);
    this.#group = group;
    this.#hold(group, cursor, first, last);
    return true;
  }

  #hold(group: PieceGroup, cursor: BatchCursor, first: number, last: number): void {
    const unmap = this.#pending.hold(cursor, first, last);
    unmap.cause = 'whole-unmap';
    unmap.carried = 0;
    group.to = this.#pending.heldCount;
  }

  /** The notifier whose whole unmap can begin with this piece. */
  #notifierOf(first: number, last: number): AddressRange | null {
    const start = addressOfPage(first);
    const { spaces, viommu } = this.#machine.attribution;
    const isIt = (known: AddressRange) =>
      known.start === start && isPiece(this.#predictions.of(known, viommu), 0, first, last);
    for (const { notifiers } of spaces) {
      const found = notifiers.find(isIt);
      if (found !== undefined) return found;
    }
    const isRegistered = this.#machine.isTraced('vfio_listener_region_add_iommu');
    // That of a device that is taken for another's may have gone with it.
    if (isRegistered && !spaces.some(({ mayBeSeveral }) => mayBeSeveral)) return null;
    return viommu.notifierRanges.find(isIt) ?? null;
  }

  #evaluatePieces(space: DeviceSpace | null, isSure: boolean, from: number, to: number): void {
    const { version, viommu } = this.#machine;
    for (let index = from; index < to; index += 1) {
      const unmap = this.#pending.held(index);
      const { tracked } = unmap;
      this.#pending.place(unmap, space, isSure);
      if (unmap.message.isSeen) unmap.tracked = tracked;
      // Its messages have come by now: one that should have failed and did not teaches the limit.
      const isNews = unmap.tracked === true && !unmap.message.isSeen;
      if (isNews && this.#machine.wouldRefuse(unmap.container.value)) this.#learnLimit(unmap);
      const nodes = space === null ? null : space.shadow.overlapping(unmap.first, unmap.last);
      this.#pending.evaluate(unmap, nodes);
      if (unmap.tracked === true && this.#machine.options.tracking === 'from-trace') {
        // Either this QEMU is not what its lines say, or tracking had ended in a line that is lost.
        if (!viommu.unmapsByNode) continue;
        if (version.mustUnmapInMigration) {
          this.#machine.losses.report('pieces-under-tracking', unmap.place.mark, space);
        }
        version.sawUnmapInMigration(false);
      }
    }
  }

  /**
   * No message says that the bitmap of a tracked unmap was too big: the limit is higher than thought, or,
   * where QEMU has said so of such a bitmap before, the message is missing.
   */
  #learnLimit({ first, last, place }: Unmap): void {
    const { hasMessages, losses, parameters } = this.#machine;
    const bytes = dirtyBitmapBytesOfPages(last - first + 1, parameters.hostPageSize.value);
    if (bytes <= parameters.bitmapLimit.value) return;
    parameters.passed(bytes, place.line, hasMessages);
    if (hasMessages && bytes > parameters.bitmapLimit.value) {
      losses.report('too-big-message', place.mark);
    }
  }

  /** Before 8.1 the replay of a registration unmaps its notifier's whole range first. */
  #learnReplay(): void {
    if (this.#machine.registering !== null) {
      this.#machine.version.learn(lineMarks.wholeUnmapAtReplay);
    }
  }

  /**
   * A closing line without UNMAPs: 7.2's dirty sync, where only the shadow changes; a notifier of
   * another kind of device; or lines that are lost.
   */
  #closeWithoutPieces(
    cursor: BatchCursor,
    space: DeviceSpace,
    firstPage: number,
    lastPage: number,
  ): void {
    const { version, writtenBy } = this.#machine;
    if (space.lastNotifiers.length === 0 && space.shadow.size === 0) return;
    const reach = writtenBy.removesOneByteMore ? lastPage + 1 : lastPage;
    const isDue = this.#due.includes(space);
    // The walk that fills it again may not be traced.
    if (this.#machine.hasWalks || isDue) {
      this.#machine.mappings.shadowRemove(space, firstPage, reach);
    }
    // What the replay's walk does not find again, QEMU has forgotten and the host still maps.
    const kept = space.container?.host.setFlags(firstPage, lastPage, 0, mappingFlag.kept);
    this.#machine.bounds.step(kept ?? 0);
    if (!this.#machine.hasNotifications) this.#unmappedInPieces.add(space);
    if (!writtenBy.replayClearsShadow || !this.#machine.hasNotifications) return;
    if (isDue) {
      this.#machine.losses.report('all-pieces', cursor, space);
      this.#machine.mappings.hostForget(this.#machine.containers.of(space), firstPage, lastPage);
      this.#unmappedInPieces.add(space);
      return;
    }
    // An emulated device's notifier covers the whole space.
    if (firstPage === 0 && lastPage > pageOf(LOW_NOTIFIER.end)) return;
    version.learn(lineMarks.wholeUnmapAtReplay);
  }

  // --- Unmap in migration ----------------------------------------------------------------------------

  /** An UNMAP of exactly one mapping, or of a notifier's part of it, of a device whose whole unmap is due. */
  #takesNode(cursor: BatchCursor, first: number, last: number): boolean {
    const { attribution, hasWalks, tracking, version, viommu } = this.#machine;
    if (tracking.globalDirty === false || !viommu.unmapsByNode) return false;
    // The next command may be another device's, and not traced.
    if (!hasWalks && attribution.singleDevice === null && !attribution.isCommandSure) return false;
    const index = this.#due.findIndex((space) => isNodeOfNotifier(space, first, last));
    const space = this.#due[index];
    if (space === undefined) return false;
    version.sawUnmapInMigration(true);
    // Devices before it in the order had nothing to deliver.
    for (const done of this.#due.slice(0, index)) this.#finishOne(done, cursor);
    this.#due = this.#due.slice(index);
    this.#byNode.take(cursor, space, this.#isNodeSure(index), first, last);
    return true;
  }

  /** Whether the device at `index` of those due is the one whose mappings are unmapped, and no other. */
  #isNodeSure(index: number): boolean {
    const { attribution, contextEntries, hasWalks } = this.#machine;
    if (this.#due[index] === attribution.device) {
      // Without walks, it may be a walk's of another device that has mapped the same.
      return hasWalks || attribution.isCommandSure || !contextEntries.hadSeveral;
    }
    return attribution.singleDevice === null
      ? attribution.isOrderSure
      : attribution.isSingleDeviceSure;
  }

  /** A whole unmap was due and its lines, if any, have come. */
  #finishOne(space: DeviceSpace, cursor: BatchCursor | null): void {
    if (this.#unmappedInPieces.has(space)) return;
    if (!this.#machine.hasNotifications) {
      // No line can show what became of it: what it left in the shadow, if anything, is open.
      if (space.shadow.size > 0) space.lose(this.#dueMark.line, false);
      return;
    }
    if (this.#machine.isInMigration === false) this.#learnUnmapInMigration();
    const { isInMigration } = this.#machine;
    if (isInMigration === null) {
      const hostSize = space.container?.host.size ?? 0;
      if (space.shadow.size === 0 && hostSize === 0) return;
      this.#machine.losses.report('outcome-of-whole-unmap', this.#dueMark, space);
      return;
    }
    if (!isInMigration) {
      // A trace that ends here may just lack its end.
      if (cursor !== null) this.#machine.losses.report('whole-unmap', cursor, space);
      return;
    }
    this.#byNode.finish(space, this.#dueMark);
  }

  /**
   * Nothing came where a whole unmap was due under tracking, and yet notifications are traced and
   * nothing is known to be lost: a version that unmaps by node found nothing to unmap, or passed it by.
   */
  #learnUnmapInMigration(): void {
    const { losses, tracking, version } = this.#machine;
    if (!losses.isAny && tracking.globalDirty === true && version.mayUnmapInMigration) {
      version.sawUnmapInMigration(true);
    }
  }
}
