import { releaseText } from '../result/fix-text.ts';
import type { Finding, RuleId, Trace } from '../result/types.ts';
import { digestOf } from './digest.ts';

/** What mends a kind of finding. */
export interface Advice {
  readonly text: string;
  /** Rules whose findings say so. */
  readonly rules: readonly RuleId[];
}

/**
 * What releases mend of what findings are about, and what helps today; each text once. Warnings are
 * left out beside errors, and so is what is mended with what it follows from.
 */
export function adviceOf(findings: readonly Finding[]): {
  readonly releases: readonly Advice[];
  readonly today: readonly Advice[];
} {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const releases = new Map<string, Set<RuleId>>();
  const helping = new Map<string, Set<RuleId>>();
  const add = (to: Map<string, Set<RuleId>>, text: string, rule: RuleId) =>
    to.set(text, (to.get(text) ?? new Set()).add(rule));
  for (const { fixDetails, rule } of errors.length > 0 ? errors : findings) {
    const { release, today } = fixDetails;
    if (release !== undefined) add(releases, releaseText(release), rule);
    if (today !== undefined) add(helping, today, rule);
  }
  return { releases: listOf(releases), today: listOf(helping) };
}

/** The same of a trace: of what happened in it, or where nothing did, of what would. */
export function adviceOfTrace({ sessions }: Pick<Trace, 'sessions'>): ReturnType<typeof adviceOf> {
  const digests = sessions.map(digestOf);
  const bad = digests.flatMap(({ real }) => real).filter(({ severity }) => severity !== 'note');
  return adviceOf(bad.length > 0 ? bad : digests.flatMap(({ whatIf }) => whatIf));
}

/** Advice, and the traces it is for, by their place among those given. */
export interface SharedAdvice extends Advice {
  readonly kind: 'today' | 'release';
  readonly traces: readonly number[];
}

/** What is to be done for several traces, each piece of advice once; for the most traces first. */
export function sharedAdvice(traces: readonly Trace[]): readonly SharedAdvice[] {
  const all = new Map<
    string,
    { kind: SharedAdvice['kind']; text: string; rules: Set<RuleId>; traces: number[] }
  >();
  for (const [index, trace] of traces.entries()) {
    const { releases, today } = adviceOfTrace(trace);
    for (const [kind, list] of [
      ['today', today],
      ['release', releases],
    ] as const) {
      for (const { text, rules } of list) {
        const known = all.get(kind + text) ?? { kind, text, rules: new Set(), traces: [] };
        for (const rule of rules) known.rules.add(rule);
        known.traces.push(index);
        all.set(kind + text, known);
      }
    }
  }
  return [...all.values()]
    .map(({ rules, ...advice }) => ({ ...advice, rules: [...rules].sort() }))
    .sort((a, b) => b.traces.length - a.traces.length);
}

function listOf(texts: ReadonlyMap<string, ReadonlySet<RuleId>>): readonly Advice[] {
  return [...texts].map(([text, rules]) => ({ text, rules: [...rules] }));
}
