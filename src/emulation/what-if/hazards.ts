import { PageRangeSet } from '../../base/page-range-set.ts';
import type { DirtyQuery } from '../../base/vocabulary.ts';
import { E2BIG } from '../vfio/errno.ts';

/** What becomes of an unmap of the pages `first .. last`. */
export interface EvaluatedUnmap {
  readonly first: number;
  readonly last: number;
  readonly query: DirtyQuery;
  readonly errno: number;
  readonly isLosing: boolean;
  readonly isPastRam: boolean;
}

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
  readonly failed: FailedUnmap[] = [];
  /** Guest pages at risk, in sets that others have, too. */
  #risks = new Set<PageRangeSet>();

  /** Guest pages at risk. Put together where it is asked for. */
  get risk(): PageRangeSet {
    const [only] = this.#risks;
    if (only !== undefined && this.#risks.size === 1) return only;
    const all = new PageRangeSet();
    for (const set of this.#risks) all.addAll(set);
    return all;
  }

  /** How many parts these are held in. */
  get riskParts(): number {
    let parts = 0;
    for (const set of this.#risks) parts += set.parts;
    return parts;
  }

  /** The pages in a set are at risk, now and later. */
  shareRisk(set: PageRangeSet): void {
    this.#risks.add(set);
  }

  /** From here on what is at risk is in one set. */
  joinRisks(): void {
    if (this.#risks.size > 1) this.#risks = new Set([this.risk]);
  }

  /** Counts an unmap; what it puts at risk is the caller's. */
  add({ first, last, query, errno, isLosing, isPastRam }: EvaluatedUnmap): void {
    this.unmaps += 1;
    this.queries[query] += 1;
    if (errno !== 0) {
      this.failures += 1;
      if (errno === E2BIG) this.e2big += 1;
      if (this.failed.length < MOST_LISTED) this.failed.push({ first, last, errno });
    } else if (isLosing) {
      this.losing += 1;
      if (isPastRam) this.pastRam += 1;
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
    for (const set of other.#risks) this.#risks.add(set);
    this.failed.push(...other.failed.slice(0, MOST_LISTED - this.failed.length));
  }
}
