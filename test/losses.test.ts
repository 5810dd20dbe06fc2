import { describe, expect, it } from 'vitest';
import { capture, captures } from './helpers/ground-truth.ts';
import { analyzeKept, eventOf, falseClaims, type Kept, tellingLines } from './helpers/thinned.ts';

/**
 * Real logs from which lines are taken: whatever is missing, nothing may be called clean that is
 * not, and nothing be claimed on evidence that the whole log does not bear out.
 */

/** Very long ones, of which the shorter show the same. */
const LONG = new Set(['qemu-10.0/storm-aw48', 'qemu-10.0/linux-nvme-large-noise']);
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const GAPS = 10;

/** Mulberry32: the same numbers from 0 to 1 for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function withoutShare(lines: readonly Kept[], share: number, seed: number): readonly Kept[] {
  const random = randomOf(seed);
  return lines.filter(() => random() > share);
}

function withGaps(lines: readonly Kept[], seed: number): readonly Kept[] {
  const random = randomOf(seed);
  const length = Math.min(200, Math.floor(lines.length / 30));
  let left = lines;
  for (let gap = 0; gap < GAPS; gap += 1) {
    const from = Math.floor(random() * left.length);
    left = [...left.slice(0, from), ...left.slice(from + length)];
  }
  return left;
}

describe.each(captures.filter(({ name }) => !LONG.has(name)))('$name', ({ log }) => {
  const lines = tellingLines(log).map((text, index) => ({ text, original: index + 1 }));
  const whole = analyzeKept(lines);
  const check = async (kept: readonly Kept[], isSelective = false) => {
    const thinned = await analyzeKept(kept);
    return falseClaims(thinned, await whole, kept, isSelective);
  };

  it.each([...new Set(lines.map(({ text }) => eventOf(text)))])('without any %s', async (name) => {
    expect(
      await check(
        lines.filter(({ text }) => eventOf(text) !== name),
        true,
      ),
    ).toEqual([]);
  });

  it('without 1 % or 10 % of the lines', async () => {
    for (const seed of SEEDS) {
      expect(await check(withoutShare(lines, 0.01, seed)), `1 %, seed ${seed}`).toEqual([]);
      expect(await check(withoutShare(lines, 0.1, seed)), `10 %, seed ${seed}`).toEqual([]);
    }
  });

  it('with ten gaps', async () => {
    for (const seed of SEEDS)
      expect(await check(withGaps(lines, seed)), `seed ${seed}`).toEqual([]);
  });

  it('its first and its last half', async () => {
    const middle = lines.length >> 1;
    expect(await check(lines.slice(0, middle))).toEqual([]);
    expect(await check(lines.slice(middle))).toEqual([]);
  });
});

describe('11.x leaves mappings behind, and without these events no line says so', () => {
  const { log } = capture('qemu-11.1/high-iova-aw48');
  const all = tellingLines(log).map((text, index) => ({ text, original: index + 1 }));

  it.each([
    ['vtd_inv_desc_cc_devices', 'vtd_inv_desc_cc_device'],
    ['vfio_iommu_map_notify', 'vtd_page_walk_one', 'vtd_page_walk_level', 'vtd_as_unmap_whole'],
    ['vfio_iommu_map_notify', 'vtd_page_walk_one', 'vfio_listener_region_add_iommu'],
  ])('not clean without %s', async (...names: string[]) => {
    const { trace } = await analyzeKept(all.filter(({ text }) => !names.includes(eventOf(text))));
    expect(trace.verdict).not.toBe('clean');
    expect(trace.reasons.join()).toMatch(/enable vtd_inv_desc_cc_device|no vfio_iommu_map_notify/);
  });
});
