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

/** Corners of the emulated unit that the worked cases do not reach. */

const GIB = 1n << 30n;
const RAM: Partial<SimulationOptions> = { ramSize: 3n * GIB, below4g: 2n * GIB, awBits: 48 };

function notifications({ unmaps }: Truth) {
  return unmaps.filter(({ cause }) => cause !== 'region-del');
}

describe('an event across the interrupt hole', () => {
  const hugePage: Act[] = [...enable, map(0xc0000000n, [GIB], { level: 3 })];

  test('a 1 GiB page is cut in two and refused twice (10.2)', () => {
    const { truth } = run({ ...RAM, qemu: '10.2' }, hugePage);
    expect(truth.failedMaps).toMatchObject([
      { iova: 0xfef00000n, size: 0x1100000n, gpa: GIB, reason: 'granularity' },
      { iova: 0xc0000000n, size: 0x3ee00000n, gpa: GIB, reason: 'granularity' },
    ]);
    expect(truth.devices[0]?.shadow).toHaveLength(1);
    expect(truth.devices[0]?.host).toEqual([]);
  });

  test('a 2 MiB page in the hole is cut to a size that is mapped, with the address of its front (10.2)', () => {
    const { truth } = run({ ...RAM, qemu: '10.2' }, [
      ...enable,
      map(0xfee00000n, [0x2000000n], { level: 2 }),
    ]);
    expect(truth.failedMaps).toEqual([]);
    expect(truth.devices[0]?.host).toMatchObject([
      { iova: 0xfef00000n, size: 0x100000n, gpa: 0x2000000n },
    ]);
    expect(truth.devices[0]?.shadow).toMatchObject([{ iova: 0xfee00000n, size: 0x200000n }]);
  });

  test('an absent 1 GiB entry unmaps both parts with the same address (10.2)', () => {
    const { truth } = run({ ...RAM, qemu: '10.2' }, [
      map(0xc0001000n, [0x5000n]),
      map(0xff000000n, [0x6000n]),
      ...enable,
      dirtyRate(true),
      {
        kind: 'unmap-level',
        domain: 1,
        iova: 0xc0000000n,
        level: 3,
        residual: false,
        flush: 'domain',
      },
    ]);
    expect(notifications(truth)).toMatchObject([
      { iova: 0xfef00000n, size: 0x1100000n, carriedAddress: 0n, atRisk: [[0x6000n, 0x1000n]] },
      { iova: 0xc0000000n, size: 0x3ee00000n, carriedAddress: 0n, atRisk: [[0x5000n, 0x1000n]] },
    ]);
  });

  test('aborts QEMU up to 10.1, or is left out', () => {
    const allowed = run({ ...RAM, qemu: '10.0', holeCrossing: 'allowed' }, hugePage);
    expect(allowed.truth.ending).toEqual({ kind: 'abort', line: allowed.truth.lines });
    expect(allowed.log.trimEnd().split('\n').at(-1)).toBe(
      'vtd_page_walk_one domain 0x1 iova 0xc0000000 -> gpa 0x40000000 mask 0x3fffffff perm 3',
    );
    const avoided = run({ ...RAM, qemu: '10.0' }, [...hugePage, map(0x1000n, [0x5000n])]);
    expect(avoided.truth.ending).toEqual({ kind: 'finished' });
    expect(avoided.truth.devices[0]?.shadow).toHaveLength(1);
  });

  test('a direct attach that would cross is left out too', () => {
    const acts: Act[] = [map(0x1000n, [0x5000n]), ...enable, attach(2), attach(2, { flush: true })];
    const avoided = run({ ...RAM, qemu: '10.0' }, acts).truth;
    expect([avoided.ending.kind, notifications(avoided).length]).toEqual(['finished', 0]);
    expect(run({ ...RAM, qemu: '10.0', holeCrossing: 'allowed' }, acts).truth.ending.kind).toBe(
      'abort',
    );
    const cut = run({ ...RAM, qemu: '10.2' }, acts).truth;
    expect(notifications(cut).map(({ iova, size }) => [iova, size])).toEqual([
      [0xfef00000n, 0x7f01100000n],
      [0x0n, 0xfee00000n],
    ]);
  });

  test('pages inside the hole are known to the shadow alone', () => {
    const acts: Act[] = [...enable, map(0xfee00000n, pages(0x5000n, 2)), block];
    const shadow = (qemu: '7.2' | '10.0') =>
      run({ ...RAM, qemu }, acts).truth.devices[0]?.shadow.map(({ iova }) => iova);
    expect(run({ ...RAM, qemu: '10.0' }, acts).log).not.toContain(
      'vfio_iommu_map_notify iommu MAP',
    );
    expect(shadow('10.0')).toEqual([0xfee00000n, 0xfee01000n]);
    // one byte too many, and so one page
    expect(shadow('7.2')).toEqual([0xfee01000n]);
  });
});

