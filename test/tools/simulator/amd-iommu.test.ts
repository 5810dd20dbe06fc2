import { describe, expect, it } from 'vitest';
import { type Act, run, type SimulationOptions } from '../../../src/tools/simulator/index.ts';
import { attach, dirtyRate, mapPage, unmapPage } from './acts-builder.ts';

const options: Partial<SimulationOptions> = { viommu: 'amd', qemu: '11.1', migratable: true };
const MIB = 0x10_0000n;

const enabled: readonly Act[] = [
  mapPage(1, 0x1000_0000n, 32n * MIB),
  mapPage(1, 0x9000_0000_0000n, 33n * MIB),
  attach(1),
  { kind: 'translation', on: true },
];

/** Lines of the events that matter, without their names' common part. */
function linesFrom(log: string, opening: string): readonly string[] {
  const lines = log
    .split('\n')
    .filter((line) => /^(amdvi|vfio_iommu_map|qemu|vfio_listener)/.test(line));
  return lines.slice(lines.findLastIndex((line) => line.includes(opening)));
}

describe('AMD-Vi in the simulator', () => {
  it('sends 10 and 34 pieces as a device is translated, and its pages behind each', () => {
    const { log, truth } = run(options, enabled);
    const lines = linesFrom(log, 'amdvi_devtab_inval');
    const kinds = lines.flatMap((line) => /(?:UNMAP|MAP|add_iommu)/.exec(line) ?? []);
    expect(
      kinds.join(' ').replaceAll(/(?:UNMAP ?)+/g, (run) => `${run.split('P').length - 1} `),
    ).toBe('add_iommu 10 MAP add_iommu 34 MAP');
    expect(truth.unmaps.filter(({ cause }) => cause === 'whole-unmap')).toHaveLength(44);
  });

  it('fails with 20 pieces under tracking, from some size on for want of memory', () => {
    const bitmapMemoryBytes = 1n << 35n;
    const { log, truth } = run({ ...options, bitmapMemoryBytes }, [
      ...enabled,
      dirtyRate(true),
      attach('blocked'),
    ]);
    const whole = truth.unmaps.filter(({ cause, tracked }) => cause === 'whole-unmap' && tracked);
    const failing = (errno: number) => whole.filter((unmap) => unmap.errno === errno).length;
    expect([whole.length, failing(0), failing(-7), failing(-12)]).toEqual([44, 24, 6, 14]);
    expect(truth.stale).toMatchObject([{ iova: 0x9000_0000_0000n, how: 'failed-unmap' }]);
    expect(log).not.toContain('region_del [iommu]');
  });

  it('maps again at a sync what is mapped, and fetches nothing', () => {
    const { log, truth } = run(options, [...enabled, dirtyRate(true)]);
    expect(linesFrom(log, 'MAP @ 0x10000000').map((line) => line.split(' ')[0])).toEqual([
      'vfio_iommu_map_notify',
      'qemu-system-x86_64:',
      'vfio_iommu_map_notify',
      'qemu-system-x86_64:',
    ]);
    expect(truth.unsynced).toMatchObject([
      {
        atRisk: [
          [32n * MIB, 0x1000n],
          [33n * MIB, 0x1000n],
        ],
      },
    ]);
    expect(truth.failedMaps.map(({ isRepeated }) => isRepeated)).toEqual([true, true]);
  });

  it('syncs no device of 10.2, which it refuses to migrate', () => {
    const { truth } = run({ ...options, qemu: '10.2' }, [...enabled, dirtyRate(true)]);
    expect(truth.unsynced).toEqual([]);
  });

  it('says of a move to another domain nothing but its command, and the old mappings stay', () => {
    const { log, truth } = run(options, [...enabled, attach(2)]);
    expect(linesFrom(log, 'amdvi_devtab_inval')).toHaveLength(1);
    expect(truth.stale.map(({ how }) => how)).toEqual(['moved', 'moved']);
  });

  it('keeps the old mapping where one is changed', () => {
    const { log, truth } = run(options, [...enabled, mapPage(1, 0x1000_0000n, 40n * MIB)]);
    expect(log).toContain('Found conflicting translation');
    expect(truth.stale).toMatchObject([{ iova: 0x1000_0000n, gpa: 32n * MIB, how: 'changed' }]);
    expect(truth.failedMaps).toMatchObject([{ reason: -17, isRepeated: false }]);
  });

  it('names a command for pages behind what it brings', () => {
    const { log, truth } = run(options, [...enabled, unmapPage(1, 0x1000_0000n)]);
    expect(linesFrom(log, 'UNMAP @ 0x10000000 - 0x10000fff')).toEqual([
      'vfio_iommu_map_notify iommu UNMAP @ 0x10000000 - 0x10000fff',
      'amdvi_pages_inval AMD-Vi pages for domain 0x1 invalidated',
    ]);
    expect(truth.unmaps.at(-1)).toMatchObject({ cause: 'page-walk', carriedAddress: 0n });
  });

  it.each(['allowed', 'avoided'] as const)(
    'where a table is gone over known pages: %s',
    (tableLoss) => {
      const moved: Act[] = [attach(2), { kind: 'invalidate-domain', domain: 2 }];
      const { log, truth } = run({ ...options, tableLoss }, [...enabled, ...moved]);
      expect(truth.ending.kind).toBe(tableLoss === 'allowed' ? 'abort' : 'finished');
      expect(/Assertion `mapped->size > target.size' failed/.test(log)).toBe(
        tableLoss === 'allowed',
      );
    },
  );

  it('unmaps everything at a reset, and leaves the device in pass-through', () => {
    const { log, truth } = run(options, [...enabled, { kind: 'reset' }]);
    expect(log).toMatch(
      /vfio_device_reset_handler \namdvi_iotlb_reset [^\n]*\nvfio_iommu_map_notify/,
    );
    expect(truth.devices[0]?.host.every((mapping) => mapping.of === 'ram')).toBe(true);
  });
});
