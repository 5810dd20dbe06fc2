import { describe, it } from 'vitest';
import { expectAgreement } from './expect-agreement.ts';

describe('what the result says of it', () => {
  it('QEMU dies of an unmap before the MAP that shows a changed translation', () => {
    expectAgreement({
      options: {
        seed: 2599,
        qemu: '11.1',
        backend: 'iommufd',
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        pastRam: 'dies',
        liveMappings: 200,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0xfff18000n,
          level: 1,
          gpas: [0xd60d000n, 0xd60e000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'map',
          domain: 2,
          iova: 0xfff18000n,
          level: 1,
          gpas: [0xd60d000n, 0x400001000n],
          permission: 3,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it('a whole unmap of an emulated device is none of VFIO', () => {
    expectAgreement({
      options: {
        seed: 3566,
        qemu: '11.1',
        vhost: true,
        domainLevels: [3, 3, 3],
        sparseTables: false,
        wildAddresses: true,
        liveMappings: 40,
        events: 'no-skips',
        steps: 25,
      },
      acts: [
        { kind: 'attach', device: 0, to: 'pass-through', invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'invalidate-context', of: 'everything' },
      ],
      told: 'all',
    });
  });

  it('a start of tracking that failed says nothing about the devices', () => {
    expectAgreement({
      options: {
        seed: 4593,
        deviceTracking: true,
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 200,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'dirty-rate', on: false, mode: 'dirty-bitmap', fails: false },
        { kind: 'translation', on: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: true },
        { kind: 'invalidate-context', of: 'everything' },
      ],
      told: 'all',
    });
  });

  it('the lines of iommufd show that a MAP failed', () => {
    expectAgreement({
      options: {
        seed: 6877,
        qemu: '11.1',
        backend: 'iommufd',
        ramSize: 0x140000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        errorsInLog: false,
        events: 'no-skips',
        steps: 60,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'attach', device: 0, to: 2, invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0x4c600000n,
          level: 2,
          gpas: [0x160c00000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'split', domain: 2, iova: 0x4c600000n, level: 2, flush: 'pages' },
      ],
      told: 'all',
    });
  });

  it('an unmap that fails before tracking is not seen to fail where a migration keeps its message', () => {
    expectAgreement({
      options: {
        seed: 2907,
        qemu: '11.1',
        devices: 2,
        domainLevels: [3, 3, 3],
        events: 'no-skips',
        steps: 25,
      },
      acts: [
        { kind: 'attach', device: 1, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0x121000000n,
          level: 2,
          gpas: [0x14a00000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'migrate', step: 'setup' },
        { kind: 'split', domain: 3, iova: 0x121000000n, level: 2, flush: 'pages' },
      ],
      told: 'all',
    });
  });

  it('a log that ends in a replay does not tell what the replay would have found', () => {
    expectAgreement({
      options: {
        seed: 790,
        qemu: '11.1',
        migratable: true,
        domainLevels: [3, 3, 3],
        events: 'no-skips',
        steps: 25,
      },
      acts: [
        { kind: 'attach', device: 0, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0x130e00000n,
          level: 2,
          gpas: [0xb800000n],
          permission: 1,
          flush: 'pages',
        },
        {
          kind: 'unmap',
          domain: 3,
          iova: 0x130e00000n,
          level: 2,
          count: 1,
          residual: false,
          flush: 'none',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
      ],
      told: 'all',
    });
  });

  it('a bitmap of just the limit is accepted', () => {
    expectAgreement({
      options: {
        seed: 136,
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 60,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'reset' },
      ],
      told: 'all',
    });
  });

  it('a mapping whose bits another place gets is at risk, wherever the bits of others land', () => {
    expectAgreement({
      options: {
        seed: 195,
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        {
          kind: 'map',
          domain: 3,
          iova: 0x7aa00000n,
          level: 2,
          gpas: [0x10a00000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'translation', on: false },
      ],
      told: 'all',
    });
  });

  it('dirty bits that a sync could not fetch fail what tracks, though every unmap succeeded', () => {
    expectAgreement({
      options: {
        seed: 154,
        qemu: '11.1',
        backend: 'iommufd',
        migratable: true,
        devices: 2,
        ramSize: 0x140000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'attach', device: 1, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0x56a00000n,
          level: 2,
          gpas: [0x1a1800000n],
          permission: 2,
          flush: 'none',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
      ],
      told: 'all',
    });
  });

  const handOver = [
    { kind: 'migrate', step: 'setup' },
    { kind: 'migrate', step: 'active' },
    { kind: 'migrate', step: 'switchover' },
    { kind: 'migrate', step: 'complete' },
  ] as const;

  it('the source changes a mapping when its migration has completed', () => {
    expectAgreement({
      options: {
        seed: 410,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        actsWhilePaused: true,
      },
      acts: [
        {
          kind: 'map',
          domain: 1,
          iova: 0x7b000n,
          level: 1,
          gpas: [0x110a4d000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        ...handOver,
        {
          kind: 'map',
          domain: 1,
          iova: 0x7b000n,
          level: 1,
          gpas: [0x12eb46000n],
          permission: 3,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it('the source of 7.2 is reset when its migration has completed', () => {
    expectAgreement({
      options: { seed: 1120, qemu: '7.2', migratable: true, domainLevels: [3, 3, 3] },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0x17000000n,
          level: 2,
          gpas: [0x4c00000n],
          permission: 3,
          flush: 'pages',
        },
        ...handOver,
        { kind: 'reset' },
      ],
      told: 'all',
    });
  });

  it.each([true, false])(
    'QEMU dies of an entry that crosses a notifier; libvirt: %s',
    (libvirtHeader) => {
      expectAgreement({
        options: {
          seed: 946,
          domainLevels: [3, 3, 3],
          holeCrossing: 'allowed',
          libvirtHeader,
        },
        acts: [
          { kind: 'translation', on: true },
          {
            kind: 'map',
            domain: 2,
            iova: 0xfef7c000n,
            level: 1,
            gpas: [0x2ce4000n],
            permission: 3,
            flush: 'pages',
          },
          { kind: 'attach', device: 0, to: 2, invalidate: 'device', flush: false },
          {
            kind: 'unmap-level',
            domain: 2,
            iova: 0xfee00000n,
            level: 2,
            residual: false,
            flush: 'pages',
          },
        ],
        told: 'all',
      });
    },
  );

  it.each([
    ['8.1', 'as it was', 1, 1],
    ['11.1', 'as it was', 1, 1],
    ['11.1', 'no longer writable', 3, 1],
  ] as const)('QEMU %s maps again what a dirty sync forgot, %s', (qemu, _, before, permission) => {
    const page = { domain: 2, iova: 0x47000000n, level: 2 } as const;
    const map = { kind: 'map', ...page, gpas: [0x9e00000n], permission, flush: 'pages' } as const;
    const measures = { kind: 'dirty-rate', mode: 'dirty-bitmap', fails: false } as const;
    expectAgreement({
      options: { seed: 4863, qemu, migratable: true, domainLevels: [3, 3, 3] },
      acts: [
        { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { ...map, permission: before },
        { ...measures, on: true },
        { kind: 'unmap', ...page, count: 1, residual: true, flush: 'none' },
        { ...measures, on: false },
        map,
      ],
      told: 'all',
    });
  });

  it('a dirty sync shows the page size, and with it that bitmaps were too big for any memory', () => {
    expectAgreement({
      options: {
        seed: 4708,
        migratable: true,
        hostPageSize: 16384,
        bitmapMemoryBytes: 0x20000n,
        domainLevels: [3, 3, 3],
        events: 'no-skips',
      },
      acts: [
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'translation', on: true },
        { kind: 'attach', device: 0, to: 'blocked', invalidate: 'device', flush: true },
      ],
      told: 'nothing',
    });
  });
});
