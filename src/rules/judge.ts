import { messageOf } from '../base/errors.ts';
import type { Mode } from '../base/vocabulary.ts';
import type { Machine } from '../model/machine.ts';
import type { ModelObserver } from '../model/observer.ts';
import type { Unmap } from '../model/unmap.ts';
import { rules } from './index.ts';
import type { HazardSink, Rule, RuleRun } from './rule.ts';

/** The mode that a hazard of an unmap has. */
export function modeOf(unmap: Unmap): Mode {
  if (unmap.tracked !== true) return 'what-if';
  return unmap.observed && unmap.errno !== 0 ? 'observed' : 'active';
}

type Call = keyof RuleRun;

/** Runs all rules over what a session reports. A rule that throws is out; the others go on. */
export class Judge {
  readonly #runs = new Map<Rule, RuleRun>();
  #judging: readonly (readonly [Rule, (unmap: Unmap, mode: Mode) => void])[] = [];
  /** Rules that threw, with what they said. */
  readonly failures: string[] = [];

  constructor(machine: Machine, sinkOf: (rule: Rule) => HazardSink) {
    for (const rule of rules) {
      this.#guard(rule, () => this.#runs.set(rule, rule.start(machine, sinkOf(rule))));
    }
    this.#collect();
  }

  unmap(unmap: Unmap, mode: Mode): void {
    const judging = this.#judging;
    for (let index = 0; index < judging.length; index += 1) {
      const [rule, judge] = judging[index] as (typeof judging)[number];
      try {
        judge(unmap, mode);
      } catch (thrown) {
        this.#drop(rule, thrown);
      }
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
    this.#collect();
    this.failures.push(`rule ${rule.id} (${rule.slug}) failed: ${messageOf(thrown)}`);
  }

  #collect(): void {
    this.#judging = [...this.#runs].flatMap(([rule, run]) =>
      run.judge === undefined ? [] : [[rule, run.judge.bind(run)] as const],
    );
  }
}
