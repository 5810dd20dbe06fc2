import { UNSET_PAGE } from '../base/address.ts';
import type { RangeScratch } from '../base/page-range-map.ts';
import { NO_TIME } from '../base/place.ts';
import type { Cause, DirtyQuery } from '../base/vocabulary.ts';
import type { RamLayout } from '../emulation/ram-layout.ts';
import type { UnmapContext } from '../emulation/vfio/container-backend.ts';
import { dirtyBitmapBytesOfPages, isBitmapTooBig } from '../emulation/vfio/dirty-bitmap.ts';
import { E2BIG, EINVAL, EPERM } from '../emulation/vfio/errno.ts';
import { mappingFlag, permission } from '../emulation/viommu/intel/iova-tree.ts';
import type { BatchCursor } from '../events/batch.ts';
import type { VfioContainer } from './vfio-container.ts';

import type { Knowledge, Stretch, VtdAddressSpace } from './vtd-address-space.ts';

/** In the place of a carried page: the unmap came without an IOTLB entry. */
export const NO_ENTRY = -1;
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

/** The first `count` of `nodes`, and the pages of the notifier that is drained. */
export interface DrainedNodes {
  readonly nodes: RangeScratch;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

/** What an unmap of a drain can return, from good to bad. */
const FAILURES: readonly number[] = [0, EINVAL, EPERM, E2BIG];

/**
 * One UNMAP that reached VFIO, with everything that is to be said of it.
 *
 * Objects are reused by the session: whoever is handed one copies what it keeps.
 */
export class Unmap {
  readonly kind = 'unmap';
  line = 0;
  byteOffset = 0;
  seconds = 0;
  nanoseconds: number = NO_TIME;

  space: VtdAddressSpace | null = null;
  container: VfioContainer | null = null;
  domain: number | null = null;
  cause: Cause = 'unknown';
  /** Pages, inclusive. */
  first: number = UNSET_PAGE;
  last: number = UNSET_PAGE;
  /** Guest page that the notification carries, NO_ENTRY or UNKNOWN_ADDRESS. */
  carried: number = UNSET_PAGE;
  /** Dirty tracking was on for its container; null: the trace does not show it. */
  tracked: boolean | null = null;
  query: DirtyQuery | null = null;
  /** What QEMU's unmap returned. */
  errno = 0;
  /** The log holds QEMU's own error text for it. */
  observed = false;
  /** Bytes of a dirty bitmap of this size. */
  bitmapBytes = 0;
  /** The part of the trace in which it lies, as far as its device is concerned; null: of no device. */
  stretch: Stretch | null = null;
  /** How well it was known what its device mapped. */
  knowledge: Knowledge = 'whole';
  /** `space` is beyond doubt, and not just the likeliest. */
  isSpaceSure = false;
  /** So is `container`. */
  isContainerSure = false;
  /** Of a whole unmap: a line names the device. */
  isNamed = false;
  /** Of a walk that is not traced: `space` is the only device with a context entry. */
  isOnlyTranslated = false;
  /** Of a RAM section whose permissions no line tells: taken as writable. */
  isPermissionTaken = false;
  /** The container's address in QEMU's message, or ''. */
  pointer = '';
  /** Bytes of the bitmap in an observed "too big" line, or 0. */
  observedBitmapBytes = 0;

  // What happens to dirty bits, judged as if tracking were on.
  /** What the unmap would return. */
  trackedErrno = 0;
  trackedQuery: DirtyQuery = 'none';
  e2big = false;
  /** Carries 0 and puts some mapping's dirty bits in the wrong place. */
  harmfulZero = false;
  wrongAddress = false;
  noQuery = false;
  /** The highest page of ram_addr that would be marked, where that is past the end of RAM; else -1. */
  pastRamPage: number = UNSET_PAGE;
  /** Guest page of the first mapping whose bits are misplaced; -1 if there is none. */
  misplaced: number = UNSET_PAGE;
  /** Its page of ram_addr, which should have been marked; its guest page while the layout is unknown. */
  expected: number = UNSET_PAGE;
  /** Mappings under it whose address or permissions the trace does not hold. */
  unknownMappings = 0;
  /** Writable mappings under it. */
  writableMappings = 0;
  /** Only the drain of 11.x, emulated: this unmap itself would not have happened under tracking. */
  replacedByDrain = false;

  #riskFirst: number[] = [];
  #riskLast: number[] = [];
  #riskCount = 0;
  // Guest pages whose bits land where they belong.
  #luckyFirst: number[] = [];
  #luckyLast: number[] = [];
  #luckyCount = 0;

  constructor() {
    this.carried = NO_ENTRY;
    this.#clearJudgement();
  }

  get riskCount(): number {
    return this.#riskCount;
  }
  riskFirst(index: number): number {
    return this.#riskFirst[index] as number;
  }
  riskLast(index: number): number {
    return this.#riskLast[index] as number;
  }

  /** QEMU's own message says that it failed. */
  get isSeenFailing(): boolean {
    return this.observed && this.errno !== 0;
  }

