import type { DirtyQuery } from '../../base/vocabulary.ts';
import { Outcome } from '../outcome.ts';
import type { RamLayout } from '../ram-layout.ts';
import { addMappings, marksDirty, pageMarkedPastRam, type Scenario } from '../scenario.ts';
import { Hazards } from './hazards.ts';
import type { WhatIfMachine } from './matrix.ts';
import type { UnmapPlan } from './plan.ts';
import type { Risks } from './risk-groups.ts';
import { SharedUnmap, type SharedView } from './shared-unmap.ts';
import type { WholeClass, WholePlans, WholeUnmap } from './whole.ts';

/** What becomes of the unmap of a whole space under tracking. */
export interface WholeEvaluation {
  /** Their sum is what is counted. */
  readonly counted: readonly Hazards[];
  /** What each of them puts at risk. */
  readonly risks: readonly Risks[];
  /** What its UNMAPs return. */
  readonly results: readonly number[];
  /** Translations that it leaves in the host. */
  readonly left: number;
}

/** What becomes of a piece, which is the same in many machines. */
interface PieceOutcome {
  /** Of the one UNMAP. */
  readonly counts: Hazards;
  readonly risks: Risks;
  readonly errno: number;
}

/** What becomes of the UNMAPs by node. */
interface NodesOutcome {
  readonly counts: Hazards;
  readonly risks: Outcome;
  readonly results: readonly number[];
  /** Dirty bits of every node are set, and none past the end of RAM. */
  readonly isAllMarked: boolean;
}

/** What of the machine decides what becomes of an UNMAP. */
export interface MachineRules {
  scenarioOf(machine: WhatIfMachine): Scenario;
  isTooLarge(machine: WhatIfMachine, first: number, last: number): boolean;
}

/** Evaluates the unmap of a whole space, once for all machines that treat it alike. */
export class WholeEvaluator {
  readonly #before: WholeUnmap;
  readonly #plans: WholePlans;
  readonly #rules: MachineRules;
  readonly #view: SharedView;
  readonly #evaluations = new Map<string, WholeEvaluation>();
  readonly #unmaps = new Map<string, SharedUnmap>();
  readonly #pieces = new Map<string, PieceOutcome>();
  readonly #nodes = new Map<UnmapPlan, NodesOutcome>();

  constructor(before: WholeUnmap, plans: WholePlans, ram: RamLayout, rules: MachineRules) {
    this.#before = before;
    this.#plans = plans;
    this.#rules = rules;
    this.#view = { mapped: before.shadow, host: before.host, ram };
  }

  of(machine: WhatIfMachine, { evaluated, kind }: WholeClass): WholeEvaluation {
    let evaluation = this.#evaluations.get(kind);
    if (evaluation === undefined) {
      const plan = this.#plans.of(machine, evaluated === 'by node');
      const all = plan.isByNode ? this.#ofNodes(machine, plan) : this.#ofPieces(machine, plan);
      evaluation = { ...all, left: this.#before.left(machine, plan, all.results) };
      this.#evaluations.set(kind, evaluation);
    }
    return evaluation;
  }

  /** In pieces, of which many machines have the same. */
  #ofPieces(machine: WhatIfMachine, { sent }: UnmapPlan): Omit<WholeEvaluation, 'left'> {
    const counted: Hazards[] = [];
    const risks: Risks[] = [];
    const results: number[] = [];
    for (let index = 0; index < sent.count; index += 1) {
      const first = sent.first(index);
      const last = sent.last(index);
      const isTooLarge = this.#rules.isTooLarge(machine, first, last);
      const name = `${first} ${last} ${machine.queryKind} ${isTooLarge}`;
      let piece = this.#pieces.get(name);
      if (piece === undefined) {
        piece = this.#ofPiece(machine, first, last, sent.carried(index));
        this.#pieces.set(name, piece);
      }
      counted.push(piece.counts);
      risks.push(piece.risks);
      results.push(piece.errno);
    }
    return { counted, risks, results };
  }

  #ofPiece(machine: WhatIfMachine, first: number, last: number, carried: number): PieceOutcome {
    const name = `${first} ${last}`;
    let unmap = this.#unmaps.get(name);
    if (unmap === undefined) {
      unmap = new SharedUnmap();
      unmap.start(first, last, carried, this.#view);
      this.#unmaps.set(name, unmap);
    }
    unmap.evaluate(this.#rules.scenarioOf(machine));
    const counts = new Hazards();
    counts.add(unmap);
    return { counts, risks: unmap.risks, errno: unmap.errno };
  }

  /** By node: an UNMAP for each. */
  #ofNodes(machine: WhatIfMachine, plan: UnmapPlan): Omit<WholeEvaluation, 'left'> {
    const scenario = this.#rules.scenarioOf(machine);
    const query = scenario.backend.query(scenario, true);
    const known = this.#nodes.get(plan);
    // iommufd tells what is dirty wherever the host maps all of an UNMAP, and sets no more bits than type1.
    const isAlike =
      machine.backend === 'iommufd' &&
      query !== 'none' &&
      known?.isAllMarked === true &&
      this.#before.isEachNode(plan);
    const { counts, risks, results } = isAlike ? known : this.#eachNode(scenario, plan);
    const counted = isAlike ? countsAsked(counts, query) : counts;
    return { counted: [counted], risks: [risks], results };
  }

  #eachNode(scenario: Scenario, plan: UnmapPlan): NodesOutcome {
    const { backend } = scenario;
    const { sent } = plan;
    const { host, shadow, span } = this.#before;
    const { ram } = this.#view;
    const view = { mapped: shadow.overlapping(span.first, span.last), ram };
    const counts = new Hazards();
    const risks = new Outcome();
    const results: number[] = [];
    const query = backend.query(scenario, true);
    let from = 0;
    for (let index = 0; index < sent.count; index += 1) {
      const first = sent.first(index);
      const last = sent.last(index);
      const carried = sent.carried(index);
      const errno = backend.unmapResult(host, first, last, query, scenario);
      const isPastRam =
        marksDirty(query, errno, carried) &&
        pageMarkedPastRam(this.#view, query === 'bitmap', first, last, carried) >= 0;
      risks.misplaced = -1;
      from = addMappings(first, last, carried, query, errno, from, view, risks);
      const isLosing = errno === 0 && (isPastRam || risks.misplaced >= 0);
      counts.add({ first, last, query, errno, isLosing, isPastRam });
      results.push(errno);
    }
    const isAllMarked = counts.failures === 0 && counts.pastRam === 0 && query !== 'none';
    const outcome = { counts, risks, results, isAllMarked };
    if (!this.#nodes.has(plan)) this.#nodes.set(plan, outcome);
    return outcome;
  }
}

/** The same counts, had all been asked for in this way. */
function countsAsked({ losing, unmaps }: Hazards, query: DirtyQuery): Hazards {
  const asked = new Hazards();
  asked.unmaps = unmaps;
  asked.losing = losing;
  asked.queries[query] = unmaps;
  return asked;
}
