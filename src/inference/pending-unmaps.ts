import type { Mutable } from '../base/mutable.ts';
import { PageRangeMap, RangeScratch } from '../base/page-range-map.ts';
import { Outcome } from '../emulation/outcome.ts';
import { unmapOutcome, type World } from '../emulation/scenario.ts';
import { dirtyBitmapBytesOfPages } from '../emulation/vfio/dirty-bitmap.ts';
import { E2BIG, EINVAL, ENOMEM, EPERM } from '../emulation/vfio/errno.ts';
import { SentUnmaps } from '../emulation/viommu/sent.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { ground } from './claim.ts';
import type { DeviceSpace } from './device-space.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { WholeUnmap } from './operation.ts';
import { Scenarios } from './scenarios.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { Unmap } from './unmap.ts';

/** Mappings of which the trace does not hold all: they are counted, and nothing is said of them. */
const NOT_TOLD = mappingFlag.unknown | mappingFlag.addressUnknown;
/** The host's mappings of a container that nothing tells. */
const NOTHING = new PageRangeMap();

/** Failed unmaps remembered. */
const REMEMBERED = 256;

/**
 * Unmaps between their line and their report.
 *
 * What an unmap did shows only in the lines after it: QEMU's message that it failed follows its
 * notification. So the newest one is kept open until another line comes, and the pieces of a whole
 * unmap until their switch is over, because a failure of one proves that tracking was on for all.
 */
