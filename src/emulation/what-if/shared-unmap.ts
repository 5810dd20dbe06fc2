import type { PageRangeMap, RangeScratch } from '../../base/page-range-map.ts';
import type { DirtyQuery } from '../../base/vocabulary.ts';
import { Outcome } from '../outcome.ts';
import type { RamLayout } from '../ram-layout.ts';
import { addMappings, marksDirty, pageMarkedPastRam, type Scenario } from '../scenario.ts';
import { NO_ENTRY } from '../vfio/container-backend.ts';
import type { Risks } from './risk-groups.ts';

/** Where mappings are found. */
export interface Mappings {
  overlapping(first: number, last: number): RangeScratch;
}

/** What is evaluated over. */
export interface SharedView {
  /** What is mapped as QEMU knows it; null: that is not told. */
  readonly mapped: Mappings | null;
  readonly host: PageRangeMap;
  readonly ram: RamLayout;
}

/**
 * One UNMAP under tracking, evaluated for one machine after the other. Its mappings are gone through once for all
 * machines in which dirty bits are set, and once for all in which none are.
 */
export class SharedUnmap {
  first = 0;
  last = 0;
  query: DirtyQuery = 'none';
  errno = 0;
  /** Sets bits past the end of RAM. */
  isPastRam = false;
  /** The same object for machines in which the same pages are at risk. */
  risks: Risks;
  #carried = 0;
  #view: SharedView | null = null;
  readonly #marked = new Outcome();
  readonly #unmarked = new Outcome();
  #risksMarked: Outcome | null = null;
  #risksUnmarked: Outcome | null = null;

  constructor() {
    this.risks = this.#unmarked;
  }

  /** Succeeds, and loses or misplaces dirty bits. */
  get isLosing(): boolean {
    return this.errno === 0 && (this.isPastRam || this.risks.hasRisk);
  }

  start(first: number, last: number, carried: number, view: SharedView): void {
    this.first = first;
    this.last = last;
    this.#carried = carried;
    this.#view = view;
    this.#risksMarked = null;
    this.#risksUnmarked = null;
  }

  /** Sets what becomes of it in a machine. */
  evaluate(scenario: Scenario): void {
    const { first, last } = this;
    const carried = this.#carried;
    const view = this.#view as SharedView;
    const query = scenario.backend.query(scenario, carried !== NO_ENTRY);
    const errno = scenario.backend.unmapResult(view.host, first, last, query, scenario);
    this.query = query;
    this.errno = errno;
    if (!marksDirty(query, errno, carried)) {
      this.isPastRam = false;
      this.#risksUnmarked ??= this.#among(this.#unmarked, view);
      this.risks = this.#risksUnmarked;
      return;
    }
    this.isPastRam = pageMarkedPastRam(view, query === 'bitmap', first, last, carried) >= 0;
    this.#risksMarked ??= this.#among(this.#marked, view);
    this.risks = this.#risksMarked;
    // Where no bit lands where it belongs, all is at risk, as where none is set.
    if (!this.#risksMarked.hasMarked) this.#risksUnmarked ??= this.#risksMarked;
  }

  #among(outcome: Outcome, { mapped, ram }: SharedView): Outcome {
    const { first, last, query, errno } = this;
    outcome.clear();
    const nodes = mapped === null ? null : mapped.overlapping(first, last);
    addMappings(first, last, this.#carried, query, errno, 0, { mapped: nodes, ram }, outcome);
    return outcome;
  }
}
