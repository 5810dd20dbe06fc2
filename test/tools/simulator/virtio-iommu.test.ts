import { describe, expect, it } from 'vitest';
import { run, type SimulationOptions } from '../../../src/tools/simulator/index.ts';
import { attach, dirtyRate, map, pages, unmap } from './acts-builder.ts';

const options: Partial<SimulationOptions> = { viommu: 'virtio', qemu: '11.1', migratable: true };
const PAGE = 0x1000n;

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
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x300_1000n, 3), { domain: 1 }),
      unmap(0x1000_0000n, 3, { domain: 1 }),
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
    const mapped = [
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x300_0000n, 4), { domain: 1 }),
    ];
    for (const act of [
      unmap(0x2000_0000n, 1, { domain: 1 }),
      unmap(0x1000_1000n, 1, { domain: 1 }),
    ]) {
      const { log } = run(options, [...mapped, act]);
      expect(eventsFrom(log, 'virtio_iommu_unmap ')).toEqual(['virtio_iommu_unmap']);
    }
  });

  it('maps twice what a device finds in the domain that it joins', () => {
    const { log, truth } = run({ ...options, devices: 2 }, [
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x300_0000n, 2), { domain: 1 }),
      attach(1, { device: 1 }),
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
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x300_0000n, 1), { domain: 1 }),
      dirtyRate(true),
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
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x300_0000n, 1), { domain: 1 }),
      attach('blocked', { device: 0 }),
      attach(1, { device: 0 }),
    ]);
    expect(log).toMatch(/region_add_ram [^\n]*\nvirtio_iommu_put_domain Free domain=1\n/);
    expect(log.includes('detach_endpoint_from_domain')).toBe(qemu !== '7.2');
    expect(truth.devices[0]?.shadow).toEqual([]);
    expect(truth.devices[0]?.host).toEqual([]);
  });

  it('tells devices of unmapped registers, and not of mapped ones', () => {
    const { log } = run(options, [
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x80_0000_0000n, 1), { domain: 1 }),
      unmap(0x1000_0000n, 1, { domain: 1 }),
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
      attach(1, { device: 0 }),
      map(0x1000_0000n, pages(0x300_0000n, 1), { domain: 1 }),
      { kind: 'reset' },
    ]);
    expect(log).toMatch(
      /virtio_iommu_device_reset_exit reset!\nvirtio_iommu_detach_endpoint_from_domain/,
    );
    expect(truth.devices[0]?.host.every((mapping) => mapping.of === 'ram')).toBe(true);
  });
});
