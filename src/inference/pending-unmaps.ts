import { type Place, timeText } from '../base/place.ts';
import { E2BIG, EINVAL, ENOMEM, EPERM } from '../emulation/vfio/errno.ts';
import { mappingFlag } from '../emulation/viommu/intel/iova-tree.ts';
import type { BatchCursor } from '../events/batch.ts';
import type { Machine } from './machine.ts';
import type { StaleMappings } from './stale-mappings.ts';
import { NO_ENTRY, Unmap } from './unmap.ts';

import type { VtdAddressSpace } from './vtd-address-space.ts';

/** Failed unmaps remembered. */
const REMEMBERED = 256;

/**
 * Unmaps between their line and their report.
 *
 * What an unmap did shows only in the lines after it: QEMU's message that it failed follows its
 * notification. So the newest one is kept open until another line comes, and the chunks of a whole
 * unmap until their switch is over, because a failure of one proves that tracking was on for all.
 */
export class PendingUnmaps {
  readonly #machine: Machine;
  readonly #stale: StaleMappings;
  readonly #single = new Unmap();
  #singleOpen = false;
  readonly #held: Unmap[] = [];
  #heldCount = 0;
  #heldProven = false;
  /** The newest that failed: a migration tells only at its end what made it fail. */
  readonly #failed: string[] = [];

  /** Lines between which unmaps were judged on uncertain ground. */
  readonly uncertain = { unmaps: 0, firstLine: 0, lastLine: 0 };
  /** Line of the newest unmap if it set bits past the end of RAM, else 0: a trace that ends there ends in a crash. */
  pastRamLine = 0;

  constructor(machine: Machine, stale: StaleMappings) {
    this.#machine = machine;
    this.#stale = stale;
  }

  /** The unmap that stands alone and is still open, if any. */
  get single(): Unmap | null {
    return this.#singleOpen ? this.#single : null;
  }

