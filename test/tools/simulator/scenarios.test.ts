import { describe, expect, test } from 'vitest';
import {
  type Act,
  run,
  type SimulationOptions,
  type Truth,
} from '../../../src/tools/simulator/index.ts';
import {
  attach,
  block,
  dirtyRate,
  enable,
  map,
  pages,
  startMigration,
  unmap,
} from './acts-builder.ts';

/** The worked cases of the specification, played forward. */

const GIB = 1n << 30n;
const DEVICE: Partial<SimulationOptions> = {
  qemu: '10.2',
  deviceAddresses: ['00:04.0'],
  migratable: true,
  ignoreMigrationBlocker: true,
  ramSize: GIB,
  below4g: GIB,
};

const E2BIG_AT_48 = [
  [1n << 44n, 0x20000000n],
  [1n << 45n, 0x40000000n],
  [1n << 46n, 0x80000000n],
  [1n << 47n, 0x100000000n],
];

function ofWholeUnmap({ unmaps }: Truth) {
  return unmaps.filter(({ cause }) => cause === 'whole-unmap');
}

function tooBig(truth: Truth) {
  return ofWholeUnmap(truth)
    .filter(({ errno, whatIf }) => errno === -7 || whatIf?.errno === -7)
    .map(({ iova, bitmapBytes }) => [iova, bitmapBytes]);
}

function lost({ unmaps }: Truth) {
  return unmaps.filter(({ cause }) => cause !== 'region-del').flatMap(({ atRisk }) => atRisk);
}

function shadowOf(truth: Truth) {
  return truth.devices[0]?.shadow.map(({ iova, size, gpa, permission }) => [
    iova,
    size,
    gpa,
    permission,
  ]);
}

describe('a device leaves its domain, width 48', () => {
  const acts = (tracked: boolean): Act[] => [...enable, ...(tracked ? startMigration : []), block];

  test('under a migration the four biggest chunks fail', () => {
    const { truth } = run(DEVICE, acts(true));
    const group = ofWholeUnmap(truth);
    expect(group).toHaveLength(28);
    expect(group.every(({ carriedAddress, tracked }) => carriedAddress === 0n && tracked)).toBe(
      true,
    );
    expect(tooBig(truth)).toEqual(E2BIG_AT_48);
    expect(lost(truth)).toEqual([]);
  });

  test('without tracking the same four would have failed', () => {
    const { truth } = run(DEVICE, acts(false));
    expect(ofWholeUnmap(truth).every(({ errno, tracked }) => errno === 0 && !tracked)).toBe(true);
    expect(tooBig(truth)).toEqual(E2BIG_AT_48);
  });

  test('a dirty-rate measurement is enough, and nothing fails for it', () => {
    const { truth, log } = run(DEVICE, [...enable, dirtyRate(true), block, dirtyRate(false)]);
    expect(tooBig(truth)).toEqual(E2BIG_AT_48);
    expect(truth.windows).toMatchObject([{ by: ['dirty-rate'] }]);
    expect(log.match(/= -7 \(Argument list too long\)/g)).toHaveLength(4);
  });

  test('larger host pages move the limit', () => {
    const at = (hostPageSize: 16384 | 65536) =>
      tooBig(run({ ...DEVICE, hostPageSize }, acts(true)).truth);
    expect(at(16384)).toEqual([
      [1n << 46n, 0x20000000n],
      [1n << 47n, 0x40000000n],
    ]);
    expect(at(65536)).toEqual([]);
  });

  test('the first failure goes to the migration error, the others to stderr', () => {
    const { log } = run(DEVICE, [...acts(true), { kind: 'migrate', step: 'sync' }]);
    const lines = log.split('\n');
    expect(lines.filter((line) => line.includes('Size of bitmap too big'))).toHaveLength(4);
    const failures = lines.filter((line) => line.includes('= -7 (Argument list too long)'));
    expect(failures).toHaveLength(4);
    expect(failures.filter((line) => line.startsWith('qemu-system-x86_64: '))).toHaveLength(3);
    expect(failures.at(-1)).toMatch(
      /^migrate_error error=vfio_container_dma_unmap\(0x[0-9a-f]+, 0x100000000000, 0x100000000000\) = -7 /,
    );
    expect(lines).toContain('migrate_set_state new state failed');
  });
});

