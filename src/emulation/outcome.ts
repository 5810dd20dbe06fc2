import { UNSET_PAGE } from '../base/address.ts';
import { PageRangeSet } from '../base/page-range-set.ts';
import type { DirtyQuery } from '../base/vocabulary.ts';
import { E2BIG, EINVAL, EPERM } from './vfio/errno.ts';

/** What unmaps return, from good to bad. */
const FAILURES: readonly number[] = [0, EINVAL, EPERM, E2BIG];

/** Ranges up to which each is compared with each: a set of so few takes longer to make. */
const FEW_RANGES = 16;

/**
 * What becomes of the UNMAPs of one operation in one scenario. Records are reused: whoever is handed
 * one copies what it keeps.
 */
export class Outcome {
  /** How dirty bits are asked for. */
  query: DirtyQuery = 'none';
  /** What QEMU's unmap returns; of several UNMAPs, the worst. */
  errno = 0;
  /** Carries 0 and puts some mapping's dirty bits in the wrong place. */
  harmfulZero = false;
  /** Carries another address that puts some mapping's dirty bits in the wrong place. */
  wrongAddress = false;
  /** Asks for no dirty bits under writable mappings. */
  noQuery = false;
  /** The highest page of ram_addr that is marked past the end of RAM, or -1. */
  pastRamPage: number = UNSET_PAGE;
  /** Guest page of the first mapping whose bits are misplaced; -1 if there is none. */
  misplaced: number = UNSET_PAGE;
  /** Its page of ram_addr, which should have been marked; its guest page where it has none. */
  expected: number = UNSET_PAGE;

  readonly #riskFirst: number[] = [];
  readonly #riskLast: number[] = [];
  #riskCount = 0;
  /** Whether no guest page is in more than one of them. */
  #isUnited = true;
  // Guest pages whose bits land where they belong.
  readonly #markedFirst: number[] = [];
  readonly #markedLast: number[] = [];
  #markedCount = 0;

  constructor() {
    this.clear();
  }

  /** Some guest pages' bits land where they belong. */
  get hasMarked(): boolean {
    return this.#markedCount > 0;
  }

  /** Some guest pages' dirty bits are lost, or go elsewhere. */
  get hasRisk(): boolean {
    return this.#riskCount > 0;
  }
  /** Ranges of these pages. Counted where they are asked for: several mappings may lead to one page. */
  get riskCount(): number {
    if (!this.#isUnited) this.#uniteRisks();
    return this.#riskCount;
  }
  riskFirst(index: number): number {
    return this.#riskFirst[index] as number;
  }
  riskLast(index: number): number {
    return this.#riskLast[index] as number;
  }

  /** Adds the same to a set, which takes what meets as one. */
  addRisksTo(set: Pick<PageRangeSet, 'add'>): void {
    for (let index = 0; index < this.#riskCount; index += 1) {
      set.add(this.riskFirst(index), this.riskLast(index));
    }
  }

  clear(): void {
    this.#isUnited = true;
    this.query = 'none';
    this.errno = 0;
    this.harmfulZero = false;
    this.wrongAddress = false;
    this.noQuery = false;
    this.pastRamPage = -1;
    this.misplaced = -1;
    this.expected = -1;
    this.#riskCount = 0;
    this.#markedCount = 0;
  }

  /** One more UNMAP has asked, and has returned. */
  addResult(query: DirtyQuery, errno: number): void {
    this.query = query;
    if (errno !== 0 && FAILURES.indexOf(errno) > FAILURES.indexOf(this.errno)) this.errno = errno;
  }

  /** The bits of a mapping land where they belong. */
  addCorrectlyMarked(firstGpa: number, lastGpa: number): void {
    this.#markedFirst[this.#markedCount] = firstGpa;
    this.#markedLast[this.#markedCount] = lastGpa;
    this.#markedCount += 1;
  }

  /** They do not, by an UNMAP that asked like `query`, returned `errno` and carried page `carried`. */
  addAtRisk(
    firstGpa: number,
    lastGpa: number,
    ramPage: number,
    query: DirtyQuery,
    errno: number,
    carried: number,
  ): void {
    if (this.misplaced < 0) {
      this.misplaced = firstGpa;
      this.expected = Number.isNaN(ramPage) ? firstGpa : ramPage;
    }
    this.#addRisk(firstGpa, lastGpa);
    if (errno !== 0) return;
    if (query === 'none') this.noQuery = true;
    else if (carried === 0) this.harmfulZero = true;
    else if (carried > 0) this.wrongAddress = true;
  }

  /** All UNMAPs have been added: one that fails, or carries a wrong address, is what the operation is about. */
  classify(): void {
    this.#isUnited = false;
    if (this.wrongAddress) this.harmfulZero = false;
    if (this.errno === 0) return;
    this.noQuery = false;
    this.harmfulZero = false;
    this.wrongAddress = false;
  }

  /** The same, had the UNMAPs failed: nothing is marked, so that nothing is marked correctly either. */
  markNothing(): void {
    if (!this.#isUnited) this.#uniteRisks();
    this.noQuery = false;
    this.harmfulZero = false;
    this.wrongAddress = false;
    this.pastRamPage = -1;
    for (let index = 0; index < this.#markedCount; index += 1) {
      this.#addRisk(this.#markedFirst[index] as number, this.#markedLast[index] as number);
    }
    this.#markedCount = 0;
    this.#isUnited = false;
  }

  /** Nobody wants the dirty bits any more: leaves of it how they are asked for, and what the unmap returns. */
  forgetLosses(): void {
    this.harmfulZero = false;
    this.wrongAddress = false;
    this.noQuery = false;
    this.misplaced = -1;
    this.expected = -1;
    this.#riskCount = 0;
    this.forgetMarks();
  }

  /** Leaves of it what is lost, and nothing of what is marked. */
  forgetMarks(): void {
    this.pastRamPage = -1;
    this.#markedCount = 0;
  }

  /** Adds guest pages to what is at risk; neighbours are joined. */
  #addRisk(first: number, last: number): void {
    const count = this.#riskCount;
    if (count > 0 && this.#riskLast[count - 1] === first - 1) {
      this.#riskLast[count - 1] = last;
      return;
    }
    this.#riskFirst[count] = first;
    this.#riskLast[count] = last;
    this.#riskCount = count + 1;
  }

  /** Guest pages to which several mappings lead are at risk once: the ranges are then their union, ascending. */
  #uniteRisks(): void {
    this.#isUnited = true;
    if (this.#areRisksApart()) return;
    const union = new PageRangeSet();
    let pages = 0;
    for (let index = 0; index < this.#riskCount; index += 1) {
      union.add(this.riskFirst(index), this.riskLast(index));
      pages += this.riskLast(index) - this.riskFirst(index) + 1;
    }
    if (union.pages === pages) return;
    this.#riskCount = 0;
    for (const { first, last } of union) this.#addRisk(first, last);
  }

  /** Quick to see of most: the ranges ascend, or are few. */
  #areRisksApart(): boolean {
    for (let index = 1; index < this.#riskCount; index += 1) {
      const isAscending = this.riskFirst(index) > this.riskLast(index - 1);
      if (!isAscending) return this.#riskCount <= FEW_RANGES && !this.#doAnyRisksMeet();
    }
    return true;
  }

  #doAnyRisksMeet(): boolean {
    for (let one = 1; one < this.#riskCount; one += 1) {
      for (let other = 0; other < one; other += 1) {
        const isApart =
          this.riskFirst(one) > this.riskLast(other) || this.riskFirst(other) > this.riskLast(one);
        if (!isApart) return true;
      }
    }
    return false;
  }
}