test('a direct attach to a narrower domain leaves what lies above it', () => {
  const { truth } = run({ ...RAM, qemu: '10.2', domainLevels: [4, 3] }, [
    map(0x8000000000n, [0x5000n]),
    ...enable,
    attach(2),
  ]);
  expect(truth.devices[0]?.shadow).toMatchObject([{ iova: 0x8000000000n }]);
  expect(truth.devices[0]?.host).toMatchObject([{ iova: 0x8000000000n }]);
  expect(truth.stale).toEqual([]);
});

test('a direct switch to pass-through deletes the sections without asking, and keeps the shadow', () => {
  const { truth } = run({ ...RAM, qemu: '10.0' }, [
    map(0x1000n, [0x5000n]),
    ...enable,
    dirtyRate(true),
    attach('pass-through'),
  ]);
  const [low] = truth.unmaps
    .filter(({ tracked }) => tracked)
    .filter(({ size }) => size === 0xfee00000n);
  expect(low).toMatchObject({
    cause: 'region-del',
    carriedAddress: null,
    query: 'none',
    atRisk: [[0x5000n, 0x1000n]],
  });
  expect(truth.devices[0]?.shadow).toHaveLength(1);
  expect(truth.devices[0]?.host.every(({ of }) => of === 'ram')).toBe(true);
  expect(truth.stale).toEqual([]);
});

test('entries with reserved bits and tables that cannot be read hide their ranges', () => {
  const spoil = (how: 'reserved' | 'unreadable', level: 1 | 2, iova: bigint): Act => {
    return { kind: 'spoil', domain: 1, iova, level, how, flush: 'pages' };
  };
  const { truth, log } = run({ ...RAM, qemu: '10.0' }, [
    map(0x1000n, [0x5000n]),
    ...enable,
    spoil('reserved', 1, 0x1000n),
    spoil('unreadable', 2, 0x400000n),
  ]);
  expect(log).toContain(
    'vtd_page_walk_skip_reserve Page walk skip iova 0x1000 - 0x2000 due to rsrv set\n',
  );
  expect(log.match(/vtd_page_walk_skip_read/g)).toHaveLength(512);
  expect(log).toContain(
    'vtd_page_walk_skip_read Page walk skip iova 0x400000 - 0x401000 due to unable to read\n',
  );
  expect(notifications(truth)).toEqual([]);
  expect(truth.devices[0]?.shadow).toHaveLength(1);
});

test('permissions of a table hold for its pages', () => {
  const protect = (permission: 1 | 2 | 3): Act => {
    return {
      kind: 'protect',
      domain: 1,
      iova: 0x0n,
      level: 2,
      count: 1,
      permission,
      flush: 'domain',
    };
  };
  const { truth } = run({ ...RAM, qemu: '10.0' }, [
    map(0x1000n, [0x5000n]),
    map(0x2000n, [0x6000n], { permission: 2 }),
    ...enable,
    protect(1),
  ]);
  expect(notifications(truth)).toMatchObject([
    { iova: 0x1000n, cause: 'changed-translation' },
    { iova: 0x2000n, cause: 'page-walk', carriedAddress: 0x6000n },
  ]);
  expect(truth.devices[0]?.shadow).toMatchObject([{ iova: 0x1000n, permission: 1 }]);
});