test('width 39: nothing fails, address 0 loses two writable pages and no read-only one', () => {
  const { truth } = run({ ...DEVICE, awBits: 39 }, [
    map(0x1000n, [0x7f000n]),
    map(0xfffff000n, [0x234000n], { permission: 2 }),
    map(0xffffe000n, [0x999000n], { permission: 1 }),
    ...enable,
    ...startMigration,
    block,
  ]);
  expect(ofWholeUnmap(truth)).toHaveLength(19);
  expect(tooBig(truth)).toEqual([]);
  const harmful = ofWholeUnmap(truth).filter(({ atRisk }) => atRisk.length > 0);
  expect(harmful.map(({ iova, atRisk }) => [iova, atRisk])).toEqual([
    [0xff000000n, [[0x234000n, 0x1000n]]],
    [0x0n, [[0x7f000n, 0x1000n]]],
  ]);
  expect(shadowOf(truth)).toEqual([]);
});

test('an identity mapping in the chunk that starts at 0 is right by luck', () => {
  const memory = { ramSize: 0xa0000000n, below4g: 0xa0000000n };
  const { truth } = run({ ...DEVICE, ...memory }, [
    map(0x200000n, [0x200000n], { level: 2 }),
    map(0x80000000n, [0x80000000n], { level: 2 }),
    ...enable,
    ...startMigration,
    block,
  ]);
  expect(lost(truth)).toEqual([[0x80000000n, 0x200000n]]);
});

