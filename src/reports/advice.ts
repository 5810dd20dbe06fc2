import { releaseText } from '../result/fix-text.ts';
import type { Finding, RuleId } from '../result/types.ts';

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

function listOf(texts: ReadonlyMap<string, ReadonlySet<RuleId>>): readonly Advice[] {
  return [...texts].map(([text, rules]) => ({ text, rules: [...rules] }));
}
