import { addressOfPage, pageOf, wrap64 } from '../base/address.ts';
import type { Place } from '../base/place.ts';
import { dirtyBitmapBytesOfPages } from '../emulation/vfio/dirty-bitmap.ts';
import { mappingFlag } from '../emulation/viommu/intel/iova-tree.ts';
import type { BatchCursor } from '../events/batch.ts';
import { offsetsOf } from '../events/catalogue.ts';
import {
  ANY_NOTIFIER,
  type Group,
  isChunk,
  isComplete,
  isCut,
  isLoneChunk,
  isNodeOfNotifier,
  type Owner,
} from './chunk-groups.ts';
import { bdfOf, type Machine, placeOf } from './machine.ts';
import type { PageWalks } from './page-walks.ts';
import { markOfUnmap, type PendingUnmaps } from './pending-unmaps.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { UNKNOWN_ADDRESS, type Unmap } from './unmap.ts';
import { lineMarks } from './version.ts';
import type { AddressRange, VtdAddressSpace } from './vtd-address-space.ts';

const at = offsetsOf('vtd_as_unmap_whole');

/**
 * Whole unmaps: `vtd_address_space_unmap` of one device, notifier by notifier, and what QEMU 11.x
 * does in its place while dirty tracking is on, the drain.
 *
 * The chunks of a notifier come without a device; `vtd_as_unmap_whole` closes them and names it. A
 * drain has no closing line, and where it finds nothing it prints none at all. So the lines that
 * make QEMU unmap a whole space announce it here first, and when the command is over it shows
 * whether chunks came, a drain, or nothing.
 */
export class WholeUnmaps {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #stale: StaleMappings;
  readonly #walks: PageWalks;
  /** The one whose chunks are coming in. */
  #group: Group | null = null;
  /** Those of one device whose chunks have come and are held: one for each of its notifiers. */
  #unit: Group[] = [];
  /** Devices of which a whole unmap is due, in order. */
  #due: readonly VtdAddressSpace[] = [];
  #dueMark: Place = { line: 0, byteOffset: 0, time: null };
  /** Devices whose chunks have come since. */
  readonly #chunked = new Set<VtdAddressSpace>();
  /** The device whose closing line was the newest line; 7.2 prints it ahead of a replay. */
  justClosed: VtdAddressSpace | null = null;

  constructor(machine: Machine, pending: PendingUnmaps, stale: StaleMappings, walks: PageWalks) {
    this.#machine = machine;
    this.#pending = pending;
    this.#stale = stale;
    this.#walks = walks;
  }

  /** Chunks have come, and more of them, or their closing line, are to come. */
  get isOpen(): boolean {
    return this.#group !== null;
  }

  /** The lines so far say that QEMU now unmaps these devices' whole spaces, in this order. */
  announce(spaces: readonly VtdAddressSpace[], cursor: BatchCursor): void {
    this.#chunked.clear();
    this.#due = spaces.filter((space) => space.notifiers.length > 0 || space.shadow.size > 0);
    this.#dueMark = placeOf(cursor);
  }