describe('page-selective invalidations under tracking', () => {
  const mapped = [map(0xfffff000n, [0x5000n]), ...enable, ...startMigration];

  test.each(['7.2', '10.0', '10.2', '11.1'] as const)('a zeroed entry carries 0 in %s', (qemu) => {
    const { truth } = run({ ...DEVICE, qemu }, [...mapped, unmap(0xfffff000n)]);
    expect(truth.unmaps.at(-1)).toMatchObject({
      cause: 'page-walk',
      carriedAddress: 0n,
      tracked: true,
      query: 'bitmap',
      atRisk: [[0x5000n, 0x1000n]],
    });
    expect(shadowOf(truth)).toEqual([]);
  });

  test('what the source unmaps behind a completed migration loses nothing', () => {
    const complete = [
      { kind: 'migrate', step: 'switchover' },
      { kind: 'migrate', step: 'complete' },
    ] as const satisfies readonly Act[];
    const { truth } = run({ ...DEVICE, actsWhilePaused: true }, [
      ...mapped,
      map(0xfffe000n, [0x6000n]),
      ...complete,
      unmap(0xfffff000n),
    ]);
    expect(truth.unmaps.at(-1)).toMatchObject({
      carriedAddress: 0n,
      tracked: true,
      query: 'bitmap',
      atRisk: [],
      ifWanted: { atRisk: [[0x5000n, 0x1000n]], marksRight: false },
    });
  });

  test('an entry that lost only its permissions carries the right address', () => {
    const { truth } = run(DEVICE, [...mapped, unmap(0xfffff000n, 1, { residual: true })]);
    expect(truth.unmaps.at(-1)).toMatchObject({ carriedAddress: 0x5000n, errno: 0, atRisk: [] });
  });

  test('a changed translation carries the new address', () => {
    const { truth } = run(DEVICE, [
      map(0x10000n, [0x5000n]),
      ...enable,
      ...startMigration,
      map(0x10000n, [0x8000n]),
    ]);
    expect(truth.unmaps.at(-1)).toMatchObject({
      cause: 'changed-translation',
      carriedAddress: 0x8000n,
      atRisk: [[0x5000n, 0x1000n]],
    });
    expect(shadowOf(truth)).toEqual([[0x10000n, 0x1000n, 0x8000n, 3]]);
  });

  const threePages: readonly Act[] = [
    map(0x400000n, [0x11000n]),
    map(0x401000n, [0x22000n], { permission: 1 }),
    map(0x5ff000n, [0x33000n], { permission: 2 }),
    ...enable,
    ...startMigration,
    {
      kind: 'unmap-level',
      domain: 1,
      iova: 0x400000n,
      level: 2,
      residual: false,
      flush: 'pages',
    },
  ];

  test('one unmap of a 2 MiB entry removes three pages', () => {
    const { truth } = run(DEVICE, threePages);
    expect(truth.unmaps.at(-1)).toMatchObject({
      iova: 0x400000n,
      size: 0x200000n,
      errno: 0,
      atRisk: [
        [0x11000n, 0x1000n],
        [0x33000n, 0x1000n],
      ],
    });
    expect(shadowOf(truth)).toEqual([]);
  });

  test('iommufd 11 cannot query its holes', () => {
    const { truth, log } = run({ ...DEVICE, qemu: '11.0', backend: 'iommufd' }, threePages);
    expect(truth.unmaps.at(-1)).toMatchObject({
      query: 'before',
      errno: -22,
      atRisk: [
        [0x11000n, 0x1000n],
        [0x33000n, 0x1000n],
      ],
    });
    expect(log).toContain(
      'IOMMU_HWPT_GET_DIRTY_BITMAP (iova: 0x400000 size: 0x200000) failed: Invalid argument',
    );
    expect(truth.devices[0]?.host).toEqual([]);
  });

  test('a table that lost only its permissions carries the address of the table', () => {
    const { truth } = run(DEVICE, [
      map(0x400000n, [0x11000n]),
      ...enable,
      ...startMigration,
      { kind: 'unmap-level', domain: 1, iova: 0x400000n, level: 2, residual: true, flush: 'pages' },
    ]);
    // root, level 3, level 2 and level 1 table: the fourth page that the guest took
    expect(truth.unmaps.at(-1)).toMatchObject({ carriedAddress: 0x1013000n, errno: 0 });
    expect(lost(truth)).toEqual([[0x11000n, 0x1000n]]);
  });
});

test('skipped entries change nothing', () => {
  const { truth, log } = run(DEVICE, [
    map(0x3000n, [0x5000n]),
    ...enable,
    { kind: 'invalidate-pages', domain: 1, iova: 0x3000n, mask: 0 },
    { kind: 'invalidate-pages', domain: 1, iova: 0x200000n, mask: 0 },
  ]);
  expect(log).toContain('vtd_page_walk_one_skip_map iova 0x3000 mask 0xfff translated 0x5000\n');
  expect(log).toContain('vtd_page_walk_one_skip_unmap iova 0x200000 mask 0x1fffff\n');
  expect(shadowOf(truth)).toEqual([[0x3000n, 0x1000n, 0x5000n, 3]]);
  expect(truth.unmaps.filter(({ cause }) => cause !== 'region-del')).toEqual([]);
});

test('iommufd up to 10.2 asks for nothing: every bit is lost, nothing is too big', () => {
  const { truth } = run({ ...DEVICE, backend: 'iommufd' }, [
    map(0x1000n, [0x7f000n]),
    ...enable,
    ...startMigration,
    block,
  ]);
  expect(ofWholeUnmap(truth).every(({ query, errno }) => query === 'none' && errno === 0)).toBe(
    true,
  );
  expect(lost(truth)).toEqual([[0x7f000n, 0x1000n]]);
});