export class PendingUnmaps {
  readonly #machine: Machine;
  readonly #stale: StaleMappings;
  readonly #scenarios: Scenarios;
  readonly #sent = new SentUnmaps();
  readonly #world: Mutable<World>;
  /** Mappings under an unmap of which the trace tells all. */
  readonly #told = new RangeScratch();
  /** What became of an unmap while nothing was tracked. */
  readonly #untracked = new Outcome();
  readonly #single = new Unmap();
  #singleOpen = false;
  readonly #held: Unmap[] = [];
  #heldCount = 0;
  #heldProven = false;
  /** What is reported of the held ones: reused. */
  readonly #whole: Mutable<WholeUnmap> = {
    kind: 'whole-unmap',
    count: 0,
    piece: (index) => this.held(index),
  };
  /** The newest that failed: a migration tells only at its end what made it fail. */
  readonly #failed: string[] = [];

  /** Lines between which unmaps were evaluated over mappings that are not wholly known. */
  readonly uncertain = { unmaps: 0, firstLine: 0, lastLine: 0 };
  /** Line of the newest unmap if it set bits past the end of RAM, else 0: a trace that ends there ends in a crash. */
  pastRamLine = 0;

  constructor(machine: Machine, stale: StaleMappings) {
    this.#machine = machine;
    this.#stale = stale;
    this.#scenarios = new Scenarios(machine);
    this.#world = { mapped: null, host: NOTHING, ram: machine.ram };
  }

  /** Some were evaluated before the lines told the version by which they are to be. */
  get wereOfAnotherVersion(): boolean {
    return this.#scenarios.wereOfAnother;
  }

  /** The unmap that stands alone and is still open, if any. */
  get single(): Unmap | null {
    return this.#singleOpen ? this.#single : null;
  }

  /** Pieces of whole unmaps that are held back. */
  get heldCount(): number {
    return this.#heldCount;
  }

  held(index: number): Unmap {
    return this.#held[index] as Unmap;
  }

  /** The first of the held ones from `from` to the one before `to` that failed. */
  firstFailed(from: number, to: number): Unmap | null {
    for (let index = from; index < to; index += 1) {
      const unmap = this.held(index);
      if (unmap.asTraced.errno !== 0) return unmap;
    }
    return null;
  }

  /** The device whose container QEMU's messages about the pieces point to. */
  ownerByMessage(): DeviceSpace | null {
    for (let index = 0; index < this.#heldCount; index += 1) {
      const owner = this.#machine.containers.deviceAt(this.held(index).message.pointer);
      if (owner !== null) return owner;
    }
    return null;
  }

  /** QEMU's messages about the held ones from `from` on may be about others. */
  forgetPointers(from: number): void {
    for (let index = from; index < this.#heldCount; index += 1)
      this.held(index).message.pointer = '';
  }

  /** The unmap that a message right now is about. */
  get newest(): Unmap | null {
    if (this.#singleOpen) return this.#single;
    return this.#heldCount > 0 ? this.held(this.#heldCount - 1) : null;
  }

  /** Opens the unmap of the cursor's line. */
  open(cursor: BatchCursor, first: number, last: number): Unmap {
    this.#singleOpen = true;
    this.#single.start(cursor, first, last);
    return this.#single;
  }

  /** Adds a piece of a whole unmap, of the cursor's line. */
  hold(cursor: BatchCursor, first: number, last: number): Unmap {
    const index = this.#heldCount;
    const unmap = this.#held[index] ?? new Unmap();
    this.#held[index] = unmap;
    this.#heldCount = index + 1;
    unmap.start(cursor, first, last);
    return unmap;
  }

  /** Says whose unmap it is, and whether that is beyond doubt. */
  place(unmap: Unmap, space: DeviceSpace | null, isSure: boolean): void {
    const machine = this.#machine;
    const isSpaceSure = isSure && space !== null;
    const container = space === null ? machine.containers.single : machine.containers.of(space);
    const isContainerSure = isSpaceSure || machine.containers.isSingleSure;
    const interval = space === null ? null : space.interval;
    unmap.space.set(space, isSpaceSure ? ground.sure : 0);
    unmap.container.set(container, isContainerSure ? ground.sure : 0);
    // Asked now: when the unmap is reported, a whole unmap may have made certain what it was not.
    unmap.mappings.interval = interval;
    unmap.mappings.value = interval === null ? 'doubtful' : interval.knowledge;
    if (space !== null) unmap.domain = space.domain;
    unmap.tracked = machine.trackedIn(container);
  }

  /**
   * Finds out what would become of an unmap while dirty pages are tracked, over `mapped`, the shadow's
   * nodes or the sections of RAM under it. `unseen`: mappings that the unmap is known to take, of
   * which the trace shows nothing.
   */
  evaluate(unmap: Unmap, mapped: RangeScratch | null, unseen = 0): void {
    const outcome = unmap.underTracking;
    const pages = unmap.last - unmap.first + 1;
    const pageSize = this.#machine.parameters.hostPageSize.value;
    unmap.bitmapBytes = dirtyBitmapBytesOfPages(pages, pageSize);
    this.#sent.clear();
    this.#sent.add(unmap.first, unmap.last, unmap.carried);
    const untold = this.#countUntold(mapped);
    this.#outcome(unmap, this.#sent, untold > 0 ? this.#told : mapped, true, outcome);
    unmap.mappings.unknown = unseen + untold;
    if (this.#machine.tracking.isHandedOver) {
      outcome.forgetLosses();
      return;
    }
    // What the trace does not hold may be at risk, too.
    if (unmap.mappings.unknown === 0 || outcome.errno !== 0) return;
    if (outcome.query === 'none') outcome.noQuery = true;
    else if (unmap.carried === 0) outcome.harmfulZero = true;
  }

  /**
   * The same of what QEMU would have sent under tracking in the place of `unmap` and those after it.
   * Of what that marks nothing is told, nor of mappings that are not known.
   */
  evaluateInstead(unmap: Unmap, sent: SentUnmaps, mapped: RangeScratch): void {
    const outcome = unmap.underTracking;
    const { query } = outcome;
    const untold = this.#countUntold(mapped, sent);
    this.#outcome(unmap, sent, untold > 0 ? this.#told : mapped, true, outcome);
    outcome.forgetMarks();
    outcome.query = query;
    unmap.mappings.unknown = untold;
  }

  /**
   * How many mappings the trace does not tell all of; puts the others into `#told`, if there are any.
   * `sent`: only those count that it meets.
   */
  #countUntold(mapped: RangeScratch | null, sent: SentUnmaps | null = null): number {
    let untold = 0;
    for (let index = 0; index < (mapped?.count ?? 0); index += 1) {
      if (((mapped?.flags(index) ?? 0) & NOT_TOLD) !== 0) untold += 1;
    }
    if (mapped === null || untold === 0) return 0;
    this.#told.count = 0;
    let met = 0;
    for (let index = 0; index < mapped.count; index += 1) {
      if ((mapped.flags(index) & NOT_TOLD) === 0) this.#told.copy(mapped, index);
      else if (sent === null) met += 1;
      else met += sent.meeting(mapped.first(index), mapped.last(index));
    }
    return met;
  }

  #outcome(
    unmap: Unmap,
    sent: SentUnmaps,
    mapped: RangeScratch | null,
    tracked: boolean,
    outcome: Outcome,
  ): void {
    const container = unmap.container.value;
    this.#world.mapped = mapped;
    this.#world.host = container === null ? NOTHING : container.host;
    unmapOutcome(sent, this.#scenarios.of(container, tracked), this.#world, outcome);
  }

  /** No message can follow any more for the unmap that stands alone. */
  commitSingle(): void {
    if (!this.#singleOpen) return;
    this.#singleOpen = false;
    const unmap = this.#single;
    this.decide(unmap);
    this.#markLeft(unmap);
    this.report(unmap);
  }

  /** What a failed unmap by node, or the failed removal of a section, leaves is stale. */
  #markLeft({ asTraced, cause, first, last, place, space: { value: space } }: Unmap): void {
    if (asTraced.errno === 0 || space === null) return;
    if (cause === 'drain') this.#stale.mark(space, first, last, place.mark, 'failed-unmap');
    else if (cause === 'region-del') this.#stale.markSection(space, first, last, place.mark);
  }

  /** The switch is over: reports the pieces that were held, in order, as one whole unmap. */
  release(): void {
    const count = this.#heldCount;
    if (count === 0) return;
    this.#heldCount = 0;
    const proven = this.#heldProven;
    this.#heldProven = false;
    for (let index = 0; index < count; index += 1) {
      const unmap = this.held(index);
      if (proven && unmap.tracked === null) {
        unmap.tracked = true;
        unmap.asTraced.query = unmap.underTracking.query;
      }
      this.#note(unmap);
    }
    const first = this.held(0);
    // One that was held alone, and turned out to be something else.
    if (first.cause !== 'whole-unmap') this.#machine.report(first);
    else {
      this.#whole.count = count;
      this.#machine.report(this.#whole);
    }
  }

  /** QEMU's message points to a container: the device's, or one that tells the device. */
  #learnPointer({ container, mappings, message, space }: Unmap): void {
    const { pointer } = message;
    const owner = this.#machine.containers.deviceAt(pointer);
    if (owner === null) {
      if (space.has(ground.sure) && container.value !== null) container.value.pointer = pointer;
      return;
    }
    if (owner !== space.value) {
      container.value = owner.container;
      mappings.value = 'doubtful';
    }
    space.set(owner, space.grounds | ground.sure);
    container.set(container.value, container.grounds | ground.sure);
  }

  /** Decides what QEMU's unmap returned, and does to the host map what it did. */
  decide(unmap: Unmap): void {
    if (unmap.message.pointer !== '') this.#learnPointer(unmap);
    const { asTraced, first, last, tracked, underTracking } = unmap;
    asTraced.query = tracked === null ? null : tracked ? underTracking.query : 'none';
    if (!unmap.message.isSeen) asTraced.errno = this.#emulatedErrno(unmap);
    if (unmap.isSeenFailing) underTracking.markNothing();
    const { errno } = asTraced;
    // A query that was to follow the unmap does not where that failed.
    if (asTraced.query === 'after' && errno === EINVAL) asTraced.query = 'none';
    const container = unmap.container.value;
    if (container === null) return;
    // The bitmap of a query that follows the unmap could not be allocated: the unmap itself was done.
    const isDone = asTraced.query === 'after' && errno === ENOMEM;
    this.#machine.mappings.hostUnmap(container, first, last, isDone ? 0 : errno);
    if (errno !== 0) {
      container.host.setFlags(first, last, 0, mappingFlag.kept | mappingFlag.failed);
    }
    // iommufd takes no part of a mapping, and calls that a success.
    if (unmap.space.value !== null && (errno !== 0 || container.backend === 'iommufd')) {
      this.#stale.survived(container, first, last);
    }
  }

  /** What an unmap returned of which no message tells. */
  #emulatedErrno(unmap: Unmap): number {
    if (unmap.tracked === true) return unmap.underTracking.errno;
    this.#sent.clear();
    this.#sent.add(unmap.first, unmap.last, unmap.carried);
    this.#outcome(unmap, this.#sent, null, false, this.#untracked);
    return this.#untracked.errno;
  }

  /** QEMU's message says what the unmap returned. */
  observe(unmap: Unmap, errno: number): void {
    unmap.message.isSeen = true;
    unmap.asTraced.errno = errno;
    // Only the paths with a bitmap return these, so tracking was on.
    if (errno === E2BIG || errno === ENOMEM || errno === EPERM) {
      unmap.tracked = true;
      if (unmap !== this.#single) this.#heldProven = true;
    }
    if (errno === E2BIG) {
      const why = 'only a legacy container refuses a bitmap';
      unmap.container.value?.setBackend('legacy', 'derived', why);
    }
  }

  /** Whether an unmap of this range was reported lately, with this result. */
  hasFailed(first: number, last: number, errno: number): boolean {
    return this.#failed.includes(`${first}-${last}-${errno}`);
  }

  report(unmap: Unmap): void {
    this.#note(unmap);
    this.#machine.report(unmap);
  }

  /** Remembers what is asked of unmaps later. */
  #note(unmap: Unmap): void {
    const { asTraced, place, tracked, underTracking } = unmap;
    if (asTraced.errno !== 0) this.#remember(unmap);
    const { window } = this.#machine.tracking;
    if (tracked === true && window !== null) window.unmaps += 1;
    if (unmap.isUncertain) {
      const { uncertain } = this;
      if (uncertain.unmaps === 0) uncertain.firstLine = place.line;
      uncertain.unmaps += 1;
      uncertain.lastLine = place.line;
    }
    const marksPast = tracked === true && asTraced.errno === 0 && underTracking.pastRamPage >= 0;
    this.pastRamLine = marksPast ? place.line : 0;
  }

  #remember({ asTraced, first, last }: Unmap): void {
    this.#failed.push(`${first}-${last}-${asTraced.errno}`);
    if (this.#failed.length > REMEMBERED) this.#failed.shift();
  }
}
