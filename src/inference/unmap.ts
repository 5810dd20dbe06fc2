import { UNSET_PAGE } from '../base/address.ts';
import { ReusedPlace } from '../base/place.ts';
import type { Cause, DirtyQuery } from '../base/vocabulary.ts';
import { Outcome } from '../emulation/outcome.ts';
import { NO_ENTRY } from '../emulation/vfio/container-backend.ts';
import { E2BIG } from '../emulation/vfio/errno.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { ground, ReusedClaim } from './claim.ts';
import type { DeviceSpace, Knowledge, KnowledgeInterval } from './device-space.ts';
import type { VfioContainer } from './vfio-container.ts';

/** In the place of a carried page: an entry, but its address is not known. */
export const UNKNOWN_ADDRESS = -2;

/** What can be wrong with an unmap, as bits. */
export const symptom = {
  /** It fails, or would under tracking. */
  failure: 1,
  /** Its bitmap is, or would be, larger than the container accepts. */
  tooBig: 2,
  harmfulZero: 4,
  wrongAddress: 8,
  noQuery: 16,
  pastRam: 32,
} as const;

/** What QEMU's own messages say of an unmap. */
export class UnmapMessage {
  /** There is one, with its result. */
  isSeen = false;
  /** The container's address in it, or ''. */
  pointer = '';
  /** Bytes of the bitmap in a "too big" line, or 0. */
  bitmapBytes = 0;

  clear(): void {
    this.isSeen = false;
    this.pointer = '';
    this.bitmapBytes = 0;
  }
}

/** How well it is known what the device of an unmap maps. */
export class MappingsClaim extends ReusedClaim<Knowledge> {
  /** The part of the trace in which the unmap lies, as far as its device is concerned; null: of no device. */
  interval: KnowledgeInterval | null = null;
  /** Mappings under it whose address or permissions the trace does not hold. */
  unknown = 0;
}

/** What became of an unmap in the machine that wrote the trace. */
export class TracedResult {
  /** Null: the trace does not show whether dirty pages were tracked. */
  query: DirtyQuery | null = null;
  /** What QEMU's unmap returned: as its message says, else by the emulation. */
  errno = 0;
}

/**
 * One UNMAP that reached VFIO: what was seen of it, what is claimed, and what became of it as traced
 * and under tracking.
 *
 * Objects are reused by the session: whoever is handed one copies what it keeps.
 */
export class Unmap {
  readonly kind = 'unmap';

  // What was seen.
  readonly place = new ReusedPlace();
  /** Pages, inclusive. */
  first: number = UNSET_PAGE;
  last: number = UNSET_PAGE;
  readonly message = new UnmapMessage();

  // What is claimed.
  cause: Cause = 'unknown';
  /** Guest page that the notification carries, NO_ENTRY or UNKNOWN_ADDRESS. */
  carried: number = UNSET_PAGE;
  domain: number | null = null;
  readonly space = new ReusedClaim<DeviceSpace | null>(null);
  readonly container = new ReusedClaim<VfioContainer | null>(null);
  readonly mappings = new MappingsClaim('whole');
  /** Dirty tracking was on for its container; null: the trace does not show it. */
  tracked: boolean | null = null;

  // What became of it.
  /** Bytes of a dirty bitmap of this size. */
  bitmapBytes = 0;
  readonly asTraced = new TracedResult();
  /** What would become of it while dirty pages are tracked. */
  readonly underTracking = new Outcome();
  /** Under tracking QEMU would not have sent it, but unmapped by node; the first piece has what becomes of that. */
  isReplacedByNodes = false;

  constructor() {
    this.carried = NO_ENTRY;
  }

  /** QEMU's own message says that it failed. */
  get isSeenFailing(): boolean {
    return this.message.isSeen && this.asTraced.errno !== 0;
  }

  /** What it returned; of one that succeeded untracked, what it would have returned under tracking. */
  get errno(): number {
    const { errno } = this.asTraced;
    return this.tracked === true || errno !== 0 ? errno : this.underTracking.errno;
  }

  /** What its device mapped was not wholly known. */
  get isUncertain(): boolean {
    return this.mappings.value !== 'whole' || this.mappings.unknown > 0;
  }

  /** It succeeded under tracking, or would have. */
  get succeedsTracked(): boolean {
    return (this.tracked === true ? this.asTraced : this.underTracking).errno === 0;
  }

  /** All that is wrong with it: a set of `symptom`. */
  get symptoms(): number {
    const { errno, harmfulZero, noQuery, pastRamPage, wrongAddress } = this.underTracking;
    return (
      (this.asTraced.errno !== 0 || errno !== 0 ? symptom.failure : 0) |
      (errno === E2BIG ? symptom.tooBig : 0) |
      (harmfulZero ? symptom.harmfulZero : 0) |
      (wrongAddress ? symptom.wrongAddress : 0) |
      (noQuery ? symptom.noQuery : 0) |
      (pastRamPage >= 0 ? symptom.pastRam : 0)
    );
  }

  /** The device, if it is beyond doubt: bus << 8 | devfn; null: no line tells it. */
  get device(): number | null {
    return this.space.has(ground.sure) && this.space.value !== null ? this.space.value.bdf : null;
  }

  /** Makes the object the unmap of the cursor's line. */
  start(cursor: BatchCursor, first: number, last: number): void {
    this.place.set(cursor);
    this.first = first;
    this.last = last;
    this.message.clear();
    this.cause = 'unknown';
    this.carried = NO_ENTRY;
    this.domain = null;
    this.space.set(null, 0);
    this.container.set(null, 0);
    this.mappings.set('whole', 0);
    this.mappings.interval = null;
    this.mappings.unknown = 0;
    this.tracked = null;
    this.asTraced.query = null;
    this.asTraced.errno = 0;
    this.underTracking.clear();
    this.isReplacedByNodes = false;
  }

  /** Under tracking this unmap would not have been sent: QEMU unmaps by node then. */
  replaceByNodes(): void {
    const { query } = this.underTracking;
    this.isReplacedByNodes = true;
    this.underTracking.clear();
    // A message about another piece may yet prove that it was tracked, and has asked like that.
    this.underTracking.query = query;
    this.mappings.unknown = 0;
  }
}