  /** Takes an UNMAP if it is part of a whole unmap. */
  take(cursor: BatchCursor, first: number, last: number): boolean {
    if (this.#continues(cursor, first, last)) return true;
    this.#endGroup(null);
    if (this.#mustDrain) {
      // First of all, as a mapping can be as large as the first chunk of a notifier.
      this.release();
      if (this.#drains(cursor, first, last)) return true;
    }
    if (this.#starts(cursor, first, last)) return true;
    this.release();
    return this.#drains(cursor, first, last);
  }

  /** `vtd_as_unmap_whole`: the chunks before it are complete, and theirs is the device it names. */
  close(cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    const space = attribution.named(bdfOf(cursor, at));
    // Emulated devices with notifiers of their own print the line, too.
    if (attribution.mayBeVfios(space)) this.#machine.wasUnmappedWhole = true;
    const firstPage = cursor.page(at.start);
    const lastPage = firstPage + pageOf(cursor.u64(at.size)) - 1;
    const group = this.#group;
    if (group !== null && this.#isSpliced(space)) {
      this.#machine.gap('parts of two whole unmaps are missing', cursor, null, false);
      // A message may be about a chunk of the other one.
      this.#pending.forgetPointers(group.from);
      this.release();
      this.#machine.hostForget(this.#machine.containerOf(space), firstPage, lastPage);
    } else if (group !== null && group.firstPage === firstPage) {
      this.#machine.parameters.wholeUnmap(cursor.u64(at.start), cursor.u64(at.size), cursor.line);
      this.#learnReplay();
      const isComplete = group.next === lastPage + 1;
      if (!isComplete) {
        this.#machine.gap('chunks of a whole unmap are missing', cursor, space, false);
      }
      this.#endGroup(space);
      if (!isComplete) {
        this.#machine.hostForget(this.#machine.containerOf(space), firstPage, lastPage);
      }
    } else {
      this.#endGroup(null);
      this.#closeWithoutChunks(cursor, space, firstPage, lastPage);
    }
    this.justClosed = space;
  }

  /**
   * Another device's whole unmap was due than the closing line names: the first chunks may be that
   * one's, and the last ones this one's.
   */
  #isSpliced(space: VtdAddressSpace): boolean {
    const next = this.#due.find((due) => !this.#chunked.has(due));
    return next !== undefined && next !== space && !this.#chunked.has(space);
  }

  /**
   * Whatever comes now, it is no part of the chunks that have come: reports them. `isCutShort`: the
   * trace ends, and those that are still missing were never printed.
   */
  release(isCutShort = false): void {
    this.#endGroup(null);
    if (this.#pending.heldCount === 0) return;
    this.#endUnit(isCutShort);
    this.#pending.release();
  }

  /** The chunks of a notifier that have come are all. `named`: the device of the closing line, if one came. */
  #endGroup(named: VtdAddressSpace | null): void {
    const group = this.#group;
    if (group === null) return;
    this.#group = null;
    this.#machine.wholeUnmaps += 1;
    group.to = this.#pending.heldCount;
    group.isClosed = named !== null;
    this.#unit.push(group);
    if (named !== null) this.#resolve(group, named, true, true);
  }

  /** All chunks of a device have come: finds the device of those that no line has closed. */
  #endUnit(isCutShort: boolean): void {
    const unit = this.#unit;
    this.#unit = [];
    // Where walks are traced, one that ends the trace is a chunk.
    if (isLoneChunk(unit) && !(isCutShort && this.#machine.hasWalks)) {
      this.#giveUp();
      return;
    }
    const open = unit.filter(({ isResolved }) => !isResolved);
    if (open.length > 0) {
      const owner = this.#ownerOf(unit);
      for (const group of open) this.#resolve(group, owner.space, owner.isSure, owner.isNamed);
      if (!owner.isSure && owner.space !== this.#machine.attribution.only) {
        this.#machine.loseAll(this.#pending.held(0).line);
      }
    }
    const [space] = unit.map((group) => group.space);
    if (space !== null && space !== undefined) this.#settle(space, unit, isCutShort);
  }

  /** Takes the chunk that came alone for an UNMAP that nothing explains. */
  #giveUp(): void {
    const unmap = this.#pending.held(0);
    this.#machine.wholeUnmaps -= 1;
    // If it was one, lines of others are missing.
    if (!this.#machine.hasWalks) this.#machine.loseAll(unmap.line);
    this.#walks.leaveUnexplained(unmap, markOfUnmap(unmap));
    this.#pending.decide(unmap);
  }

  /** Judges and applies the chunks of a notifier, now that their device is known, or will not be. */
  #resolve(group: Group, space: VtdAddressSpace | null, isSure: boolean, isNamed: boolean): void {
    const { from, to, firstPage } = group;
    group.space = space;
    group.isResolved = true;
    for (let index = from; index < to; index += 1) this.#pending.held(index).isNamed = isNamed;
    this.#judgeChunks(space, isSure, from, to);
    if (space !== null) this.#chunked.add(space);
    // Asked while the host still holds what the chunks take from it.
    if (space !== null && this.#machine.profile.drain !== null) this.#replaceByDrain(space, group);
    for (let index = from; index < to; index += 1) {
      this.#pending.decide(this.#pending.held(index));
    }
    if (space === null) return;
    const { last } = this.#pending.held(to - 1);
    const extra = this.#machine.writer.removesOneByteMore ? 1 : 0;
    this.#machine.shadowRemove(space, firstPage, last + extra);
    const mark = markOfUnmap(this.#pending.firstFailed(from, to) ?? this.#pending.held(to - 1));
    this.#stale.mark(space, firstPage, last, mark, 'failed-unmap');
  }

  /** The device of chunks that no line closes, or not all of them. */
  #ownerOf(unit: readonly Group[]): Owner {
    const { attribution } = this.#machine;
    const named = unit.find(({ isResolved }) => isResolved)?.space;
    if (named !== undefined && named !== null) return { space: named, isSure: true, isNamed: true };
    const told = this.#pending.ownerByMessage();
    if (told !== null) return { space: told, isSure: true, isNamed: false };
    const { device } = attribution;
    const next = this.#due.find((space) => !this.#chunked.has(space));
    const space = next ?? device ?? attribution.sole;
    if (space === null) return { space, isSure: false, isNamed: false };
    // The lines that make QEMU unmap it came just before.
    if (space === device && space === next) return { space, isSure: true, isNamed: true };
    if (attribution.only === space) {
      return { space, isSure: attribution.isOnlySure, isNamed: space === device };
    }
    // Had a closing line been there to come, a lost one may have been another device's.
    const isInOrder = space === next && !this.#machine.has('vtd_as_unmap_whole');
    return { space, isSure: isInOrder && attribution.isOrderSure, isNamed: false };
  }

  /** Nothing is mapped any more where the unmaps of all its notifiers are complete and none failed. */
  #settle(space: VtdAddressSpace, unit: readonly Group[], isCutShort: boolean): void {
    const { awBits } = this.#machine.parameters;
    const groupOf = ({ start }: AddressRange) =>
      unit.find((group) => group.space === space && addressOfPage(group.firstPage) === start);
    const isEmptied = (notifier: AddressRange) => {
      const group = groupOf(notifier);
      if (group === undefined || !isComplete(group, notifier.end, awBits)) return false;
      return this.#pending.firstFailed(group.from, group.to) === null;
    };
    if (space.effectiveNotifiers.every(isEmptied)) {
      space.settle(this.#pending.held(this.#pending.heldCount - 1).line);
      return;
    }
    if (isCutShort) return;
    // Before 8.1 a registration unmaps the range of its own notifier only.
    const isOfAll = this.#machine.writer.replayClearsShadow || this.#due.includes(space);
    let isShort = false;
    for (const notifier of space.effectiveNotifiers) {
      const group = groupOf(notifier);
      if (group === undefined ? !isOfAll : !isCut(group, notifier.end, awBits)) continue;
      isShort = true;
      this.#forget(space, group?.next ?? pageOf(notifier.start), pageOf(notifier.end));
    }
    if (!isShort) return;
    const mark = markOfUnmap(this.#pending.held(0));
    this.#machine.gap('chunks of a whole unmap are missing', mark, space, false);
  }

  /** Pages whose unmap is not in the trace. */
  #forget(space: VtdAddressSpace, first: number, last: number): void {
    this.#machine.shadowRemove(space, first, last);
    this.#machine.hostForget(this.#machine.containerOf(space), first, last);
  }

  /** The command that announced whole unmaps is over. */
  finish(cursor: BatchCursor | null): void {
    const due = this.#due;
    if (due.length === 0) return;
    this.#due = [];
    for (const space of due) this.#finishOne(space, cursor);
    this.#chunked.clear();
  }

  // --- Chunks ------------------------------------------------------------------------------------

  #continues(cursor: BatchCursor, first: number, last: number): boolean {
    const group = this.#group;
    if (group === null || first !== group.next || !isChunk(first, last, group.end)) return false;
    this.#hold(cursor, first, last);
    group.next = last + 1;
    return true;
  }

  #starts(cursor: BatchCursor, first: number, last: number): boolean {
    const chunksBefore = this.#pending.heldCount;
    const notifier = this.#notifierOf(first, last);
    if (notifier === null) return false;
    // A switch has one group per notifier, the highest first: one that is no lower belongs to the next.
    if (this.#unit.some(({ firstPage }) => firstPage <= first)) this.release();
    const from = this.#pending.heldCount;
    this.#machine.attribution.leaveWalk();
    this.#machine.reportHole(cursor);
    if (from > 0 && from === chunksBefore) {
      // The next notifier's chunks follow at once, so the list before them was complete.
      const lastChunk = this.#pending.held(from - 1);
      this.#machine.parameters.lastChunk(lastChunk.last + 1, lastChunk.line);
    }
    this.#group = {
      firstPage: first,
      end: notifier.end,
      next: last + 1,
      from,
      to: from,
      space: null,
      isResolved: false,
      isClosed: false,
    };
    this.#hold(cursor, first, last);
    return true;
  }

