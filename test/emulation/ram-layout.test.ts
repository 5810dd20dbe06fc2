import { describe, expect, it } from 'vitest';
import { PcRamLayout, standardBelow } from '../../src/emulation/ram-layout.ts';

const GIB = 2 ** 18;
const FOUR_GIB = 4 * GIB;

describe('the RAM of a q35 machine', () => {
  it.each([
    [GIB, GIB],
    [0xa_ffff, 0xa_ffff],
    [0xb_0000, 2 * GIB],
    [8 * GIB, 2 * GIB],
  ])('of %i pages has %i below the hole', (total, below) => {
    expect(standardBelow(total)).toBe(below);
    expect(new PcRamLayout(total).belowPages).toBe(below);
  });

  const layout = new PcRamLayout(6 * GIB, 2 * GIB);

  it.each([
    ['below the hole', 5, 9, 5],
    ['above it', FOUR_GIB + 5, FOUR_GIB + 9, 2 * GIB + 5],
    ['up to the end', 8 * GIB - 1, 8 * GIB - 1, 6 * GIB - 1],
    ['in the hole', 2 * GIB, 2 * GIB, Number.NaN],
    ['across the hole', 0, FOUR_GIB, Number.NaN],
    ['behind the end', 8 * GIB - 1, 8 * GIB, Number.NaN],
  ])('%s', (_, first, last, page) => {
    expect(layout.ramPageOf(first, last)).toBe(page);
  });
});
