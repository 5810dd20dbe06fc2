import { PageRangeSet } from '../../base/page-range-set.ts';
import type { DirtyQuery } from '../../base/vocabulary.ts';
import type { Outcome } from '../outcome.ts';
import { E2BIG } from '../vfio/errno.ts';

/** An unmap that fails. */
export interface FailedUnmap {
  /** Pages, inclusive. */
  readonly first: number;
  readonly last: number;
  readonly errno: number;
}

/** Failed unmaps that are remembered one by one; the rest is counted. */
const MOST_LISTED = 1000;

/** What becomes of unmaps in a machine, while dirty pages are tracked or as if they were. */
export class Hazards {
  unmaps = 0;
  /** How dirty bits were asked for. */
  readonly queries: Record<DirtyQuery, number> = { bitmap: 0, before: 0, after: 0, none: 0 };
  failures = 0;
  e2big = 0;
  /** Unmaps that succeed, and lose or misplace dirty bits. */
  losing = 0;
  /** Of these, those that set bits past the end of RAM. */
  pastRam = 0;
  /** Host mappings that outlive the unmap of a whole space. */
  stale = 0;
  /** MAPs that the host refuses. */
  failedMaps = 0;
  /** Events at which QEMU stops with an assertion. */
  aborts = 0;
  readonly risk = new PageRangeSet();
  readonly failed: FailedUnmap[] = [];

  /** Counts an unmap of the pages `first .. last`, with what becomes of it. */
  add(first: number, last: number, outcome: Outcome): void {
    outcome.addRisksTo(this.risk);
    this.unmaps += 1;
    this.queries[outcome.query] += 1;
    const { errno, harmfulZero, noQuery, pastRamPage, wrongAddress } = outcome;
    if (errno !== 0) {
      this.failures += 1;
      if (errno === E2BIG) this.e2big += 1;
      if (this.failed.length < MOST_LISTED) this.failed.push({ first, last, errno });
    } else if (harmfulZero || wrongAddress || noQuery || pastRamPage >= 0) {
      this.losing += 1;
      if (pastRamPage >= 0) this.pastRam += 1;
    }
  }

  /** Adds what became of other unmaps. */
  addAll(other: Hazards): void {
    this.unmaps += other.unmaps;
    for (const [query, count] of Object.entries(other.queries)) {
      this.queries[query as DirtyQuery] += count;
    }
    this.failures += other.failures;
    this.e2big += other.e2big;
    this.losing += other.losing;
    this.pastRam += other.pastRam;
    this.stale += other.stale;
    this.failedMaps += other.failedMaps;
    this.aborts += other.aborts;
    this.risk.addAll(other.risk);
    this.failed.push(...other.failed.slice(0, MOST_LISTED - this.failed.length));
  }
}
