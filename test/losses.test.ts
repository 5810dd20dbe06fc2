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

const linesFrom = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** A capture without some of its lines. */
async function withoutLines(name: string, ...gone: readonly number[]) {
  const lines = tellingLines(capture(name).log).map((text, index) => ({
    text,
    original: index + 1,
  }));
  return analyzeKept(lines.filter(({ original }) => !gone.includes(original)));
}

it('doubts the sections of an IOMMU that go without a command', async () => {
  const { session } = await withoutLines(
    'qemu-10.0/blocked-aw48-paused',
    ...linesFrom(34294, 34333),
  );
  expect(session.reasons.join()).toContain('what switched a device is missing');
  const lost = session.findings.filter(
    ({ rule, mode, evidence }) => rule === 'VTD004' && mode === 'active' && evidence !== 'assumed',
  );
  expect(lost.every(({ count }) => count <= 5)).toBe(true);
});

it('calls nothing clean where the flag word falls that was never seen to rise', async () => {
  const { session } = await withoutLines(
    'qemu-11.1/blocked-aw48-minimal-ts',
    ...linesFrom(142, 194),
  );
  expect(session.verdict).toBe('inconclusive');
  expect(session.reasons.join()).toContain('a change of dirty tracking is missing');
});

it('sees whole unmaps cut short also where no notifier is told', async () => {
  const { session } = await withoutLines('qemu-10.0/blocked-aw48-minimal', 140, 141);
  expect(session.reasons.join()).toContain('chunks of a whole unmap are missing');
});

describe('two devices: with lines missing, no unmap is given to the other one', () => {
  const { log } = capture('qemu-10.0/twodev-aw48');
  const all = tellingLines(log).map((text, index) => ({ text, original: index + 1 }));
  const few = new Set([
    '',
    'vfio_iommu_map_notify',
    'vtd_as_unmap_whole',
    'vtd_switch_address_space',
    'vtd_inv_desc_cc_device',
    'vtd_inv_desc_cc_devices',
    'vtd_ce_not_present',
    'global_dirty_changed',
  ]);
  const reduced = all.filter(({ text }) => few.has(eventOf(text)));
  const whole = analyzeKept(all);
  const wrong = async (kept: readonly Kept[]) => {
    const owners = new Map((await whole).unmaps.map(({ line, device }) => [line, device]));
    return (await analyzeKept(kept)).unmaps.flatMap(({ line, device }) => {
      const original = kept[line - 1]?.original ?? -1;
      const owner = owners.get(original);
      if (device === null || owner === undefined || device === owner) return [];
      return [`line ${original} is of ${owner}, not of ${device}`];
    });
  };
  const without = (lines: readonly Kept[], ...gone: readonly number[]) =>
    lines.filter(({ original }) => !gone.includes(original));

  it.each([
    ['a chunk of each of two whole unmaps, few events traced', reduced, [21008, 21041]],
    ['chunks that fail, few events traced', reduced, [8446, 8543, 8594]],
    ['the registrations of one device', all, [4185, 6236]],
    ['the root of a walk', all, [14809]],
    ['a chunk, and the root of a walk', all, [8503, 14809]],
    ['the removal of a section', all, [18]],
    ['a section of the first device', all, [4]],
    ['the attach of the second device', all, [8]],
    ['an attach, and the switch of the other', all, [3, 7]],
    ['the end of a whole unmap and the beginning of the next', all, linesFrom(21198, 21237)],
  ])('without %s', async (_, lines, gone) => {
    expect(await wrong(without(lines, ...gone))).toEqual([]);
  });

  it('whatever is missing here and there', async () => {
    for (const seed of SEEDS) {
      for (const lines of [all, reduced]) {
        expect(await wrong(withoutShare(lines, 0.01, seed)), `1 %, seed ${seed}`).toEqual([]);
        expect(await wrong(withoutShare(lines, 0.1, seed)), `10 %, seed ${seed}`).toEqual([]);
        expect(await wrong(withGaps(lines, seed)), `gaps, seed ${seed}`).toEqual([]);
      }
    }
  });

  it('is judged as assumed where a device shows whose attach and sections are missing', async () => {
    const { session } = await analyzeKept(without(all, 3, 4, 5));
    for (const { cause, evidence } of session.findings) {
      if (cause === 'region-del') expect(evidence).toBe('assumed');
    }
    expect(session.reasons.join()).toContain('the attach of a device is missing');
  });
});

it('names the device of 7.2 by no switch that comes too late', async () => {
  const lines = tellingLines(capture('qemu-7.2/blocked-aw48').log);
  const { unmaps } = await analyzeKept(
    lines.flatMap((text, index) => (index === 2 ? [] : [{ text, original: index + 1 }])),
  );
  expect(new Set(unmaps.map(({ device }) => device))).toEqual(new Set([null, '00:10.0']));
});

it('sees by the status writes of the guest that whole invalidations are missing', async () => {
  const { log } = capture('qemu-10.0/linux-e1000e-aw39');
  const lines = tellingLines(log).map((text, index) => ({ text, original: index + 1 }));
  const { session } = await analyzeKept(
    lines.filter(({ original }) => original < 4631 || original > 4644),
  );
  expect(session.reasons.join()).toContain('invalidations are missing between status writes');
  expect(session.reasons.join()).toMatch(/what 00:10\.0 maps is doubtful in \d+ of 15843 lines/);
  expect(session.reasons.join()).not.toContain('00:00.0');
  const judged = session.findings.filter(({ rule, cause }) => rule === 'VTD002' && cause !== null);
  // What came after the next whole unmap is as sure as before.
  expect(judged.map(({ mode, cause, evidence }) => [mode, cause, evidence])).toEqual([
    ['what-if', 'page-walk', 'assumed'],
    ['what-if', 'whole-unmap', 'assumed'],
    ['active', 'page-walk', 'derived'],
    ['active', 'whole-unmap', 'derived'],
  ]);
});

it('assumes that a section is no ROM where no line of iommufd tells', async () => {
  const lines = tellingLines(capture('qemu-10.0/iommufd-blocked-aw48').log);
  const kept = lines.map((text, index) => ({ text, original: index + 1 }));
  const removed = async (of: readonly Kept[]) => {
    const { findings } = (await analyzeKept(of)).session;
    const found = findings.filter(({ rule, cause }) => rule === 'VTD004' && cause === 'region-del');
    return found.map(({ mode, count, evidence }) => [mode, count, evidence]);
  };
  expect(await removed(kept)).toEqual([['what-if', 7, 'derived']]);
  const without = kept.filter(({ text }) => eventOf(text) !== 'iommufd_backend_map_dma');
  expect(await removed(without)).toEqual([['what-if', 11, 'assumed']]);
});
