import { messageOf } from '../base/errors.ts';
import type { Mode } from '../base/vocabulary.ts';
import type { Machine } from '../inference/machine.ts';
import type { ModelObserver } from '../inference/observer.ts';
import type { Unmap } from '../inference/unmap.ts';
import { rules } from './index.ts';
import type { HazardSink, Rule, RuleRun } from './rule.ts';

/** The mode that a hazard of an unmap has. */
export function modeOf(unmap: Unmap): Mode {
  if (unmap.isSeenFailing) return 'observed';
  return unmap.tracked === true ? 'active' : 'what-if';
}

type Call = keyof RuleRun;

/** The rules that unmaps with the same symptoms concern, and what they judge them with. */
interface Panel {
  readonly rules: readonly Rule[];
  readonly judges: readonly ((unmap: Unmap, mode: Mode) => void)[];
}

/** Runs all rules over what a session reports. A rule that throws is out; the others go on. */
export class Judge {
  readonly #runs = new Map<Rule, RuleRun>();
  /** By the set of an unmap's symptoms: who judges it. Made where it is needed first. */
  readonly #panels: Panel[] = [];
  /** Rules that threw, with what they said. */
  readonly failures: string[] = [];

  constructor(machine: Machine, sinkOf: (rule: Rule) => HazardSink) {
    for (const rule of rules) {
      this.#guard(rule, () => this.#runs.set(rule, rule.start(machine, sinkOf(rule))));
    }
  }

  unmap(unmap: Unmap, mode: Mode): void {
    for (let from = 0; from >= 0; ) from = this.#judgeFrom(from, unmap, mode);
  }

  /** The index of the rule to go on with where one threw, and is out; -1 where all have judged. */
  #judgeFrom(from: number, unmap: Unmap, mode: Mode): number {
    const panel = this.#panels[unmap.symptoms] ?? this.#newPanel(unmap.symptoms);
    const { judges } = panel;
    let index = from;
    try {
      for (; index < judges.length; index += 1) judges[index]?.(unmap, mode);
      return -1;
    } catch (thrown) {
      this.#drop(panel.rules[index] as Rule, thrown);
      return index;
    }
  }

  mapFailed(...args: Parameters<ModelObserver['mapFailed']>): void {
    this.#tell('mapFailed', args);
  }
  stale(...args: Parameters<ModelObserver['stale']>): void {
    this.#tell('stale', args);
  }
  entriesNearLimit(...args: Parameters<ModelObserver['entriesNearLimit']>): void {
    this.#tell('entriesNearLimit', args);
  }
  drift(...args: Parameters<ModelObserver['drift']>): void {
    this.#tell('drift', args);
  }
  aborted(...args: Parameters<ModelObserver['aborted']>): void {
    this.#tell('aborted', args);
  }
  message(...args: Parameters<ModelObserver['message']>): void {
    this.#tell('message', args);
  }
  loss(...args: Parameters<ModelObserver['loss']>): void {
    this.#tell('loss', args);
  }
  finish(): void {
    this.#tell('finish', []);
  }

  #tell(call: Call, args: readonly unknown[]): void {
    for (const [rule, run] of [...this.#runs]) {
      const method = run[call] as ((...all: readonly unknown[]) => void) | undefined;
      if (method !== undefined) this.#guard(rule, () => method.apply(run, args as unknown[]));
    }
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
    this.#panels.length = 0;
    this.failures.push(`rule ${rule.id} (${rule.slug}) failed: ${messageOf(thrown)}`);
  }

  #newPanel(symptoms: number): Panel {
    const concerned = [...this.#runs].filter(
      ([rule, run]) =>
        run.judge !== undefined &&
        (rule.symptoms === undefined || (rule.symptoms & symptoms) !== 0),
    );
    const panel = {
      rules: concerned.map(([rule]) => rule),
      judges: concerned.flatMap(([, run]) => run.judge?.bind(run) ?? []),
    };
    this.#panels[symptoms] = panel;
    return panel;
  }
}
