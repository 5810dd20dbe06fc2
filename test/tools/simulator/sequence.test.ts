import { describe, expect, test } from 'vitest';
import { type Act, run, type SimulationOptions } from '../../../src/tools/simulator/index.ts';
import { attach, block, dirtyRate, enable, map, pages, unmap } from './acts-builder.ts';

/**
 * A sequence that was also run on real binaries: a device moves between two domains, blocked and pass-through, with a
 * dirty-rate measurement in the middle. What must come out are facts of those captures: counts of lines, and lines.
 */

const GIB = 1n << 30n;

function sequence(top: bigint): Act[] {
  const into = (domain: number) => attach(domain, { flush: true });
  const out = attach('blocked', { flush: true });
  return [
    // touching both domains first gives their roots the first two table pages
    unmap(0x1000n),
    unmap(0x1000n, 1, { domain: 2 }),
    map(0xfff00000n, pages(0x8000000n, 16)),
    map(0x200000n, pages(0x10000000n, 2, 0x200000n), { level: 2 }),
    ...enable,
    ...pages(0x1000n, 8).map((iova, i) => map(iova, [0x9000000n + BigInt(i) * 0x1000n])),
    unmap(0x2000n, 2),
    out,
    map(top, pages(0xa000000n, 4), { domain: 2, flush: 'none' }),
    into(2),
    out,
    into(1),
    dirtyRate(true),
    map(0x100000n, pages(0xb000000n, 4)),
    unmap(0x100000n, 4),
    out,
    dirtyRate(false),
    into(1),
    out,
    attach('pass-through'),
    into(1),
    { kind: 'translation', on: false },
  ];
}

function counts(log: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const line of log.split('\n')) {
    const [name = ''] = line.split(' ');
    found[name] = (found[name] ?? 0) + 1;
  }
  return found;
}

const TOP_48 = 0xffffc0000000n;
const TOP_39 = 0x7fc0000000n;

interface Capture {
  readonly name: string;
  readonly options: Partial<SimulationOptions>;
  readonly top: bigint;
  readonly lines: Readonly<Record<string, number>>;
  readonly tooBig: number;
}

const CAPTURES: readonly Capture[] = [
  {
    name: '10.0, legacy, 48 bits',
    options: { qemu: '10.0', awBits: 48 },
    top: TOP_48,
    lines: {
      vtd_page_walk_one_skip_unmap: 33502,
      vfio_iommu_map_notify: 252,
      vtd_page_walk_one: 154,
      vtd_page_walk_level: 110,
      vtd_page_walk_one_skip_map: 100,
      vtd_as_unmap_whole: 10,
    },
    tooBig: 4,
  },
  {
    name: '10.0, legacy, 39 bits',
    options: { qemu: '10.0', awBits: 39 },
    top: TOP_39,
    lines: {
      vtd_page_walk_one_skip_unmap: 27370,
      vfio_iommu_map_notify: 207,
      vtd_page_walk_one: 154,
      vtd_page_walk_level: 87,
      vtd_page_walk_one_skip_map: 100,
      vtd_as_unmap_whole: 10,
    },
    tooBig: 0,
  },
  {
    name: '7.2, legacy, 48 bits',
    options: { qemu: '7.2', awBits: 48, kvm: true, ramSize: GIB / 2n },
    top: TOP_48,
    lines: {
      vtd_page_walk_one_skip_unmap: 33502,
      vfio_iommu_map_notify: 308,
      vtd_page_walk_one: 144,
      vtd_page_walk_level: 110,
      vtd_page_walk_one_skip_map: 110,
      vtd_as_unmap_whole: 14,
    },
    tooBig: 0,
  },
  {
    name: '11.1, iommufd without dirty tracking in the host, 48 bits',
    options: { qemu: '11.1', awBits: 48, backend: 'iommufd', iommuDirtyTracking: false },
    top: TOP_48,
    lines: {
      vtd_page_walk_one_skip_unmap: 33502,
      vfio_iommu_map_notify: 216,
      vtd_page_walk_one: 138,
      vtd_page_walk_level: 110,
      vtd_page_walk_one_skip_map: 116,
      iommufd_backend_unmap_dma_non_exist: 109,
      vtd_as_unmap_whole: 8,
    },
    tooBig: 0,
  },
  {
    name: '10.0, iommufd without dirty tracking in the host, 48 bits',
    options: { qemu: '10.0', awBits: 48, backend: 'iommufd', iommuDirtyTracking: false },
    top: TOP_48,
    lines: {
      vfio_iommu_map_notify: 252,
      vtd_page_walk_one: 154,
      iommufd_backend_unmap_dma_non_exist: 135,
      vtd_as_unmap_whole: 10,
    },
    tooBig: 0,
  },
];

