import { describe, expect, it } from 'vitest';
import { Excerpts } from '../../src/findings/excerpts.ts';
import { Findings, type JudgedFinding } from '../../src/findings/findings.ts';
import { Bounds } from '../../src/inference/bounds.ts';
import type { ModelOptions } from '../../src/inference/machine.ts';
import type { Operation } from '../../src/inference/operation.ts';
import type { Finding, Verdict } from '../../src/result/types.ts';
import type { SessionFacts } from '../../src/rules/facts.ts';
import { ruleOf } from '../../src/rules/index.ts';
import type { Explanation } from '../../src/rules/page.ts';
import { modeOf, RuleRunner } from '../../src/rules/runner.ts';
import { analyzeLines } from './analyze.ts';
import type { GuestLog } from './guest-log.ts';
import { someFacts } from './rule-builders.ts';

/** Some fields of a finding, and what it makes of its session. Of texts, a part that they have. */
export type Found = Partial<Omit<Finding, 'basis' | 'fixDetails'>> & {
  readonly verdict?: Verdict | null;
  /** Of one of its grounds. */
  readonly basis?: string;
  /** The first release that mends it; null: none does yet. */
  readonly fixedIn?: string | null;
  readonly commit?: string;
  readonly today?: string;
  readonly followsFrom?: string;
};

/** What happens, as operations or as a log, and what the rule finds in it. */
export type RuleRow = {
  readonly name: string;
  /** All findings of the rule, in their order; none where it is silent. */
  readonly finds: readonly Found[];
} & (
  | { readonly operations: readonly Operation[]; readonly facts?: Partial<SessionFacts> }
  | { readonly log: GuestLog; readonly model?: Partial<ModelOptions> }
);

/** Tests a rule by a table, in which it both fires and is silent. */
export function testRule(page: Explanation, rows: readonly RuleRow[]): void {
  describe(`${page.id} ${page.slug}`, () => {
    it.each(rows)('$name', async (row) => {
      const found = await findingsOf(page, row);
      expect(found.map(({ finding }) => finding)).toMatchObject(row.finds.map(expected));
    });

    it('fires in a part of its table', () => {
      const firing = rows.filter(({ finds }) => finds.length > 0);
      expect(firing.length).toBeGreaterThan(0);
      expect(firing.length).toBeLessThan(rows.length);
    });
  });
}

/** What has to match; nothing is asked of what a row does not name. */
function expected({
  basis,
  commit,
  fixedIn,
  followsFrom,
  message,
  today,
  ...fields
}: Found): Readonly<Record<string, unknown>> {
  const part = (text: string | undefined): unknown =>
    text === undefined ? expect.anything() : expect.stringContaining(text);
  const named = (all: Readonly<Record<string, unknown>>) =>
    Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const release = named({ first: fixedIn, commit });
  return {
    ...fields,
    message: part(message),
    basis: expect.arrayContaining(basis === undefined ? [] : [part(basis)]),
    fixDetails: named({
      release: Object.keys(release).length > 0 ? release : undefined,
      followsFrom: followsFrom && part(followsFrom),
      today: today && part(today),
    }),
  };
}

async function findingsOf(page: Explanation, row: RuleRow): Promise<readonly JudgedFinding[]> {
  if ('log' in row) {
    const { session, trace } = await analyzeLines(row.log.lines, row.model);
    const found = session.findings.filter(({ rule }) => rule === page.id);
    // Of a log, what it comes to.
    return found.map((finding) => ({
      finding: { ...finding, verdict: trace.verdict },
      threat: null,
    }));
  }
  const facts = someFacts(row.facts);
  const findings = new Findings(facts, new Excerpts(), new Bounds(), () => 0);
  const runner = new RuleRunner([await ruleOf(page)], facts, (rule) => findings.sink(rule));
  for (const operation of row.operations) {
    runner.handle(operation, operation.kind === 'unmap' ? modeOf(operation) : 'what-if');
  }
  runner.finish();
  expect(runner.silenced).toEqual([]);
  return findings.finish();
}
