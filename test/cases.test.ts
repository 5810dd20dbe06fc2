import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exitStatusOf } from '../src/cli/exit-status.ts';
import { run } from '../src/engine/run.ts';
import { root } from './helpers/ground-truth.ts';

/** What must come out of a log; what is absent is open. */
interface Expected {
  readonly verdict?: string;
  readonly exit?: number;
  readonly migration?: string;
  readonly rules?: Readonly<Record<string, number>>;
  readonly none?: readonly string[];
  readonly severity?: string;
  readonly mode?: string;
  readonly count?: number;
  readonly bitmapBytes?: string;
  readonly backend?: string;
  readonly containers?: number;
  /** Where the size of the host's pages comes from. */
  readonly pageSizeFrom?: string;
}

const folder = `${root}test/cases/`;
const cases = Object.entries(
  JSON.parse(readFileSync(`${folder}expected.json`, 'utf8')) as Record<string, Expected>,
);

describe('logs as people post them', () => {
  it('are there', () => expect(cases.length).toBeGreaterThan(35));

  it.each(cases)('%s', async (name, expected) => {
    const result = await run({ inputs: [folder + name], jobs: 1 });
    const [trace] = result.traces;
    expect(trace?.error).toBeUndefined();
    const findings = trace?.sessions.flatMap((session) => session.findings) ?? [];
    const countOf = (wanted: string) => findings.filter(({ rule }) => rule === wanted).length;
    const rules = Object.keys(expected.rules ?? {});
    expect(Object.fromEntries(rules.map((rule) => [rule, countOf(rule)]))).toEqual(
      expected.rules ?? {},
    );
    for (const rule of expected.none ?? []) expect([rule, countOf(rule)]).toEqual([rule, 0]);
    if (expected.verdict !== undefined) expect(trace?.verdict).toBe(expected.verdict);
    if (expected.exit !== undefined) expect(exitStatusOf(result, 'active')).toBe(expected.exit);
    if (expected.migration !== undefined) {
      expect(trace?.migration.answer).toBe(expected.migration);
      expect(trace?.migration.why).not.toBe('');
    }
    const first = findings.find(({ rule }) => rules.length === 0 || rules.includes(rule));
    const { severity, mode, count, bitmapBytes, backend, containers } = expected;
    const wanted = Object.entries({ severity, mode, count, bitmapBytes });
    const told = wanted.filter(([, value]) => value !== undefined);
    if (told.length > 0) expect(first).toMatchObject(Object.fromEntries(told));
    const all = trace?.sessions.flatMap((session) => session.containers) ?? [];
    if (backend !== undefined) expect(all[0]?.backend.value).toBe(backend);
    if (expected.pageSizeFrom !== undefined) {
      expect(trace?.sessions[0]?.model.hostPageSize.source).toBe(expected.pageSizeFrom);
    }
    if (containers !== undefined) expect(all).toHaveLength(containers);
  });
});