describe('the sequence writes as many lines as the real binary', () => {
  test.each(CAPTURES)('$name', ({ options, top, lines, tooBig }) => {
    const { log } = run(options, sequence(top));
    expect(counts(log)).toMatchObject(lines);
    expect(log.match(/UNMAP: Size of bitmap too big/g) ?? []).toHaveLength(tooBig);
  });
});

test('the switch to blocked under tracking, line by line (10.0)', () => {
  const { log } = run({ qemu: '10.0', awBits: 48 }, sequence(TOP_48));
  const tracked = log.slice(log.indexOf('global_dirty_changed bitmask 0x2'));
  const lines = tracked
    .slice(tracked.indexOf('vtd_inv_desc invalidate desc type context-cache'))
    .split('\n')
    .map((line) => line.replace(/0x5[56][0-9a-f]{10}/, '0x559396f7c430'));
  expect(lines.slice(0, 9)).toEqual([
    'vtd_inv_desc invalidate desc type context-cache high 0x0 low 0x8000010031',
    'vtd_inv_desc_cc_devices context invalidate devices sid 0x80 fmask 0x0',
    'vtd_inv_desc_cc_device context invalidate device 00:10.00',
    'vtd_ce_not_present Context entry bus 0 devfn 128 not present',
    'vtd_ce_not_present Context entry bus 0 devfn 128 not present',
    'vtd_switch_address_space Device 00:10.0 switching address space (iommu enabled=1)',
    'vtd_ce_not_present Context entry bus 0 devfn 128 not present',
    'vfio_iommu_map_notify iommu UNMAP @ 0xfef00000 - 0xfeffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xff000000 - 0xffffffff',
  ]);
  expect(lines.slice(20, 26)).toEqual([
    'vfio_iommu_map_notify iommu UNMAP @ 0x80000000000 - 0xfffffffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff',
    'qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000',
    'qemu-system-x86_64: vfio_container_dma_unmap(0x559396f7c430, 0x100000000000, 0x100000000000) = -7 (Argument list too long)',
    'vfio_iommu_map_notify iommu UNMAP @ 0x200000000000 - 0x3fffffffffff',
    'qemu-system-x86_64: UNMAP: Size of bitmap too big 0x40000000',
  ]);
  expect(lines.slice(33, 52)).toEqual([
    'vtd_as_unmap_whole Device 00:10.0 start 0xfef00000 size 0xffff01100000',
    'vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0x7fffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0x80000000 - 0xbfffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xc0000000 - 0xdfffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xe0000000 - 0xefffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xf0000000 - 0xf7ffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xf8000000 - 0xfbffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xfc000000 - 0xfdffffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xfe000000 - 0xfe7fffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xfe800000 - 0xfebfffff',
    'vfio_iommu_map_notify iommu UNMAP @ 0xfec00000 - 0xfedfffff',
    'vtd_as_unmap_whole Device 00:10.0 start 0x0 size 0xfee00000',
    'vtd_inv_desc invalidate desc type wait high 0x1003000 low 0x1600000025',
    'vtd_inv_desc_wait_sw wait invalidate status write addr 0x1003000 data 0x16',
    'vtd_inv_desc invalidate desc type iotlb high 0x0 low 0x100e2',
    'vtd_inv_desc_iotlb_domain iotlb invalidate whole domain 0x1',
    'vtd_ce_not_present Context entry bus 0 devfn 128 not present',
    'vtd_inv_desc invalidate desc type wait high 0x1003000 low 0x1700000025',
    'vtd_inv_desc_wait_sw wait invalidate status write addr 0x1003000 data 0x17',
  ]);
});

