import { describe, expect, it } from 'vitest';
import { compare } from './compare/compare.ts';
import { caseAt, FIRST_SEED } from './deep/corners.ts';

/** As many as fit into a test run; `npm run verify:deep` compares ten thousand. */
const LAST_SEED = 36;
const SEEDS = Array.from({ length: LAST_SEED - FIRST_SEED + 1 }, (_, index) => FIRST_SEED + index);

const LAST_OF_SIBLINGS = 14;
const OF_SIBLINGS = Array.from({ length: LAST_OF_SIBLINGS }, (_, index) => index + 1);

describe.each([
  ['intel', SEEDS],
  ['amd', OF_SIBLINGS],
  ['virtio', OF_SIBLINGS],
] as const)('behind %s', (viommu, seeds) => {
  it.each(seeds)('the guest of seed %i is seen as it was', (seed) => {
    const { report, sight } = compare(caseAt(seed, viommu));
    expect(report.disagreements).toEqual([]);
    if (sight.dim === null) expect(report.checks).toBeGreaterThan(0);
  });
});
