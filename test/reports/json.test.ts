import { describe, expect, it } from 'vitest';
import { jsonReport } from '../../src/reports/json.ts';
import type { Result } from '../../src/result/types.ts';
import {
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aStep,
  aTrace,
  manyFindings,
} from '../helpers/report-builders.ts';
import { PLAIN, render } from '../helpers/report-render.ts';

/** A finding that lists so many ranges. */
const withRanges = (count: number) =>
  aFinding({
    atRisk: Array.from({ length: count }, (_, at) => ({
      gpa: `0x${at.toString(16)}000` as const,
      size: '0x1000' as const,
    })),
  });

describe('the JSON report', () => {
  it.each<readonly [string, Result]>([
    ['no trace', aResult()],
    ['a trace that is none', aResult(anUnusableTrace(), aTrace())],
    ['a trace without findings', aResult(aTrace({ sessions: [aSession({ findings: [] })] }))],
    ...[256, 257, 512, 1000].map((count): readonly [string, Result] => [
      `${count} ranges`,
      aResult(
        aTrace({ sessions: [aSession({ findings: [aFinding(), withRanges(count)] })] }),
        aTrace(),
      ),
    ]),
    ['many findings', aResult(manyFindings(600))],
    [
      'many steps',
      aResult(
        aTrace({
          sessions: [
            aSession({
              activity: {
                ...aSession().activity,
                steps: Array.from({ length: 300 }, (_, line) => aStep(line)),
              },
            }),
          ],
        }),
      ),
    ],
  ])('is the result as JSON prints it, with %s', (_, result) => {
    expect(render('json', result)).toBe(`${JSON.stringify(result, null, 2)}\n`);
  });

  it('comes in pieces, however long its lists are', () => {
    const result = aResult(aTrace({ sessions: [aSession({ findings: [withRanges(20_000)] })] }));
    const lengths = [...jsonReport.render(result, PLAIN)].map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThan(64 * 1024);
  });
});