  /** What it returned; of one that succeeded untracked, what it would have returned under tracking. */
  get judgedErrno(): number {
    return this.tracked === true || this.errno !== 0 ? this.errno : this.trackedErrno;
  }

  /** What its device mapped was not wholly known. */
  get isUncertain(): boolean {
    return this.knowledge !== 'whole' || this.unknownMappings > 0;
  }

  /** It succeeded under tracking, or would have. */
  get succeedsTracked(): boolean {
    return this.tracked === true ? this.errno === 0 : this.trackedErrno === 0;
  }

  /** All that is wrong with it: a set of `symptom`. */
  get symptoms(): number {
    return (
      (this.errno !== 0 || this.trackedErrno !== 0 ? symptom.failure : 0) |
      (this.e2big ? symptom.tooBig : 0) |
      (this.harmfulZero ? symptom.harmfulZero : 0) |
      (this.wrongAddress ? symptom.wrongAddress : 0) |
      (this.noQuery ? symptom.noQuery : 0) |
      (this.pastRamPage >= 0 ? symptom.pastRam : 0)
    );
  }

  /** The device, if it is beyond doubt: bus << 8 | devfn; null: it is not told. */
  get device(): number | null {
    return this.isSpaceSure && this.space !== null ? this.space.bdf : null;
  }

  get carriesZero(): boolean {
    return this.carried === 0;
  }

  /** Makes the object the unmap of the cursor's line. */
  start(cursor: BatchCursor, first: number, last: number): void {
    this.line = cursor.line;
    this.byteOffset = cursor.byteOffset;
    this.seconds = cursor.seconds;
    this.nanoseconds = cursor.nanoseconds;
    this.first = first;
    this.last = last;
    this.space = null;
    this.container = null;
    this.domain = null;
    this.cause = 'unknown';
    this.carried = NO_ENTRY;
    this.tracked = null;
    this.query = null;
    this.errno = 0;
    this.observed = false;
    this.stretch = null;
    this.knowledge = 'whole';
    this.isSpaceSure = false;
    this.isContainerSure = false;
    this.isNamed = false;
    this.isOnlyTranslated = false;
    this.isPermissionTaken = false;
    this.pointer = '';
    this.observedBitmapBytes = 0;
    this.replacedByDrain = false;
    this.#clearJudgement();
  }

  /**
   * Judges the unmap as if tracking were on: what it would return, and which guest pages' dirty
   * bits it would lose or misplace, over `nodes`, the shadow's nodes that it touches.
   *
   * A node's bits are safe only if the node lies wholly inside the unmap and its own bits land on
   * its own RAM; an unmap that fails, or for which nothing is asked, makes every writable node
   * unsafe. Read-only nodes cannot have been written by the device. `unseen`: mappings that the
   * unmap is known to take, of which the trace shows nothing.
   */
  judge(nodes: RangeScratch | null, context: UnmapContext, ram: RamLayout, unseen = 0): void {
    this.#clearJudgement();
    this.unknownMappings = unseen;
    this.bitmapBytes = dirtyBitmapBytesOfPages(this.last - this.first + 1, context.hostPageSize);
    const container = this.container;
    if (container === null) {
      this.trackedQuery = 'none';
    } else {
      const { behaviour, host } = container;
      this.trackedQuery = behaviour.query(context);
      this.trackedErrno = behaviour.unmapResult(
        host,
        this.first,
        this.last,
        this.trackedQuery,
        context,
      );
    }
    this.e2big =
      this.trackedQuery === 'bitmap' && isBitmapTooBig(this.bitmapBytes, context.bitmapLimit);
    const marks =
      this.trackedErrno === 0 && this.trackedQuery !== 'none' && this.carried !== UNKNOWN_ADDRESS;
    if (marks) this.#marksPastRam(ram.totalPages);
    const count = nodes === null ? 0 : nodes.count;
    for (let index = 0; index < count; index += 1) {
      const scratch = nodes as RangeScratch;
      const first = scratch.first(index);
      const last = scratch.last(index);
      if (last < this.first || first > this.last) continue;
      const flags = scratch.flags(index);
      if ((flags & (mappingFlag.unknown | mappingFlag.addressUnknown)) !== 0) {
        this.unknownMappings += 1;
        continue;
      }
      if ((flags & permission.write) === 0) continue;
      this.writableMappings += 1;
      const gpa = scratch.value(index);
      if (marks && first >= this.first && last <= this.last) {
        const markedAt = this.carried + (first - this.first);
        if (ram.ramPageOf(gpa, gpa + (last - first)) === markedAt) {
          this.#luckyFirst[this.#luckyCount] = gpa;
          this.#luckyLast[this.#luckyCount] = gpa + (last - first);
          this.#luckyCount += 1;
          continue;
        }
      }
      if (this.misplaced < 0) this.#misplace(gpa, ram);
      this.#risk(gpa, gpa + (last - first));
    }
    const atRisk = this.#riskCount > 0 || this.unknownMappings > 0;
    if (this.trackedErrno !== 0) return;
    if (this.trackedQuery === 'none') this.noQuery = atRisk;
    else if (atRisk && this.carried !== UNKNOWN_ADDRESS) {
      if (this.carried === 0) this.harmfulZero = true;
      else this.wrongAddress = this.#riskCount > 0;
    }
  }