test('7.2: a dirty sync prints whole unmaps that are none', () => {
  const { truth, log } = run({ ...DEVICE, qemu: '7.2', awBits: 39 }, [
    map(0x1000n, [0x7f000n]),
    ...enable,
    ...startMigration,
    { kind: 'migrate', step: 'sync' },
  ]);
  const sync = log.slice(log.lastIndexOf('migration_bitmap_sync_start'));
  expect(sync).toContain('vtd_as_unmap_whole Device 00:04.0 start 0x0 size 0xfee00000\n');
  expect(sync).toContain('vfio_iommu_map_dirty_notify iommu dirty @ 0x1000 - 0x1fff\n');
  expect(sync).not.toContain('UNMAP');
  expect(shadowOf(truth)).toEqual([[0x1000n, 0x1000n, 0x7f000n, 3]]);
  // the chunks of the two region_add are real, and were before the migration
  expect(ofWholeUnmap(truth).every(({ tracked }) => !tracked)).toBe(true);
});

describe('11.x under tracking', () => {
  test('the upper notifier is not drained', () => {
    const { truth, log } = run({ ...DEVICE, qemu: '11.0' }, [
      map(0x1000n, [0x7f000n]),
      map(0xfffff000n, [0x234000n]),
      ...enable,
      ...startMigration,
      block,
    ]);
    const drained = truth.unmaps.filter(({ cause }) => cause === 'drain');
    expect(drained).toMatchObject([
      { iova: 0x1000n, carriedAddress: 0x7f000n, errno: 0, atRisk: [] },
    ]);
    expect(log).not.toContain('vtd_as_unmap_whole');
    expect(truth.stale).toMatchObject([
      { iova: 0xfffff000n, size: 0x1000n, how: 'not-drained', gone: null },
    ]);
    expect(shadowOf(truth)).toEqual([[0xfffff000n, 0x1000n, 0x234000n, 3]]);
    expect(truth.groups.map(({ kind, survivors }) => [kind, survivors.length])).toEqual([
      ['drain', 1],
      ['drain', 0],
    ]);
  });

  test('the address carried is guest-physical, and wrong above 4 GiB', () => {
    const memory = { ramSize: 0x200000000n, below4g: 0x80000000n };
    const { truth } = run({ ...DEVICE, ...memory, qemu: '11.0' }, [
      map(0x2000n, [0x140000000n]),
      ...enable,
      ...startMigration,
      block,
    ]);
    const drained = truth.unmaps.filter(({ cause }) => cause === 'drain');
    expect(drained).toMatchObject([
      { carriedAddress: 0x140000000n, atRisk: [[0x140000000n, 0x1000n]] },
    ]);
  });

  test('what tracking would have made of a whole unmap is told once per notifier', () => {
    const { truth } = run({ ...DEVICE, qemu: '11.1' }, [
      map(0x1000n, [0x7f000n]),
      map(0xfffff000n, [0x234000n]),
      ...enable,
      block,
    ]);
    expect(ofWholeUnmap(truth).every(({ whatIf }) => whatIf === null)).toBe(true);
    expect(truth.groups.map(({ whatIfDrain }) => whatIfDrain)).toEqual([
      {
        delivered: [],
        survivors: [{ iova: 0xfffff000n, size: 0x1000n, gpa: 0x234000n }],
        atRisk: [],
      },
      {
        delivered: [
          { iova: 0x1000n, size: 0x1000n, carriedAddress: 0x7f000n, errno: 0, atRisk: [] },
        ],
        survivors: [],
        atRisk: [],
      },
    ]);
  });

  test('leaving pass-through carries addresses for RAM, right below 4 GiB only', () => {
    const memory = { ramSize: 0x200000000n, below4g: 0x80000000n };
    const acts = [
      attach('pass-through', { invalidate: 'none' }),
      ...enable.slice(1),
      dirtyRate(true),
      block,
    ];
    const { truth } = run({ ...DEVICE, ...memory, qemu: '11.0' }, acts);
    const deleted = truth.unmaps.filter(({ cause, tracked }) => cause === 'region-del' && tracked);
    expect(
      deleted.map(({ iova, carriedAddress, atRisk }) => [iova, carriedAddress, atRisk]),
    ).toEqual([
      [0x0n, 0x0n, []],
      [0xc0000n, null, []],
      [0xe0000n, 0xe0000n, []],
      [0xf0000n, null, []],
      [0x100000n, 0x100000n, []],
      [0xffff0000n, null, []],
      [0x100000000n, 0x100000000n, [[0x100000000n, 0x180000000n]]],
    ]);
    const untracked = truth.unmaps.filter(({ tracked }) => !tracked);
    expect(untracked.map(({ carriedAddress, whatIf }) => [carriedAddress, whatIf?.query])).toEqual([
      [null, 'bitmap'],
    ]);
    const before = run({ ...DEVICE, ...memory }, acts).truth;
    const lostBefore = before.unmaps
      .filter(({ tracked }) => tracked)
      .flatMap(({ atRisk }) => atRisk);
    expect(lostBefore).toContainEqual([0x100000n, 0x7ff00000n]);
  });
});

