import type { Act } from '../../../src/simulator/index.ts';
import { type Case, caseOf } from '../compare/play.ts';

/** Opens a guest with one device in domain 1, whose pages are there already. */
const attached: readonly Act[] = [
  { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
  { kind: 'translation', on: true },
];
const measures: Act = { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false };
const blocks: Act = {
  kind: 'attach',
  device: 0,
  to: 'blocked',
  invalidate: 'device',
  flush: true,
};
const map = (iova: bigint, gpa: bigint, level: 1 | 2 | 3 = 1): Act => ({
  kind: 'map',
  domain: 1,
  iova,
  level,
  gpas: [gpa],
  permission: 3,
  flush: 'pages',
});

/** What random guests meet too seldom: each stands on an edge. */
export const corners: readonly Case[] = [
  {
    // The last page marked is the first past the end of RAM.
    options: { qemu: '10.0' },
    acts: [...attached, map(0x1_4000_0000n, 0x20_0000n), measures, blocks],
    told: 'all',
  },
  {
    // Mapped at both ends, with a hole between.
    options: { qemu: '11.1', backend: 'iommufd' },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n),
      map(0x101f_f000n, 0x40_0000n),
      measures,
      {
        kind: 'unmap-level',
        domain: 1,
        iova: 0x1000_0000n,
        level: 2,
        residual: false,
        flush: 'pages',
      },
    ],
    told: 'all',
  },
  {
    // A drain in which unmaps would fail for several reasons.
    options: { qemu: '11.1', maxDirtyBitmapBytes: 0x1000n, ramSize: 1n << 31n, below4g: 1n << 31n },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n, 2),
      map(0x4000_0000n, 0x4000_0000n, 3),
      { kind: 'split', domain: 1, iova: 0x1000_0000n, level: 2, flush: 'pages' },
      blocks,
    ],
    told: 'all',
  },
  {
    // An unmap cuts through a mapping, and no message says that it fails.
    options: { qemu: '10.0', errorsInLog: false },
    acts: [
      ...attached,
      map(0x1000_0000n, 0x20_0000n, 2),
      { kind: 'split', domain: 1, iova: 0x1000_0000n, level: 2, flush: 'pages' },
    ],
    told: 'all',
  },
];

/** Below this number there are no cases. */
export const FIRST_SEED = 1 - corners.length;

/** The case of a seed; from 0 downward, those that stand on an edge. */
export function caseAt(seed: number): Case {
  return corners[-seed] ?? caseOf(seed);
}
