import { describe, expect, it } from 'vitest';
import { VIOMMU_KINDS } from '../../../src/tools/simulator/index.ts';
import { compare } from './compare/compare.ts';
import { caseAt, firstSeedOf } from './deep/corners.ts';

/** As many as fit into a test run; `npm run verify:deep` compares ten thousand. */
const LAST_SEEDS = { intel: 36, amd: 14, virtio: 14 } as const;

describe.each(VIOMMU_KINDS)('behind %s', (viommu) => {
  const first = firstSeedOf(viommu);
  const seeds = Array.from({ length: LAST_SEEDS[viommu] - first + 1 }, (_, index) => first + index);
  it.each(seeds)('the guest of seed %i is seen as it was', (seed) => {
    const { report, sight } = compare(caseAt(seed, viommu));
    expect(report.disagreements).toEqual([]);
    if (sight.dim === null) expect(report.checks).toBeGreaterThan(0);
  });
});