test('luck does not help a mapping under an unmap that failed', () => {
  const acts = [map(0x200000n, [0x200000n], { level: 2 }), ...enable, dirtyRate(true), block];
  // 1 GiB of bitmap: the chunk of 2 GiB at 0 needs twice that
  const { truth } = run({ ...DEVICE, maxDirtyBitmapBytes: 0x8000n }, acts);
  const [first] = ofWholeUnmap(truth).filter(({ iova }) => iova === 0n);
  expect(first).toMatchObject({ errno: -7, atRisk: [[0x200000n, 0x200000n]] });
  expect(lost(run(DEVICE, acts).truth)).toEqual([]);
});

test('a mapping that an unmap cuts is at risk whole, though its front is marked right', () => {
  const { truth } = run({ ...DEVICE, qemu: '11.1', backend: 'iommufd' }, [
    map(0x200000n, [0x10000000n], { level: 2 }),
    ...enable,
    dirtyRate(true),
    { kind: 'split', domain: 1, iova: 0x200000n, level: 2, flush: 'pages' },
  ]);
  expect(truth.unmaps.at(-1)).toMatchObject({
    cause: 'changed-translation',
    size: 0x1000n,
    carriedAddress: 0x10000000n,
    query: 'before',
    errno: 0,
    atRisk: [[0x10000000n, 0x200000n]],
  });
});

test('the type1 limit refuses a mapping that the shadow keeps', () => {
  const { truth, log } = run({ ...DEVICE, dmaEntryLimit: 16 }, [
    ...enable,
    map(0x1000n, pages(0x10000n, 17)),
  ]);
  expect(truth.failedMaps).toMatchObject([{ iova: 0x11000n, reason: -28 }]);
  expect(log).toMatch(
    /vfio_container_dma_map\(0x\w+, 0x11000, 0x1000, 0x\w+\) = -28 \(No space left on device\)/,
  );
  expect(truth.devices[0]?.shadow).toHaveLength(17);
  expect(truth.devices[0]?.host).toHaveLength(16);
});

test('7.2 tracks while the devices save, not while the flag word is set', () => {
  const { truth, log } = run({ ...DEVICE, qemu: '7.2', awBits: 48 }, [
    map(0xfffff000n, pages(0x5000n, 4)),
    ...enable,
    dirtyRate(true),
    unmap(0xfffff000n),
    ...startMigration,
    block,
    { kind: 'migrate', step: 'cancel' },
    attach(1),
    block,
  ]);
  const [measured] = truth.unmaps.filter(({ cause }) => cause === 'page-walk');
  expect(measured).toMatchObject({ tracked: false, query: 'none' });
  const groups = ofWholeUnmap(truth).filter(({ line }) => (line ?? 0) > 0);
  const tracked = groups.filter((record) => record.tracked);
  expect(tracked).toHaveLength(28);
  expect(tracked.filter(({ errno }) => errno === -7)).toHaveLength(4);
  // the migration goes on: 7.2 does not fail it
  expect(log).not.toContain('new state failed');
});

