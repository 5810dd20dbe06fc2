import { messageOf } from '../base/errors.ts';
import type { Mode } from '../base/vocabulary.ts';
import type { Operation } from '../inference/operation.ts';
import type { Unmap } from '../inference/unmap.ts';
import type { SessionFacts } from './facts.ts';
import { whatIsMissing } from './requirements.ts';
import { type HazardSink, modeOfFailure, type Rule, type RuleRun } from './rule.ts';

/** The mode that a hazard of an unmap has. */
export function modeOf({ isSeenFailing, tracked }: Unmap): Mode {
  return modeOfFailure(isSeenFailing, tracked);
}

type Handler = (operation: Operation, mode: Mode) => void;

/** The rules that operations of a kind concern, and what they handle them with. */
interface Panel {
  readonly rules: readonly Rule[];
  readonly handlers: readonly Handler[];
}

/** Runs all rules over the operations of a session. A rule that throws is out; the others go on. */
export class RuleRunner {
  readonly #runs = new Map<Rule, RuleRun>();
  /** By the set of an unmap's symptoms. Made where it is needed first. */
  readonly #unmapPanels: Panel[] = [];
  /** By the kind of any other operation. */
  readonly #panels = new Map<Operation['kind'], Panel>();
  readonly #facts: SessionFacts;
  readonly #failures: string[] = [];

  constructor(rules: readonly Rule[], facts: SessionFacts, sinkOf: (rule: Rule) => HazardSink) {
    this.#facts = facts;
    for (const rule of rules) {
      this.#guard(rule, () => this.#runs.set(rule, rule.start(facts, sinkOf(rule))));
    }
  }

  /** Hands an operation to all rules that it concerns; `mode`: that of a hazard of an unmap. */
  handle(operation: Operation, mode: Mode): void {
    for (let from = 0; from >= 0; ) from = this.#handleFrom(from, operation, mode);
  }

  /** The session is over. */
  finish(): void {
    for (const [rule, run] of [...this.#runs]) this.#guard(rule, () => run.finish?.());
  }

  /**
   * Why the silence of rules does not mean that the session is clean: one of them threw, or requires
   * events that the trace does not have although something was due that they would have shown. Asked
   * for when the session is over.
   */
  get silenced(): readonly string[] {
    const required = new Set(
      [...this.#runs.keys()].flatMap(({ requiredEvents }) => requiredEvents),
    );
    return [...this.#failures, ...whatIsMissing(required, this.#facts)];
  }

  /** The index of the rule to go on with where one threw, and is out; -1 where all have had their turn. */
  #handleFrom(from: number, operation: Operation, mode: Mode): number {
    const panel = this.#panelOf(operation);
    const { handlers } = panel;
    let index = from;
    try {
      for (; index < handlers.length; index += 1) handlers[index]?.(operation, mode);
      return -1;
    } catch (thrown) {
      this.#drop(panel.rules[index] as Rule, thrown);
      return index;
    }
  }

  #panelOf(operation: Operation): Panel {
    if (operation.kind === 'unmap') {
      const { symptoms } = operation;
      this.#unmapPanels[symptoms] ??= this.#newPanel('unmap', symptoms);
      return this.#unmapPanels[symptoms];
    }
    const known = this.#panels.get(operation.kind);
    if (known !== undefined) return known;
    const panel = this.#newPanel(operation.kind, 0);
    this.#panels.set(operation.kind, panel);
    return panel;
  }

  #newPanel(kind: Operation['kind'], symptoms: number): Panel {
    const concerned = [...this.#runs].filter(
      ([{ symptoms: wanted }, run]) =>
        run[kind] !== undefined &&
        (kind !== 'unmap' || wanted === undefined || (wanted & symptoms) !== 0),
    );
    return {
      rules: concerned.map(([rule]) => rule),
      // The one place where the compiler does not see that a handler and its operations are of one kind.
      handlers: concerned.flatMap(([, run]) => (run[kind]?.bind(run) as Handler | undefined) ?? []),
    };
  }

  #guard(rule: Rule, act: () => void): void {
    try {
      act();
    } catch (thrown) {
      this.#drop(rule, thrown);
    }
  }

  #drop(rule: Rule, thrown: unknown): void {
    this.#runs.delete(rule);
    this.#unmapPanels.length = 0;
    this.#panels.clear();
    this.#failures.push(`rule ${rule.id} (${rule.slug}) failed: ${messageOf(thrown)}`);
  }
}
