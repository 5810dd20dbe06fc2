import { PAGE_BYTES } from '../base/address.ts';
import { PageRangeSet } from '../base/page-range-set.ts';
import { E2BIG } from '../emulation/vfio/errno.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { Hazards } from '../result/types.ts';

/** Counts of unmaps and their hazards, with the union of the guest memory at risk. */
export class HazardCounts {
  unmaps = 0;
  e2big = 0;
  zeroAddress = 0;
  harmfulZeroAddress = 0;
  wrongAddress = 0;
  noQuery = 0;
  /** Those that fail for another reason than the bitmap's size, with guest memory at risk. */
  failures = 0;
  /** Those whose mappings were not certain. */
  uncertain = 0;
  readonly atRisk = new PageRangeSet();

  count(unmap: Unmap, e2big: boolean): void {
    const outcome = unmap.underTracking;
    this.unmaps += 1;
    if (e2big) this.e2big += 1;
    if (unmap.carried === 0) this.zeroAddress += 1;
    if (outcome.harmfulZero) this.harmfulZeroAddress += 1;
    if (outcome.wrongAddress) this.wrongAddress += 1;
    if (outcome.noQuery) this.noQuery += 1;
    if (unmap.isUncertain) this.uncertain += 1;
    if (!e2big && outcome.errno !== 0 && outcome.hasRisk) this.failures += 1;
    outcome.addRisksTo(this.atRisk);
  }

  add(other: HazardCounts): void {
    this.unmaps += other.unmaps;
    this.e2big += other.e2big;
    this.zeroAddress += other.zeroAddress;
    this.harmfulZeroAddress += other.harmfulZeroAddress;
    this.wrongAddress += other.wrongAddress;
    this.noQuery += other.noQuery;
    this.failures += other.failures;
    this.uncertain += other.uncertain;
    this.atRisk.addAll(other.atRisk);
  }

  /** Parts of which the memory at risk consists, as it is held. */
  get parts(): number {
    return this.atRisk.parts;
  }

  /** True where any of them would have done harm. */
  get hasHazard(): boolean {
    return this.e2big > 0 || this.losesDirtyPages;
  }

  /** True where any of them would have lost dirty bits, be it that it fails for them. */
  get losesDirtyPages(): boolean {
    return this.harmfulZeroAddress + this.wrongAddress + this.noQuery + this.failures > 0;
  }

  toJSON(): Hazards {
    return {
      unmaps: this.unmaps,
      e2big: this.e2big,
      zeroAddress: this.zeroAddress,
      harmfulZeroAddress: this.harmfulZeroAddress,
      wrongAddress: this.wrongAddress,
      noQuery: this.noQuery,
      atRiskBytes: this.atRisk.pages * PAGE_BYTES,
    };
  }
}

/** The totals of a session. */
export class SessionTotals {
  readonly tracked = new HazardCounts();
  readonly untracked = new HazardCounts();
  readonly unknown = new HazardCounts();
  /** Unmaps before the first line of the flag word, which may show that tracking had been off. */
  readonly leading = new HazardCounts();
  unmaps = 0;
  walkUnmaps = 0;
  withoutDevice = 0;
  failures = 0;
  observedE2big = 0;

  count(unmap: Unmap, isLeading: boolean): void {
    this.unmaps += 1;
    if (unmap.cause === 'page-walk' || unmap.cause === 'changed-translation') this.walkUnmaps += 1;
    if (unmap.device === null) this.withoutDevice += 1;
    const { errno } = unmap.asTraced;
    if (unmap.isSeenFailing) {
      this.failures += 1;
      if (errno === E2BIG) this.observedE2big += 1;
    }
    const wouldBeTooBig = unmap.underTracking.errno === E2BIG;
    if (unmap.tracked === true) this.tracked.count(unmap, errno === E2BIG);
    else if (unmap.tracked === false) this.untracked.count(unmap, wouldBeTooBig);
    else (isLeading ? this.leading : this.unknown).count(unmap, wouldBeTooBig);
  }

  /** Parts of which the memory at risk consists, as it is held. */
  get parts(): number {
    const { leading, tracked, unknown, untracked } = this;
    return leading.parts + tracked.parts + unknown.parts + untracked.parts;
  }

  /** A message alone tells of an unmap that failed with -7. */
  countRefusedBitmap(): void {
    this.failures += 1;
    this.observedE2big += 1;
  }

  /** Tracking had been off, or cannot be known, before the first line of the flag word. */
  settleLeading(wasOff: boolean): void {
    (wasOff ? this.untracked : this.unknown).add(this.leading);
  }
}
