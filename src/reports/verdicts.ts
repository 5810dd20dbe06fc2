import { migrationAnswers, type Verdict, verdicts } from '../base/vocabulary.ts';
import { exposureText } from '../result/exposure.ts';
import type { Exposed, Trace } from '../result/types.ts';

/** The verdict as it stands at the end of a title. */
export const verdictWords: Readonly<Record<Verdict, string>> = {
  crashes: 'CRASHES',
  fails: 'FAILS',
  'loses-dirty-pages': 'LOSES DIRTY PAGES',
  'leaves-mappings': 'LEAVES MAPPINGS',
  inconclusive: 'INCONCLUSIVE',
  clean: 'CLEAN',
};

const styles = {
  crashes: 'red',
  fails: 'red',
  'loses-dirty-pages': 'red',
  'leaves-mappings': 'magenta',
  inconclusive: 'yellow',
  clean: 'green',
} as const satisfies Readonly<Record<Verdict, string>>;

export type VerdictStyle = (typeof styles)[Verdict];

/** A trace or session, as far as its verdict goes. */
interface Judged {
  readonly verdict: Verdict;
  readonly exposed: Exposed;
  readonly error?: string;
}

/** True where nothing bad happened, and would have with dirty tracking on. */
export function isExposedOnly({ verdict, exposed }: Judged): boolean {
  return (verdict === 'clean' || verdict === 'inconclusive') && exposureText(exposed) !== '';
}

/** Its colour; green only where there is nothing to think about. */
export function verdictStyle(judged: Judged): VerdictStyle {
  if (judged.error !== undefined) return 'red';
  return judged.verdict === 'clean' && isExposedOnly(judged) ? 'yellow' : styles[judged.verdict];
}

/** Worst first, otherwise in their order. */
export function sortedByVerdict<Any extends { readonly verdict: Verdict }>(
  all: readonly Any[],
): readonly Any[] {
  return [...all].sort((a, b) => verdicts.indexOf(a.verdict) - verdicts.indexOf(b.verdict));
}

/** Unmaps that failed under tracking, whether the log says so or the emulation. */
export function failuresOf({ totals }: Pick<Trace, 'totals'>): number {
  return Math.max(totals.observed.failures, totals.tracked.e2big);
}

/** By the answer whether to migrate, then unusable ones first, by verdict, failures and memory at risk. */
export function tracesWorstFirst(traces: readonly Trace[]): readonly Trace[] {
  const answer = ({ migration }: Trace) => migrationAnswers.indexOf(migration.answer);
  const rank = ({ error, verdict }: Trace) =>
    error === undefined ? verdicts.indexOf(verdict) : -1;
  return [...traces].sort(
    (a, b) =>
      answer(a) - answer(b) ||
      rank(a) - rank(b) ||
      failuresOf(b) - failuresOf(a) ||
      b.totals.tracked.atRiskBytes - a.totals.tracked.atRiskBytes ||
      Number(isExposedOnly(b)) - Number(isExposedOnly(a)),
  );
}
