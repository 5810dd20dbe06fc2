import { expect, it } from 'vitest';
import { compare } from './compare/compare.ts';
import { caseAt, FIRST_SEED } from './deep/corners.ts';

/** As many as fit into a test run; `npm run verify:deep` compares ten thousand. */
const LAST_SEED = 36;
const SEEDS = Array.from({ length: LAST_SEED - FIRST_SEED + 1 }, (_, index) => FIRST_SEED + index);

it.each(SEEDS)('the guest of seed %i is seen as it was', (seed) => {
  const { report, sight } = compare(caseAt(seed));
  expect(report.disagreements).toEqual([]);
  if (sight.dim === null) expect(report.checks).toBeGreaterThan(0);
});