test('a narrow invalidation unmaps a whole absent entry, wherever its pages were', () => {
  const { truth } = run({ ...RAM, qemu: '10.0' }, [
    map(0x40201000n, [0x5000n]),
    ...enable,
    { kind: 'unmap-level', domain: 1, iova: 0x40000000n, level: 3, residual: false, flush: 'none' },
    { kind: 'invalidate-pages', domain: 1, iova: 0x40000000n, mask: 0 },
  ]);
  expect(notifications(truth)).toMatchObject([{ iova: 0x40000000n, size: GIB }]);
  expect(truth.devices[0]?.shadow).toEqual([]);
});

test('permissions are compared, and a change of them is a changed translation', () => {
  const { truth, log } = run({ ...RAM, qemu: '10.0' }, [
    map(0x1000n, [0x5000n]),
    ...enable,
    {
      kind: 'protect',
      domain: 1,
      iova: 0x1000n,
      level: 1,
      count: 1,
      permission: 1,
      flush: 'pages',
    },
  ]);
  expect(notifications(truth)).toMatchObject([
    { cause: 'changed-translation', carriedAddress: 0x5000n },
  ]);
  expect(truth.devices[0]?.host).toMatchObject([{ permission: 1 }]);
  expect(log).toContain(
    'gpa 0x5000 mask 0xfff perm 0\nvfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff\nvtd_page_walk_one domain 0x1 iova 0x1000 -> gpa 0x5000 mask 0xfff perm 1\n',
  );
});

test('memory that is none is refused, and stays in the shadow', () => {
  const { truth, log } = run({ ...RAM, qemu: '10.0' }, [
    ...enable,
    map(0x1000n, [0xb0000000n]),
    map(0x200000n, [0x0n], { level: 2 }),
  ]);
  expect(truth.failedMaps.map(({ reason }) => reason)).toEqual(['non-memory', 'granularity']);
  expect(log).toContain('qemu-system-x86_64: iommu map to non memory area b0000000\n');
  expect(log).toContain('qemu-system-x86_64: iommu has granularity incompatible with target AS\n');
  expect(truth.devices[0]?.shadow).toHaveLength(2);
  expect(truth.devices[0]?.host).toEqual([]);
});