test('7.2 does not track before the devices save, nor while the VM is stopped', () => {
  const page = map(0x1000n, [0x5000n]);
  const { truth } = run({ ...DEVICE, qemu: '7.2', actsWhilePaused: true }, [
    page,
    ...enable,
    { kind: 'migrate', step: 'setup' },
    unmap(0x1000n),
    page,
    { kind: 'migrate', step: 'log' },
    unmap(0x1000n),
    page,
    { kind: 'migrate', step: 'active' },
    { kind: 'migrate', step: 'switchover' },
    unmap(0x1000n),
  ]);
  const walked = truth.unmaps.filter(({ cause }) => cause === 'page-walk');
  expect(walked.map(({ tracked }) => tracked)).toEqual([false, true, false]);
  expect(truth.windows).toMatchObject([{ by: ['migration'] }]);
});

test('a host mapping that a split leaves behind cannot be cut', () => {
  const acts: Act[] = [
    map(0x200000n, [0x10000000n], { level: 2 }),
    ...enable,
    { kind: 'split', domain: 1, iova: 0x200000n, level: 2, flush: 'pages' },
  ];
  const plain = run(DEVICE, acts).truth;
  expect(plain.unmaps.at(-1)).toMatchObject({
    cause: 'changed-translation',
    errno: -22,
    size: 0x1000n,
  });
  expect(plain.failedMaps).toHaveLength(512);
  expect(plain.failedMaps.every(({ reason }) => reason === -17)).toBe(true);
  const tracked = run(DEVICE, [...acts.slice(0, 3), dirtyRate(true), ...acts.slice(3)]).truth;
  expect(tracked.unmaps.at(-1)).toMatchObject({ errno: -1, query: 'bitmap' });
  const iommufd = run({ ...DEVICE, backend: 'iommufd' }, acts).truth;
  expect(iommufd.unmaps.at(-1)).toMatchObject({ errno: 0 });
  expect(iommufd.failedMaps).toHaveLength(512);
});

test('a page that was cleared but not invalidated is lost by a sync and becomes stale at its invalidation', () => {
  const { truth } = run(DEVICE, [
    map(0x5000n, pages(0x10000n, 2)),
    ...enable,
    dirtyRate(true),
    unmap(0x5000n, 1, { flush: 'none' }),
    { kind: 'dirty-sync' },
    { kind: 'invalidate-pages', domain: 1, iova: 0x5000n, mask: 0 },
  ]);
  expect(shadowOf(truth)).toEqual([[0x6000n, 0x1000n, 0x11000n, 3]]);
  expect(truth.stale).toMatchObject([{ iova: 0x5000n, gpa: 0x10000n, how: 'skipped', gone: null }]);
});

test('devices that log their own DMA are asked after the unmap', () => {
  const { truth, log } = run({ ...DEVICE, qemu: '10.0', deviceTracking: true }, [
    map(0x5000n, [0x10000n]),
    ...enable,
    dirtyRate(true),
    unmap(0x5000n),
    block,
  ]);
  expect(
    truth.unmaps.filter(({ tracked }) => tracked).every(({ query }) => query === 'after'),
  ).toBe(true);
  expect(tooBig(truth)).toEqual([]);
  expect(log).toMatch(/UNMAP @ 0x5000 - 0x5fff\nvfio_get_dirty_bitmap iova=0x5000 size= 0x1000 /);
  expect(log).toContain(
    'vfio_device_dirty_tracking_start nr_ranges 2 32:[0x0 - 0xfedfffff], 64:[0xfef00000',
  );
});