test('two devices: a global invalidation unmaps the one registered last first, then switches, then walks', () => {
  const second = { device: 1, invalidate: 'none' } as const;
  const { log } = run({ qemu: '10.0', devices: 2, awBits: 39 }, [
    attach(1, { invalidate: 'none' }),
    attach(2, second),
    { kind: 'translation', on: true },
    attach('blocked', { invalidate: 'none' }),
    { kind: 'invalidate-context', of: 'everything' },
  ]);
  const after = log.slice(log.lastIndexOf('vtd_inv_desc_cc_global'));
  const order = after
    .split('\n')
    .flatMap(
      (line) =>
        /^(vtd_as_unmap_whole|vtd_switch_address_space) Device (00:1[01]\.0)/
          .exec(line)
          ?.slice(1, 3)
          .join(' ') ?? [],
    );
  const registered = log.match(/region_add \[iommu\] vtd-(1[01]\.0)-dmar 0x0/g) ?? [];
  const last = registered.at(-1)?.includes('vtd-11.0') ? '00:11.0' : '00:10.0';
  const other = last === '00:11.0' ? '00:10.0' : '00:11.0';
  const unmaps = order.filter((line) => line.startsWith('vtd_as_unmap_whole'));
  expect(unmaps.slice(0, 4)).toEqual(
    [last, last, other, other].map((device) => `vtd_as_unmap_whole ${device}`),
  );
  // the blocked one is unmapped again at the end, after all switches
  expect(order.at(-1)).toBe('vtd_as_unmap_whole 00:10.0');
  expect(order.filter((line) => line.startsWith('vtd_switch'))).toHaveLength(2);
});

test('failed chunks leave mappings that refuse to be mapped again (10.0), or that nobody maps again (11.1)', () => {
  const acts: Act[] = [
    map(0xfff00000n, pages(0x8000000n, 4)),
    map(0xffffc0000000n, pages(0x9000000n, 8)),
    map(0x180000000000n, pages(0xa000000n, 4)),
    ...enable,
    dirtyRate(true),
    block,
    attach(1),
    dirtyRate(false),
    block,
    attach(1),
  ];
  const old = run({ qemu: '10.0', awBits: 48 }, acts);
  expect(old.truth.failedMaps.map(({ reason }) => reason)).toEqual(new Array(12).fill(-17));
  expect(old.truth.stale).toHaveLength(12);
  expect(old.truth.stale.every(({ how, gone }) => how === 'failed-unmap' && gone !== null)).toBe(
    true,
  );
  // other memory at the same address is refused too, and does not put the old mapping to use again
  const moved = run({ qemu: '10.0', awBits: 48 }, [
    map(0x180000000000n, [0xa000000n]),
    ...enable,
    dirtyRate(true),
    block,
    map(0x180000000000n, [0xb000000n]),
    attach(1, { flush: true }),
  ]);
  expect(moved.truth.failedMaps).toMatchObject([{ gpa: 0xb000000n, reason: -17 }]);
  expect(moved.truth.stale).toMatchObject([{ gpa: 0xa000000n, usedAgain: null, gone: null }]);
  const recent = run({ qemu: '11.1', awBits: 48 }, acts);
  expect(recent.truth.failedMaps).toEqual([]);
  expect(recent.truth.stale).toHaveLength(16);
  expect(
    recent.truth.stale.every(({ how, usedAgain }) => how === 'not-drained' && usedAgain !== null),
  ).toBe(true);
});

test('a mark far past the end of RAM ends the log right after the unmap', () => {
  const { log, truth } = run({ qemu: '10.0', awBits: 48, pastRam: 'dies' }, [
    map(0xffff0000000n, pages(0x8000000n, 4)),
    ...enable,
    dirtyRate(true),
    block,
  ]);
  expect(log.endsWith('vfio_iommu_map_notify iommu UNMAP @ 0x80000000000 - 0xfffffffffff\n')).toBe(
    true,
  );
  expect(truth.ending).toEqual({ kind: 'sigsegv', line: truth.lines });
  expect(truth.pastRam).toMatchObject([{ line: truth.lines, fatal: true }]);
  expect(truth.pastRam[0]?.marks[0]).toEqual([0x7fff0000000n, 0x1000n]);
});
