import { addressOfPage, pageOf, wrap64 } from '../base/address.ts';
import type { BatchCursor } from '../events/batch.ts';
import { offsetsOf } from '../events/catalogue.ts';
import { dirtyBitmapBytesOfPages } from './dirty-bitmap.ts';
import type { Mark } from './dirty-tracking.ts';
import { mappingFlag } from './iova-tree.ts';
import { bdfOf, type Machine, markOf } from './machine.ts';
import { markOfUnmap, type PendingUnmaps } from './pending-unmaps.ts';
import { lineMarks } from './qemu-version.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { UNKNOWN_ADDRESS, type Unmap } from './unmap.ts';
import {
  type AddressRange,
  alignedPow2Mask,
  HIGH_NOTIFIER,
  LOW_NOTIFIER,
  type VtdAddressSpace,
} from './vtd-address-space.ts';

const at = offsetsOf('vtd_as_unmap_whole');

/** Widest address that chunks are checked against; the clamp to the real width only cuts the list off. */
const WIDEST = 57;

/** Where no line registers notifiers, those that VFIO always registers. */
const ANY_NOTIFIER = [HIGH_NOTIFIER, LOW_NOTIFIER] as const;

/** A whole unmap of one notifier, while its chunks are coming in. */
interface OpenGroup {
  readonly firstPage: number;
  /** The notifier's end, before the clamp to the address width. */
  readonly end: bigint;
  /** Page that the next chunk begins with. */
  next: number;
  /** Index of its first chunk among the held unmaps. */
  readonly from: number;
}

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
  #group: OpenGroup | null = null;
  /** Devices of which a whole unmap is due, in order. */
  #due: readonly VtdAddressSpace[] = [];
  #dueMark: Mark = { line: 0, byteOffset: 0, time: null };
  /** Devices whose chunks have come since. */
  readonly #chunked = new Set<VtdAddressSpace>();
  /** The device whose closing line was the newest line; 7.2 prints it ahead of a replay. */
  justClosed: VtdAddressSpace | null = null;

  constructor(machine: Machine, pending: PendingUnmaps, stale: StaleMappings) {
    this.#machine = machine;
    this.#pending = pending;
    this.#stale = stale;
  }

  /** Chunks have come, and more of them, or their closing line, are to come. */
  get isOpen(): boolean {
    return this.#group !== null;
  }

  /** The lines so far say that QEMU now unmaps these devices' whole spaces, in this order. */
  announce(spaces: readonly VtdAddressSpace[], cursor: BatchCursor): void {
    this.#chunked.clear();
    this.#due = spaces.filter((space) => space.notifiers.length > 0 || space.shadow.size > 0);
    this.#dueMark = markOf(cursor);
  }

  /** Takes an UNMAP if it is part of a whole unmap. */
  take(cursor: BatchCursor, first: number, last: number): boolean {
    if (this.#continues(cursor, first, last)) return true;
    this.closeGroup(null);
    if (this.#mustDrain) {
      // First of all, as a mapping can be as large as the first chunk of a notifier.
      this.#pending.release();
      if (this.#drains(cursor, first, last)) return true;
    }
    if (this.#starts(cursor, first, last)) return true;
    this.#pending.release();
    return this.#drains(cursor, first, last);
  }

  /** `vtd_as_unmap_whole`: the chunks before it are complete, and theirs is the device it names. */
  close(cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    const space = attribution.named(bdfOf(cursor, at));
    // Emulated devices with notifiers of their own print the line, too.
    const isOfVfio =
      space.container !== null || attribution.spaces.every(({ container }) => container === null);
    if (isOfVfio) this.#machine.wasUnmappedWhole = true;
    const firstPage = cursor.page(at.start);
    const lastPage = firstPage + pageOf(cursor.u64(at.size)) - 1;
    const group = this.#group;
    if (group !== null && group.firstPage === firstPage) {
      this.#machine.parameters.wholeUnmap(cursor.u64(at.start), cursor.u64(at.size), cursor.line);
      this.#learnReplay();
      this.closeGroup(space);
      if (group.next === lastPage + 1) this.#emptied(space);
      else {
        this.#machine.gap('chunks of a whole unmap are missing', cursor, space);
        this.#machine.hostForget(this.#machine.containerOf(space), firstPage, lastPage);
      }
    } else {
      this.closeGroup(null);
      this.#closeWithoutChunks(cursor, space, firstPage, lastPage);
    }
    this.justClosed = space;
  }

  /** The chunks that have come are all. `named`: the device of the closing line, if one came. */
  closeGroup(named: VtdAddressSpace | null): void {
    const group = this.#group;
    if (group === null) return;
    this.#group = null;
    this.#machine.wholeUnmaps += 1;
    const to = this.#pending.heldCount;
    const lastChunk = this.#pending.held(to - 1);
    const space = named ?? this.#ownerOfChunks();
    const isNamed = named !== null || this.#machine.attribution.device !== null;
    for (let index = group.from; index < to; index += 1)
      this.#pending.held(index).isNamed = isNamed;
    this.#judgeChunks(space, group.from, to);
    if (!isNamed && this.#machine.attribution.only === null) this.#machine.attribution.distrust();
    if (space === null) return;
    this.#chunked.add(space);
    // Asked while the host still holds what the chunks take from it.
    if (this.#machine.profile.drain !== null) this.#replaceByDrain(space, group, lastChunk);
    for (let index = group.from; index < to; index += 1) {
      this.#pending.decide(this.#pending.held(index));
    }
    const extra = this.#machine.writer.removesOneByteMore ? 1 : 0;
    this.#machine.shadowRemove(space, group.firstPage, lastChunk.last + extra);
    const mark = markOfUnmap(this.#firstFailed(group.from, to) ?? lastChunk);
    this.#stale.mark(space, group.firstPage, lastChunk.last, mark, 'failed-unmap');
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
    // A switch has one group per notifier: one that comes again belongs to the next switch.
    for (let index = 0; index < this.#pending.heldCount; index += 1) {
      if (this.#pending.held(index).first === first) {
        this.#pending.release();
        break;
      }
    }
    const from = this.#pending.heldCount;
    if (from > 0 && from === chunksBefore) {
      // The next notifier's chunks follow at once, so the list before them was complete.
      const lastChunk = this.#pending.held(from - 1);
      this.#machine.parameters.lastChunk(lastChunk.last + 1, lastChunk.line);
    }
    this.#group = { firstPage: first, end: notifier.end, next: last + 1, from };
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

  /** The device of chunks that no line closes. */
  #ownerOfChunks(): VtdAddressSpace | null {
    const { attribution } = this.#machine;
    const next = this.#due.find((space) => !this.#chunked.has(space));
    return next ?? attribution.device ?? attribution.sole;
  }

  #judgeChunks(space: VtdAddressSpace | null, from: number, to: number): void {
    const { parameters, ram, version } = this.#machine;
    for (let index = from; index < to; index += 1) {
      const unmap = this.#pending.held(index);
      const { tracked } = unmap;
      this.#pending.place(unmap, space);
      if (unmap.observed) unmap.tracked = tracked;
      const bytes = dirtyBitmapBytesOfPages(
        unmap.last - unmap.first + 1,
        parameters.hostPageSize.value,
      );
      // Its messages have come by now: one that should have failed and did not teaches the limit.
      const isNews = unmap.tracked === true && !unmap.observed && this.#wouldRefuse(unmap);
      if (isNews && bytes > parameters.bitmapLimit.value) {
        parameters.passed(bytes, unmap.line, this.#machine.hasMessages);
      }
      const observedSize = unmap.e2big;
      const nodes = space === null ? null : space.shadow.overlapping(unmap.first, unmap.last);
      unmap.judge(nodes, this.#machine.unmapContext(true), ram);
      unmap.e2big ||= observedSize;
      if (unmap.tracked === true && this.#machine.options.tracking === 'from-trace') {
        // Either this QEMU is not what its lines say, or tracking had ended in a line that is lost.
        if (version.mustDrain) {
          this.#machine.gap('a change of dirty tracking, or a drain', markOfUnmap(unmap), space);
        }
        version.saw(false);
      }
    }
  }

  /**
   * Whether QEMU would have refused a bitmap for a tracked unmap: where the trace itself, and not the
   * user, says that it was tracked, and by what.
   */
  #wouldRefuse({ container }: Unmap): boolean {
    const { options, tracking } = this.#machine;
    const isAsTraced = options.tracking === 'from-trace' && options.qemu === null;
    if (!isAsTraced || tracking.deviceTracking || container === null) return false;
    return container.backend === 'legacy' && container.backendSource !== 'option';
  }

  #firstFailed(from: number, to: number): Unmap | null {
    for (let index = from; index < to; index += 1) {
      const unmap = this.#pending.held(index);
      if (unmap.errno !== 0) return unmap;
    }
    return null;
  }

  /** Before 8.1 the replay of a registration unmaps its notifier's whole range first. */
  #learnReplay(): void {
    if (this.#machine.registering !== null) {
      this.#machine.version.learn(lineMarks.wholeUnmapAtReplay);
    }
  }

  /** Nothing of the device is left in the ranges of the notifiers that have been unmapped. */
  #emptied(space: VtdAddressSpace): void {
    if (space.shadow.size === 0) space.uncertain = false;
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
    this.#machine.shadowRemove(space, firstPage, reach);
    // What the replay's walk does not find again, QEMU has forgotten and the host still maps.
    space.container?.host.setFlags(firstPage, lastPage, 0, mappingFlag.kept);
    if (!writer.replayClearsShadow || !this.#machine.hasNotifications) return;
    if (this.#due.includes(space)) {
      this.#machine.gap('all chunks of a whole unmap are missing', cursor, space);
      this.#machine.hostForget(this.#machine.containerOf(space), firstPage, lastPage);
      this.#chunked.add(space);
      return;
    }
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
    const { tracking, version } = this.#machine;
    if (tracking.globalDirty === false) return false;
    const index = this.#due.findIndex((space) => isNodeOfNotifier(space, first, last));
    const space = this.#due[index];
    if (space === undefined) return false;
    version.saw(true);
    // Devices before it in the order had nothing to deliver.
    for (const done of this.#due.slice(0, index)) this.#finishOne(done, cursor);
    this.#due = this.#due.slice(index);
    const unmap = this.#pending.open(cursor, first, last);
    this.#pending.place(unmap, space);
    unmap.cause = 'drain';
    const nodes = space.shadow.overlapping(first, last);
    const known = (nodes.flags(0) & mappingFlag.addressUnknown) === 0;
    const zero = this.#machine.writer.drain?.address === 'zero';
    unmap.carried = zero ? 0 : known ? nodes.value(0) : UNKNOWN_ADDRESS;
    unmap.judge(nodes, this.#machine.unmapContext(true), this.#machine.ram);
    this.#machine.shadowRemove(space, first, last);
    return true;
  }

  /** A whole unmap was due and its lines, if any, have come. */
  #finishOne(space: VtdAddressSpace, cursor: BatchCursor | null): void {
    if (this.#chunked.has(space) || !this.#machine.hasNotifications) return;
    if (this.#machine.drainsNow === false) this.#learnDrain();
    const drains = this.#machine.drainsNow;
    if (drains === null) {
      const hostSize = space.container?.host.size ?? 0;
      if (space.shadow.size === 0 && hostSize === 0) return;
      this.#machine.gap('what became of a whole unmap (global_dirty_changed tells)', this.#dueMark);
      return;
    }
    if (!drains) {
      // A trace that ends here may just lack its end.
      if (cursor !== null) this.#machine.gap('a whole unmap is missing', cursor, space);
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
    this.#machine.gap('UNMAPs of a drain are missing', this.#dueMark, space);
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
  #replaceByDrain(space: VtdAddressSpace, group: OpenGroup, lastChunk: Unmap): void {
    const first = this.#pending.held(group.from);
    if (first.tracked === true) return;
    for (let index = group.from; index < this.#pending.heldCount; index += 1) {
      this.#pending.held(index).replaceByDrain();
    }
    const { firstPage, end } = group;
    const nodes = space.shadow.overlapping(firstPage, lastChunk.last);
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

/** True where `first .. last` is one mapping of the device, cut to one of its notifiers. */
function isNodeOfNotifier(space: VtdAddressSpace, first: number, last: number): boolean {
  const nodes = space.shadow.overlapping(first, last);
  if (nodes.count !== 1) return false;
  return space.effectiveNotifiers.some(
    ({ start, end }) =>
      Math.max(nodes.first(0), pageOf(start)) === first &&
      Math.min(nodes.last(0), pageOf(end)) === last,
  );
}

/** True where `first .. last` is the chunk that a whole unmap up to `end` sends from there. */
function isChunk(first: number, last: number, end: bigint): boolean {
  const start = addressOfPage(first);
  if (start > end) return false;
  return pageOf(start + alignedPow2Mask(start, end, WIDEST)) === last;
}