  /** Chunks of whole unmaps that are held back. */
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
      if (unmap.errno !== 0) return unmap;
    }
    return null;
  }

  /** The device whose container QEMU's messages about the chunks point to. */
  ownerByMessage(): VtdAddressSpace | null {
    for (let index = 0; index < this.#heldCount; index += 1) {
      const owner = this.#machine.deviceAt(this.held(index).pointer);
      if (owner !== null) return owner;
    }
    return null;
  }

  /** QEMU's messages about the held ones from `from` on may be about others. */
  forgetPointers(from: number): void {
    for (let index = from; index < this.#heldCount; index += 1) this.held(index).pointer = '';
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

  /** Adds a chunk of a whole unmap, of the cursor's line. */
  hold(cursor: BatchCursor, first: number, last: number): Unmap {
    const index = this.#heldCount;
    const unmap = this.#held[index] ?? new Unmap();
    this.#held[index] = unmap;
    this.#heldCount = index + 1;
    unmap.start(cursor, first, last);
    return unmap;
  }

  /** Says whose unmap it is, and whether that is beyond doubt. */
  place(unmap: Unmap, space: VtdAddressSpace | null, isSure: boolean): void {
    const machine = this.#machine;
    unmap.space = space;
    unmap.isSpaceSure = isSure && space !== null;
    unmap.container = space === null ? machine.onlyContainer : machine.containerOf(space);
    unmap.isContainerSure = unmap.isSpaceSure || machine.isOnlyContainerSure;
    // Asked now: when the unmap is reported, a whole unmap may have made certain what it was not.
    unmap.stretch = space === null ? null : space.stretch;
    unmap.knowledge = unmap.stretch === null ? 'doubtful' : unmap.stretch.knowledge;
    if (space !== null) unmap.domain = space.domain;
    unmap.tracked = machine.trackedIn(unmap.container);
  }

  /** No message can follow any more for the unmap that stands alone. */
  settle(): void {
    if (!this.#singleOpen) return;
    this.#singleOpen = false;
    const unmap = this.#single;
    this.decide(unmap);
    if (unmap.cause === 'drain' && unmap.errno !== 0 && unmap.space !== null) {
      this.#stale.mark(unmap.space, unmap.first, unmap.last, markOfUnmap(unmap), 'failed-unmap');
    }
    this.report(unmap);
  }

  /** The switch is over: reports the chunks that were held, in order. */
  release(): void {
    const count = this.#heldCount;
    this.#heldCount = 0;
    const proven = this.#heldProven;
    this.#heldProven = false;
    for (let index = 0; index < count; index += 1) {
      const unmap = this.held(index);
      if (proven && unmap.tracked === null) {
        unmap.tracked = true;
        unmap.query = unmap.trackedQuery;
      }
      this.report(unmap);
    }
  }

  /** QEMU's message points to a container: the device's, or one that tells the device. */
  #learnPointer(unmap: Unmap): void {
    const { pointer, container, space } = unmap;
    const told = this.#machine.deviceAt(pointer);
    if (told === null) {
      if (unmap.isSpaceSure && container !== null) container.pointer = pointer;
      return;
    }
    unmap.isSpaceSure = true;
    unmap.isContainerSure = true;
    if (told === space) return;
    unmap.space = told;
    unmap.container = told.container;
    unmap.knowledge = 'doubtful';
  }

  /** Decides what QEMU's unmap returned, and does to the host map what it did. */
  decide(unmap: Unmap): void {
    if (unmap.pointer !== '') this.#learnPointer(unmap);
    unmap.query = unmap.tracked === null ? null : unmap.tracked ? unmap.trackedQuery : 'none';
    if (!unmap.observed) {
      unmap.errno = unmap.tracked === true ? unmap.trackedErrno : this.#plainResult(unmap);
    }
    if (unmap.isSeenFailing) unmap.failed();
    // A query that was to follow the unmap does not where that failed.
    if (unmap.query === 'after' && unmap.errno === EINVAL) unmap.query = 'none';
    if (unmap.container !== null) {
      // The bitmap of a query that follows the unmap could not be allocated: the unmap itself was done.
      const isDone = unmap.query === 'after' && unmap.errno === ENOMEM;
      const { container, first, last, errno } = unmap;
      this.#machine.hostUnmap(container, first, last, isDone ? 0 : errno);
      if (errno !== 0) {
        container.host.setFlags(first, last, 0, mappingFlag.kept | mappingFlag.failed);
      }
      // iommufd takes no part of a mapping, and calls that a success.
      if (unmap.space !== null && (errno !== 0 || container.backend === 'iommufd')) {
        this.#stale.survived(container, first, last);
      }
    }
  }

  /** QEMU's message says what the unmap returned. */
  observe(unmap: Unmap, errno: number): void {
    unmap.observed = true;
    unmap.errno = errno;
    // Only the paths with a bitmap return these, so tracking was on.
    if (errno === E2BIG || errno === ENOMEM || errno === EPERM) {
      unmap.tracked = true;
      if (unmap !== this.#single) this.#heldProven = true;
    }
    if (errno === E2BIG) {
      unmap.e2big = true;
      unmap.container?.setBackend('legacy', 'derived', 'only a legacy container refuses a bitmap');
    }
  }

  /** Whether an unmap of this range was reported lately, with this result. */
  hasFailed(first: number, last: number, errno: number): boolean {
    return this.#failed.includes(`${first}-${last}-${errno}`);
  }

  report(unmap: Unmap): void {
    if (unmap.errno !== 0) this.#remember(unmap);
    const { window } = this.#machine.tracking;
    if (unmap.tracked === true && window !== null) window.unmaps += 1;
    if (unmap.isUncertain) {
      const { uncertain } = this;
      if (uncertain.unmaps === 0) uncertain.firstLine = unmap.line;
      uncertain.unmaps += 1;
      uncertain.lastLine = unmap.line;
    }
    const marksPast = unmap.tracked === true && unmap.errno === 0 && unmap.pastRamPage >= 0;
    this.pastRamLine = marksPast ? unmap.line : 0;
    this.#machine.report(unmap);
  }

  #remember({ first, last, errno }: Unmap): void {
    this.#failed.push(`${first}-${last}-${errno}`);
    if (this.#failed.length > REMEMBERED) this.#failed.shift();
  }

  #plainResult(unmap: Unmap): number {
    const { container } = unmap;
    if (container === null) return 0;
    const context = this.#machine.unmapContext(unmap.carried !== NO_ENTRY);
    return container.behaviour.unmapResult(
      container.host,
      unmap.first,
      unmap.last,
      'none',
      context,
    );
  }
}

/** Where an unmap stands in the trace. */
export function markOfUnmap(unmap: Unmap): Place {
  return {
    line: unmap.line,
    byteOffset: unmap.byteOffset,
    time: timeText(unmap.seconds, unmap.nanoseconds),
  };
}