describe('tracking on and off', () => {
  const pause: Act = { kind: 'run', on: false };
  const resume: Act = { kind: 'run', on: true };

  test('the end waits while the VM is paused', () => {
    const paused = { ...RAM, qemu: '10.0', actsWhilePaused: true } as const;
    const { truth, log } = run(paused, [
      ...enable,
      dirtyRate(true),
      pause,
      dirtyRate(false),
      block,
      resume,
    ]);
    expect(notifications(truth).every(({ tracked }) => tracked)).toBe(true);
    expect(log.indexOf('global_dirty_changed bitmask 0x0')).toBeGreaterThan(
      log.indexOf('vtd_as_unmap_whole'),
    );
    expect(truth.windows).toMatchObject([{ by: ['dirty-rate'], lastLine: truth.lines }]);
  });

  test('a paused guest does nothing, but a reset does', () => {
    const { truth } = run({ ...RAM, qemu: '10.0' }, [
      ...enable,
      dirtyRate(true),
      pause,
      map(0x1000n, [0x5000n]),
      { kind: 'reset' },
    ]);
    expect(notifications(truth).map(({ cause }) => cause)).toEqual(
      new Array(28).fill('whole-unmap'),
    );
    expect(truth.totals.maps).toBe(0);
  });

  test('a reset has a line of its own from 10.0 on, and switches after unmapping', () => {
    const linesOfReset = (qemu: '7.2' | '10.0' | '10.2') => {
      const { log } = run({ ...RAM, qemu, awBits: 39 }, [...enable, { kind: 'reset' }]);
      const lines = log.slice(log.lastIndexOf('vtd_dmar_enable')).split('\n').slice(1);
      const names = lines.map((line) => line.split(' ')[0]);
      return names.slice(names.lastIndexOf('vtd_context_cache_reset') - 1).slice(0, 3);
    };
    expect(linesOfReset('10.0')).toEqual([
      'vtd_reset_exit',
      'vtd_context_cache_reset',
      'vfio_iommu_map_notify',
    ]);
    expect(linesOfReset('10.2')).toEqual([
      'vtd_reset_exit',
      'vtd_context_cache_reset',
      'vtd_pasid_cache_reset',
    ]);
    expect(linesOfReset('7.2').slice(1)).toEqual([
      'vtd_context_cache_reset',
      'vfio_iommu_map_notify',
    ]);
  });

  test('a completed migration leaves it on, a failed one ends it after its status', () => {
    const able = { ...RAM, qemu: '11.1', migratable: true } as const;
    const done = run(able, [
      ...enable,
      ...startMigration,
      { kind: 'migrate', step: 'switchover' },
      { kind: 'migrate', step: 'complete' },
    ]);
    expect(done.log).toContain('migrate_set_state new state completed\n');
    expect(done.log).not.toContain('bitmask 0x0');
    expect(done.truth.windows).toMatchObject([{ by: ['migration'], lastLine: null }]);
    const failed = run(able, [
      ...enable,
      ...startMigration,
      { kind: 'migrate', step: 'fail' },
      block,
      { kind: 'migrate', step: 'cleanup' },
    ]);
    expect(failed.log.indexOf('new state failed')).toBeLessThan(failed.log.indexOf('bitmask 0x0'));
    expect(failed.truth.groups.every(({ underTracking }) => underTracking)).toBe(true);
  });

  test('a measurement inside a migration is one window', () => {
    const { truth } = run({ ...RAM, qemu: '11.1', migratable: true }, [
      ...enable,
      dirtyRate(true),
      ...startMigration,
      dirtyRate(false),
      { kind: 'migrate', step: 'cancel' },
      { kind: 'migrate', step: 'cleanup' },
    ]);
    expect(truth.windows).toMatchObject([{ by: ['migration', 'dirty-rate'] }]);
    expect(truth.windows[0]?.lastLine).not.toBeNull();
  });

  test('a listener that refuses takes the bit back; page sampling sets none', () => {
    const { truth, log } = run({ ...RAM, qemu: '10.0' }, [
      ...enable,
      { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: true },
      { kind: 'dirty-rate', on: true, mode: 'page-sampling', fails: false },
      block,
    ]);
    expect(log.match(/global_dirty_changed bitmask 0x\d/g)).toEqual([
      'global_dirty_changed bitmask 0x2',
      'global_dirty_changed bitmask 0x0',
    ]);
    expect(notifications(truth).some(({ tracked }) => tracked)).toBe(false);
  });
});

test('a dirty sync queries each mapping where its RAM block lies, and skips read-only ones in 11.x', () => {
  const acts: Act[] = [
    map(0x1000n, [0x100000000n]),
    map(0x2000n, [0x5000n], { permission: 1 }),
    ...enable,
    dirtyRate(true),
  ];
  const able = { ...RAM, migratable: true } as const;
  const old = run({ ...able, qemu: '10.0' }, acts).log;
  expect(old).toContain(
    'vfio_iommu_map_dirty_notify iommu dirty @ 0x1000 - 0x1fff\nvfio_get_dirty_bitmap iova=0x1000 size= 0x1000 bitmap_size=0x8 start=0x80000000 dirty_pages=1\n',
  );
  expect(old).toContain('start=0x5000 dirty_pages=1\n');
  const recent = run({ ...able, qemu: '11.0' }, acts).log;
  expect(recent).toContain(
    'vfio_container_query_dirty_bitmap iova=0x1000 size=0x1000 backend_flag=0x0 bitmap_size=0x8 gpa=0x80000000 dirty_pages=1\n',
  );
  expect(recent).toContain(
    'vfio_iommu_map_dirty_notify iommu dirty @ 0x2000 - 0x2fff\nvfio_iommu_map_dirty_notify_skip_ro iommu dirty @ 0x2000 - 0x2fff\n',
  );
  const middle = run({ ...able, qemu: '10.2' }, acts).log;
  expect(middle).toContain(
    'vfio_container_query_dirty_bitmap iova=0x1000 size= 0x1000 bitmap_size=0x8',
  );
  // without migration support of the device nothing is walked
  expect(run({ ...RAM, qemu: '10.0' }, acts).log).not.toContain('vfio_iommu_map_dirty_notify');
});