  #hold(cursor: BatchCursor, first: number, last: number): void {
    const unmap = this.#pending.hold(cursor, first, last);
    unmap.cause = 'whole-unmap';
    unmap.carried = 0;
  }

  /** The notifier whose whole unmap can begin with this chunk. */
  #notifierOf(first: number, last: number): AddressRange | null {
    const start = addressOfPage(first);
    const isIt = (known: AddressRange) => known.start === start && isChunk(first, last, known.end);
    for (const { notifiers } of this.#machine.attribution.spaces) {
      const found = notifiers.find(isIt);
      if (found !== undefined) return found;
    }
    if (this.#machine.has('vfio_listener_region_add_iommu')) return null;
    return ANY_NOTIFIER.find(isIt) ?? null;
  }

  #judgeChunks(space: VtdAddressSpace | null, isSure: boolean, from: number, to: number): void {
    const { parameters, ram, version } = this.#machine;
    for (let index = from; index < to; index += 1) {
      const unmap = this.#pending.held(index);
      const { tracked } = unmap;
      this.#pending.place(unmap, space, isSure);
      if (unmap.observed) unmap.tracked = tracked;
      const bytes = dirtyBitmapBytesOfPages(
        unmap.last - unmap.first + 1,
        parameters.hostPageSize.value,
      );
      // Its messages have come by now: one that should have failed and did not teaches the limit.
      const isNews =
        unmap.tracked === true && !unmap.observed && this.#machine.wouldRefuse(unmap.container);
      if (isNews && bytes > parameters.bitmapLimit.value) {
        parameters.passed(bytes, unmap.line, this.#machine.hasMessages);
        this.#checkMessage(unmap, bytes);
      }
      const observedSize = unmap.e2big;
      const nodes = space === null ? null : space.shadow.overlapping(unmap.first, unmap.last);
      unmap.judge(nodes, this.#machine.unmapContext(true), ram);
      unmap.e2big ||= observedSize;
      if (unmap.tracked === true && this.#machine.options.tracking === 'from-trace') {
        // Either this QEMU is not what its lines say, or tracking had ended in a line that is lost.
        if (version.mustDrain) {
          const what = 'a change of dirty tracking, or a drain';
          this.#machine.gap(what, markOfUnmap(unmap), space, false);
        }
        version.saw(false);
      }
    }
  }

  /** QEMU has said before that such a bitmap is too big, and this time no message is in the trace. */
  #checkMessage(unmap: Unmap, bytes: number): void {
    const { hasMessages, parameters, tracking } = this.#machine;
    if (!hasMessages || bytes <= parameters.bitmapLimit.value) return;
    const what = 'a message about a bitmap that is too big, or a change of dirty tracking';
    this.#machine.remember(what, markOfUnmap(unmap));
    tracking.doubtCurrent();
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
  #closeWithoutChunks(
    cursor: BatchCursor,
    space: VtdAddressSpace,
    firstPage: number,
    lastPage: number,
  ): void {
    const { version, writer } = this.#machine;
    if (space.lastNotifiers.length === 0 && space.shadow.size === 0) return;
    const reach = writer.removesOneByteMore ? lastPage + 1 : lastPage;
    const isDue = this.#due.includes(space);
    // The walk that fills it again may not be traced.
    if (this.#machine.hasWalks || isDue) this.#machine.shadowRemove(space, firstPage, reach);
    // What the replay's walk does not find again, QEMU has forgotten and the host still maps.
    space.container?.host.setFlags(firstPage, lastPage, 0, mappingFlag.kept);
    if (!this.#machine.hasNotifications) this.#chunked.add(space);
    if (!writer.replayClearsShadow || !this.#machine.hasNotifications) return;
    if (isDue) {
      this.#machine.gap('all chunks of a whole unmap are missing', cursor, space, false);
      this.#machine.hostForget(this.#machine.containerOf(space), firstPage, lastPage);
      this.#chunked.add(space);
      return;
    }
    // An emulated device's notifier covers the whole space.
    if (firstPage === 0 && lastPage > pageOf(ANY_NOTIFIER[1].end)) return;
    version.learn(lineMarks.wholeUnmapAtReplay);
  }

  // --- The drain of 11.x ---------------------------------------------------------------------------

  /** Tracking is on in a version that drains, and no chunks under tracking have said otherwise. */
  get #mustDrain(): boolean {
    const { tracking, version, writer } = this.#machine;
    return writer.drain !== null && tracking.globalDirty === true && version.drainsSeen !== false;
  }

  /** An UNMAP of exactly one mapping, or of a notifier's part of it, of a device whose whole unmap is due. */
  #drains(cursor: BatchCursor, first: number, last: number): boolean {
    const { attribution, hasWalks, tracking, version } = this.#machine;
    if (tracking.globalDirty === false) return false;
    // The next command may be another device's, and not traced.
    if (!hasWalks && attribution.only === null && !attribution.isCommandSure) return false;
    const index = this.#due.findIndex((space) => isNodeOfNotifier(space, first, last));
    const space = this.#due[index];
    if (space === undefined) return false;
    version.saw(true);
    // Devices before it in the order had nothing to deliver.
    for (const done of this.#due.slice(0, index)) this.#finishOne(done, cursor);
    this.#due = this.#due.slice(index);
    const unmap = this.#pending.open(cursor, first, last);
    this.#pending.place(unmap, space, this.#isDrainSure(index));
    unmap.cause = 'drain';
    const nodes = space.shadow.overlapping(first, last);
    const known = (nodes.flags(0) & mappingFlag.addressUnknown) === 0;
    const zero = this.#machine.writer.drain?.address === 'zero';
    unmap.carried = zero ? 0 : known ? nodes.value(0) : UNKNOWN_ADDRESS;
    unmap.judge(nodes, this.#machine.unmapContext(true), this.#machine.ram);
    this.#machine.shadowRemove(space, first, last);
    return true;
  }

  /** Whether the device at `index` of those due is the one that is being drained, and no other. */
  #isDrainSure(index: number): boolean {
    const { attribution, contextEntries, hasWalks } = this.#machine;
    if (this.#due[index] === attribution.device) {
      // Without walks, it may be a walk's of another device that has mapped the same.
      return hasWalks || attribution.isCommandSure || !contextEntries.hadSeveral;
    }
    return attribution.only === null ? attribution.isOrderSure : attribution.isOnlySure;
  }

  /** A whole unmap was due and its lines, if any, have come. */
  #finishOne(space: VtdAddressSpace, cursor: BatchCursor | null): void {
    if (this.#chunked.has(space)) return;
    if (!this.#machine.hasNotifications) {
      // Nothing more can be told of it: what it left in the shadow, if anything, is open.
      if (space.shadow.size > 0) space.lose(this.#dueMark.line, false);
      return;
    }
    if (this.#machine.drainsNow === false) this.#learnDrain();
    const drains = this.#machine.drainsNow;
    if (drains === null) {
      const hostSize = space.container?.host.size ?? 0;
      if (space.shadow.size === 0 && hostSize === 0) return;
      const what = 'what became of a whole unmap (global_dirty_changed tells)';
      this.#machine.gap(what, this.#dueMark, space, false);
      return;
    }
    if (!drains) {
      // A trace that ends here may just lack its end.
      if (cursor !== null) this.#machine.gap('a whole unmap is missing', cursor, space, false);
      return;
    }
    for (const notifier of space.effectiveNotifiers) this.#drained(space, notifier);
  }

  /**
   * Nothing came where a whole unmap was due under tracking, and yet notifications are traced and
   * nothing is known to be lost: a version that drains found nothing to unmap, or passed it by.
   */
  #learnDrain(): void {
    const { isIncomplete, tracking, version } = this.#machine;
    if (!isIncomplete && tracking.globalDirty === true && version.mayDrain) version.saw(true);
  }

  /** What a drain leaves behind in the range of one notifier. */
  #drained(space: VtdAddressSpace, notifier: AddressRange): void {
    const first = pageOf(notifier.start);
    const last = pageOf(notifier.end);
    const reach = this.#reach(notifier);
    const wraps = reach < first;
    const isLeft = wraps ? space.shadow.spans(reach, first) : space.shadow.overlaps(first, last);
    if (!isLeft) {
      this.#stale.mark(space, first, last, this.#dueMark, wraps ? 'wrap' : 'unlisted');
      return;
    }
    this.#machine.gap('UNMAPs of a drain are missing', this.#dueMark, space, false);
    this.#machine.shadowRemove(space, first, last);
    this.#machine.hostForget(this.#machine.containerOf(space), first, last);
  }

  /**
   * The page at which the drain's search ends: that of start + end, modulo 2^64. For the upper
   * notifier it is below its start, and only a mapping that holds both is found.
   */
  #reach({ start, end }: AddressRange): number {
    const { profile, writer } = this.#machine;
    const drain = profile.drain ?? writer.drain;
    return pageOf(drain?.wraps === true ? wrap64(start + end) : end);
  }

  /**
   * Under tracking version 11 would have drained instead of sending these chunks. What they would
   * have done then is the drain's outcome; the first chunk of a group carries it.
   */
  #replaceByDrain(space: VtdAddressSpace, group: Group): void {
    const { firstPage, end, from, to } = group;
    const first = this.#pending.held(from);
    if (first.tracked === true) return;
    for (let index = from; index < to; index += 1) this.#pending.held(index).replaceByDrain();
    const nodes = space.shadow.overlapping(firstPage, this.#pending.held(to - 1).last);
    const reach = this.#reach({ start: addressOfPage(firstPage), end });
    let found = nodes.count;
    if (reach < firstPage) {
      found = nodes.count > 0 && nodes.first(0) <= reach ? 1 : 0;
      this.#stale.wouldBe(space, nodes, found, markOfUnmap(first));
    }
    const drained = { nodes, count: found, first: firstPage, last: pageOf(end) };
    const carriesZero = this.#machine.profile.drain?.address === 'zero';
    first.judgeDrain(drained, carriesZero, this.#machine.unmapContext(true), this.#machine.ram);
  }
}