  /** It failed, as a message says: nothing is marked, so that nothing is right by luck. */
  failed(): void {
    this.noQuery = false;
    this.harmfulZero = false;
    this.wrongAddress = false;
    this.pastRamPage = -1;
    for (let index = 0; index < this.#luckyCount; index += 1) {
      this.#risk(this.#luckyFirst[index] as number, this.#luckyLast[index] as number);
    }
    this.#luckyCount = 0;
  }

  /** Under tracking this unmap would not have been sent: version 11 drains instead. */
  replaceByDrain(): void {
    this.#clearJudgement();
    this.replacedByDrain = true;
  }

  /**
   * Takes over what a drain would have done: each node would have been unmapped alone, with its own
   * guest address, or with zero, in the place of a `ram_addr`.
   */
  judgeDrain(
    drained: DrainedNodes,
    carriesZero: boolean,
    context: UnmapContext,
    ram: RamLayout,
  ): void {
    const { container } = this;
    const { nodes, count } = drained;
    this.trackedQuery = container === null ? 'none' : container.behaviour.query(context);
    for (let index = 0; index < count; index += 1) {
      const first = nodes.first(index);
      const last = nodes.last(index);
      // The notifier gets its part of a mapping that reaches beyond it.
      const firstSent = Math.max(first, drained.first);
      const lastSent = Math.min(last, drained.last);
      const errno =
        container === null
          ? 0
          : container.behaviour.unmapResult(
              container.host,
              firstSent,
              lastSent,
              this.trackedQuery,
              context,
            );
      this.#failsAs(errno);
      const flags = nodes.flags(index);
      if ((flags & (mappingFlag.unknown | mappingFlag.addressUnknown)) !== 0) {
        this.unknownMappings += 1;
        continue;
      }
      if ((flags & permission.write) === 0) continue;
      this.writableMappings += 1;
      const gpa = nodes.value(index);
      const lastGpa = gpa + (last - first);
      const isWhole = firstSent === first && lastSent === last;
      const marks = isWhole && errno === 0 && this.trackedQuery !== 'none';
      if (marks && ram.ramPageOf(gpa, lastGpa) === (carriesZero ? 0 : gpa)) continue;
      if (this.misplaced < 0) this.#misplace(gpa, ram);
      this.#risk(gpa, lastGpa);
    }
    this.e2big = this.trackedErrno === E2BIG;
    if (this.#riskCount === 0 || this.trackedErrno !== 0) return;
    if (this.trackedQuery === 'none') this.noQuery = true;
    else if (carriesZero) this.harmfulZero = true;
    else this.wrongAddress = true;
  }

  /** One of several unmaps that this one stands for would fail: the worst is kept. */
  #failsAs(errno: number): void {
    const rank = FAILURES.indexOf(errno);
    if (rank > FAILURES.indexOf(this.trackedErrno)) this.trackedErrno = errno;
  }

  /**
   * Finds out whether a bit would be set past the end of RAM. With a bitmap, type1 reports all that
   * is mapped; devices that log their own DMA, and iommufd, only what can have been written.
   */
  #marksPastRam(ramPages: number): void {
    const { container } = this;
    if (ramPages < 0 || container === null) return;
    if (this.carried + (this.last - this.first) < ramPages) return;
    const highest =
      this.trackedQuery === 'bitmap'
        ? container.host.highest(this.first, this.last)
        : container.highestWritable(this.first, this.last);
    if (highest < 0) return;
    const marked = this.carried + (highest - this.first);
    if (marked >= ramPages) this.pastRamPage = marked;
  }

  /** Remembers the first mapping whose bits go elsewhere. */
  #misplace(gpa: number, ram: RamLayout): void {
    this.misplaced = gpa;
    const page = ram.ramPage(gpa);
    this.expected = Number.isNaN(page) ? gpa : page;
  }

  /** Adds guest pages to what is at risk; neighbours are joined. */
  #risk(first: number, last: number): void {
    const count = this.#riskCount;
    if (count > 0 && this.#riskLast[count - 1] === first - 1) {
      this.#riskLast[count - 1] = last;
      return;
    }
    this.#riskFirst[count] = first;
    this.#riskLast[count] = last;
    this.#riskCount = count + 1;
  }

  #clearJudgement(): void {
    this.trackedErrno = 0;
    this.e2big = false;
    this.harmfulZero = false;
    this.wrongAddress = false;
    this.noQuery = false;
    this.pastRamPage = -1;
    this.misplaced = -1;
    this.expected = -1;
    this.unknownMappings = 0;
    this.writableMappings = 0;
    this.#riskCount = 0;
    this.#luckyCount = 0;
  }
}