test('iommufd 11 asks before it unmaps, with the flag that keeps the bits', () => {
  const { log, truth } = run({ ...RAM, qemu: '11.1', backend: 'iommufd' }, [
    map(0x1000n, [0x5000n]),
    ...enable,
    dirtyRate(true),
    unmap(0x1000n),
  ]);
  expect(log).toMatch(/iommufd_backend_set_dirty {2}iommufd=12 hwpt=3 enable=1 \(0\)\n/);
  expect(log).toMatch(
    /UNMAP @ 0x1000 - 0x1fff\niommufd_backend_get_dirty_bitmap {2}iommufd=12 hwpt=3 iova=0x1000 size=0x1000 flags=0x1 page_size=0x1000 \(0\)\nvfio_container_query_dirty_bitmap iova=0x1000 size=0x1000 backend_flag=0x1 bitmap_size=0x8 gpa=0x0 dirty_pages=[01]\niommufd_backend_unmap_dma {2}iommufd=12 ioas=2 iova=0x1000 size=0x1000 \(0\)\n/,
  );
  expect(notifications(truth)).toMatchObject([
    { query: 'before', errno: 0, atRisk: [[0x5000n, 0x1000n]] },
  ]);
});

test('bitmaps that cannot be allocated fail before they are too big, except in 7.2', () => {
  const acts = [...enable, ...startMigration, block];
  const poor = {
    ...RAM,
    migratable: true,
    ignoreMigrationBlocker: true,
    bitmapMemoryBytes: 0x20000000n,
  };
  const errnos = (qemu: '7.2' | '10.0') =>
    notifications(run({ ...poor, qemu }, acts).truth)
      .filter(({ tracked, errno }) => tracked && errno !== 0)
      .map(({ errno }) => errno);
  expect(errnos('10.0')).toEqual([-12, -12, -12, -12]);
  expect(errnos('7.2')).toEqual([-7, -7, -7, -7]);
});

test('a vhost notifier prints a whole unmap of the whole width, and is none', () => {
  const { log, truth } = run({ ...RAM, qemu: '10.0', vhost: true, awBits: 39 }, [
    attach('blocked', { invalidate: 'none' }),
    ...enable.slice(1),
    { kind: 'invalidate-context', of: 'everything' },
  ]);
  expect(log).toContain('vtd_as_unmap_whole Device 00:02.0 start 0x0 size 0x8000000000\n');
  expect(truth.groups.every(({ device }) => device === '00:10.0')).toBe(true);
});

test('vfio-user: one message per operation, nothing asked', () => {
  const { log, truth } = run({ ...RAM, qemu: '10.2', backend: 'vfio-user' }, [
    map(0x1000n, [0x5000n], { permission: 1 }),
    ...enable,
    dirtyRate(true),
    unmap(0x1000n),
  ]);
  expect(log).toContain(
    'MAP @ 0x1000 - 0x1fff\nvfio_user_dma_map  iova 0x1000 size 0x1000 off 0x0 flags 0x1 async_ops 0\n',
  );
  expect(log).toContain(
    'UNMAP @ 0x1000 - 0x1fff\nvfio_user_dma_unmap  iova 0x1000 size 0x1000 flags 0x0 async_ops 0\n',
  );
  expect(notifications(truth)).toMatchObject([{ tracked: false, query: 'none', errno: 0 }]);
});
