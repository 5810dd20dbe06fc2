import { describe, expect, it } from 'vitest';
import { type Act, run, type SimulationOptions } from '../../../src/tools/simulator/index.ts';

const options: Partial<SimulationOptions> = { viommu: 'virtio', qemu: '11.1', migratable: true };
const PAGE = 0x1000n;

const attach = (device: number, to: number | 'blocked'): Act => ({
  kind: 'attach',
  device,
  to,
  invalidate: 'device',
  flush: false,
});
const map = (domain: number, iova: bigint, gpa: bigint, count: number): Act => ({
  kind: 'map',
  domain,
  iova,
  level: 1,
  gpas: Array.from({ length: count }, (_, index) => gpa + BigInt(index) * PAGE),
  permission: 3,
  flush: 'pages',
});
const unmap = (domain: number, iova: bigint, count: number): Act => ({
  kind: 'unmap',
  domain,
  iova,
  level: 1,
  count,
  residual: false,
  flush: 'pages',
});
const measure = (on: boolean): Act => ({
  kind: 'dirty-rate',
  on,
  mode: 'dirty-bitmap',
  fails: false,
});

/** The newest lines from one that holds `opening` on, by their events. */
function eventsFrom(log: string, opening: string): readonly string[] {
  const lines = log.trimEnd().split('\n');
  const from = lines.findLastIndex((line) => line.includes(opening));
  return lines
    .slice(from)
    .map((line) => line.split(' ')[0] ?? '')
    .filter((event) => !/region_(?:add_ram|del|skip)$/.test(event));
}

describe('virtio-iommu in the simulator', () => {
  it('maps and unmaps in aligned pieces, with address 0', () => {
    const { log, truth } = run(options, [
      attach(0, 1),
      map(1, 0x1000_0000n, 0x300_1000n, 3),
      unmap(1, 0x1000_0000n, 3),
    ]);
    expect(log).toContain(
      'phys_start=0x3001000 flags=3\nvfio_iommu_map_notify iommu MAP @ 0x10000000 - 0x10001fff\n',
    );
    expect(eventsFrom(log, 'virtio_iommu_unmap ')).toEqual([
      'virtio_iommu_unmap',
      'virtio_iommu_notify_unmap',
      'vfio_iommu_map_notify',
      'vfio_iommu_map_notify',
      'virtio_iommu_unmap_done',
    ]);
    const requests = truth.unmaps.filter(({ cause }) => cause === 'request');
    expect(requests.map(({ size, carriedAddress }) => [size, carriedAddress])).toEqual([
      [2n * PAGE, 0n],
      [PAGE, 0n],
    ]);
  });

  it('says no more than the request where nothing is mapped, or the range cuts a mapping', () => {
    const mapped = [attach(0, 1), map(1, 0x1000_0000n, 0x300_0000n, 4)];
    for (const act of [unmap(1, 0x2000_0000n, 1), unmap(1, 0x1000_1000n, 1)]) {
      const { log } = run(options, [...mapped, act]);
      expect(eventsFrom(log, 'virtio_iommu_unmap ')).toEqual(['virtio_iommu_unmap']);
    }
  });

  it('maps twice what a device finds in the domain that it joins', () => {
    const { log, truth } = run({ ...options, devices: 2 }, [
      attach(0, 1),
      map(1, 0x1000_0000n, 0x300_0000n, 2),
      attach(1, 1),
    ]);
    expect(eventsFrom(log, 'virtio_iommu_notify_flag_add')).toEqual([
      'virtio_iommu_notify_flag_add',
      'virtio_iommu_remap',
      'virtio_iommu_notify_map',
      'vfio_iommu_map_notify',
      'virtio_iommu_notify_map',
      'vfio_iommu_map_notify',
      'qemu-system-x86_64:',
    ]);
    expect(truth.failedMaps).toMatchObject([{ reason: -17, isRepeated: true }]);
  });

  it('maps again at a sync what is mapped, and fetches nothing', () => {
    const { log, truth } = run(options, [
      attach(0, 1),
      map(1, 0x1000_0000n, 0x300_0000n, 1),
      measure(true),
    ]);
    expect(eventsFrom(log, 'virtio_iommu_remap')).toEqual([
      'virtio_iommu_remap',
      'virtio_iommu_notify_map',
      'vfio_iommu_map_notify',
      'qemu-system-x86_64:',
      'memory_region_sync_dirty',
    ]);
    expect(truth.unsynced).toMatchObject([{ device: '00:10.0', atRisk: [[0x300_0000n, PAGE]] }]);
  });

  it.each(['7.2', '11.1'] as const)('forgets a domain with its last device (QEMU %s)', (qemu) => {
    const { log, truth } = run({ ...options, qemu }, [
      attach(0, 1),
      map(1, 0x1000_0000n, 0x300_0000n, 1),
      attach(0, 'blocked'),
      attach(0, 1),
    ]);
    expect(log).toMatch(/region_add_ram [^\n]*\nvirtio_iommu_put_domain Free domain=1\n/);
    expect(log.includes('detach_endpoint_from_domain')).toBe(qemu !== '7.2');
    expect(truth.devices[0]?.shadow).toEqual([]);
    expect(truth.devices[0]?.host).toEqual([]);
  });

  it('tells devices of unmapped registers, and not of mapped ones', () => {
    const { log } = run(options, [
      attach(0, 1),
      map(1, 0x1000_0000n, 0x80_0000_0000n, 1),
      unmap(1, 0x1000_0000n, 1),
    ]);
    expect(eventsFrom(log, 'virtio_iommu_map ')).toEqual([
      'virtio_iommu_map',
      'virtio_iommu_unmap',
      'virtio_iommu_notify_unmap',
      'vfio_iommu_map_notify',
      'virtio_iommu_unmap_done',
    ]);
  });

  it('detaches every device at a reset', () => {
    const { log, truth } = run(options, [
      attach(0, 1),
      map(1, 0x1000_0000n, 0x300_0000n, 1),
      { kind: 'reset' },
    ]);
    expect(log).toMatch(
      /virtio_iommu_device_reset_exit reset!\nvirtio_iommu_detach_endpoint_from_domain/,
    );
    expect(truth.devices[0]?.host.every((mapping) => mapping.of === 'ram')).toBe(true);
  });
});
