import { PageRangeSet } from '../../base/page-range-set.ts';
import type { Hazards } from './hazards.ts';

/** Guest pages whose dirty bits are lost or misplaced. */
export interface Risks {
  readonly hasRisk: boolean;
  addRisksTo(set: Pick<PageRangeSet, 'add'>): void;
}

/** Hazards that had the same at risk, at times, and the set of that. */
export class RiskGroup {
  readonly #members: readonly Hazards[];
  readonly #larger = new Map<Hazards, RiskGroup>();
  /** The newest that was asked for: mostly it is the one that comes again. */
  #newest: RiskGroup | null = null;
  #newestOne: Hazards | null = null;
  #set: PageRangeSet | null = null;

  constructor(members: readonly Hazards[] = []) {
    this.#members = members;
  }

  /** The group of these and one more. */
  with(hazards: Hazards): RiskGroup {
    if (this.#newest !== null && this.#newestOne === hazards) return this.#newest;
    let larger = this.#larger.get(hazards);
    if (larger === undefined) {
      larger = new RiskGroup([...this.#members, hazards]);
      this.#larger.set(hazards, larger);
    }
    this.#newest = larger;
    this.#newestOne = hazards;
    return larger;
  }

  get set(): PageRangeSet {
    if (this.#set === null) {
      this.#set = new PageRangeSet();
      for (const hazards of this.#members) hazards.shareRisk(this.#set);
    }
    return this.#set;
  }
}

/**
 * Whose risks an operation adds to: what is at risk in many machines alike goes into one set for all of them,
 * and not into one of each.
 */
export class RisksOfOperation {
  // As many as an operation has UNMAPs that put at risk something else: few.
  readonly #risks: Risks[] = [];
  readonly #groups: RiskGroup[] = [];

  /** `none`: the group without members. */
  add(hazards: Hazards, risks: Risks, none: RiskGroup): void {
    if (!risks.hasRisk) return;
    const index = this.#risks.indexOf(risks);
    if (index >= 0) {
      this.#groups[index] = (this.#groups[index] as RiskGroup).with(hazards);
      return;
    }
    this.#risks.push(risks);
    this.#groups.push(none.with(hazards));
  }

  /** All have been added; it is then empty again. */
  commit(): void {
    for (let index = 0; index < this.#risks.length; index += 1) {
      (this.#risks[index] as Risks).addRisksTo((this.#groups[index] as RiskGroup).set);
    }
    this.#risks.length = 0;
    this.#groups.length = 0;
  }
}
