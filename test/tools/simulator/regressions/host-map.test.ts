import { describe, it } from 'vitest';
import { block, enable, map } from '../acts-builder.ts';
import { expectAgreement } from './expect-agreement.ts';

describe('what the host still maps', () => {
  it('an unmap whose query cannot get its bitmap afterwards has unmapped', () => {
    expectAgreement({
      options: {
        seed: 590,
        deviceTracking: true,
        devices: 2,
        bitmapMemoryBytes: 0x80000n,
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 10,
      },
      acts: [
        { kind: 'attach', device: 1, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0x80002000000n,
          level: 2,
          gpas: [0x5600000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'root-pointer' },
      ],
      told: 'all',
    });
  });

  it('a skipped invalidation shows although another MAP failed, so that the counts are equal', () => {
    expectAgreement({
      options: {
        seed: 612,
        qemu: '11.1',
        deviceTracking: true,
        devices: 2,
        domainLevels: [3, 3, 3],
        liveMappings: 600,
        steps: 120,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'attach', device: 1, to: 2, invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0x10025000n,
          level: 1,
          gpas: [0x7e7d000n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'unmap',
          domain: 2,
          iova: 0x10025000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'none',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'map',
          domain: 2,
          iova: 0x4680000000n,
          level: 3,
          gpas: [0x0n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'map',
          domain: 2,
          iova: 0xfff9c000n,
          level: 1,
          gpas: [0x7bf9000n],
          permission: 1,
          flush: 'domain',
        },
        {
          kind: 'unmap',
          domain: 2,
          iova: 0x4680000000n,
          level: 3,
          count: 1,
          residual: true,
          flush: 'pages',
        },
        { kind: 'invalidate-iotlb' },
      ],
      told: 'all',
    });
  });

  it('QEMU 7.2 forgets in a dirty sync what the guest has cleared: the next MAP there fails', () => {
    expectAgreement({
      options: {
        seed: 7002,
        qemu: '7.2',
        migratable: true,
        devices: 2,
        ramSize: 0x200000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 600,
        errorsInLog: false,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        { kind: 'attach', device: 1, to: 3, invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0xfff50000n,
          level: 1,
          gpas: [0x73253000n],
          permission: 2,
          flush: 'pages',
        },
        {
          kind: 'unmap',
          domain: 3,
          iova: 0xfff50000n,
          level: 1,
          count: 1,
          residual: true,
          flush: 'none',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'map',
          domain: 3,
          iova: 0xfff50000n,
          level: 1,
          gpas: [0x73253000n],
          permission: 2,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it('a mapping that a dirty sync of 7.2 finds unchanged is in use again', () => {
    expectAgreement({
      options: {
        seed: 1230,
        qemu: '7.2',
        migratable: true,
        devices: 2,
        liveMappings: 40,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0x400000249000n,
          level: 1,
          gpas: [0xd6d4000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'migrate', step: 'setup' },
        { kind: 'migrate', step: 'log' },
        { kind: 'attach', device: 1, to: 2, invalidate: 'device', flush: false },
        { kind: 'invalidate-context', of: { domain: 2 } },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
      ],
      told: 'all',
    });
  });

  it('iommufd leaves a mapping that an unmap cuts through: its next invalidation is skipped', () => {
    expectAgreement({
      options: {
        seed: 1460,
        qemu: '11.1',
        backend: 'iommufd',
        ramSize: 0x200000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        liveMappings: 40,
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0x7b400000n,
          level: 2,
          gpas: [0x233000000n],
          permission: 2,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: true },
        { kind: 'split', domain: 1, iova: 0x7b400000n, level: 2, flush: 'pages' },
        {
          kind: 'unmap',
          domain: 1,
          iova: 0x7b400000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'pages',
        },
        {
          kind: 'map',
          domain: 1,
          iova: 0x6da00000n,
          level: 2,
          gpas: [0x2ee00000n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'unmap',
          domain: 1,
          iova: 0x6da00000n,
          level: 2,
          count: 1,
          residual: false,
          flush: 'domain',
        },
      ],
      told: 'all',
    });
  });

  it('what becomes of a stale mapping under an unmap whose failure nobody saw is not known', () => {
    expectAgreement({
      options: {
        seed: 3344,
        qemu: '11.1',
        bitmapMemoryBytes: 0x1000000n,
        wildAddresses: true,
        liveMappings: 200,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'map',
          domain: 2,
          iova: 0x1000001c0000n,
          level: 1,
          gpas: [0x743c000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'attach', device: 0, to: 3, invalidate: 'global', flush: true },
      ],
      told: 'all',
    });
  });

  it('a sync finds other permissions than the host has: these are two mappings', () => {
    expectAgreement({
      options: {
        seed: 2332,
        qemu: '11.1',
        migratable: true,
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 60,
      },
      acts: [
        {
          kind: 'map',
          domain: 3,
          iova: 0x8000000c6000n,
          level: 1,
          gpas: [0x1aecd000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        { kind: 'attach', device: 0, to: 3, invalidate: 'device', flush: true },
        {
          kind: 'protect',
          domain: 3,
          iova: 0x8000000c6000n,
          level: 1,
          count: 1,
          permission: 1,
          flush: 'none',
        },
        { kind: 'migrate', step: 'active' },
      ],
      told: 'all',
    });
  });

  it('mappings that QEMU forgot may stay where skipped invalidations are not traced', () => {
    expectAgreement({
      options: {
        seed: 1484,
        qemu: '11.1',
        migratable: true,
        ramSize: 0x200000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        liveMappings: 40,
        events: 'no-skips',
        steps: 60,
      },
      acts: [
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0x101b0000n,
          level: 1,
          gpas: [0x4f666000n, 0x1a7b5000n, 0x1ed7e2000n, 0x57bcc000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'attach', device: 0, to: 1, invalidate: 'global', flush: true },
        {
          kind: 'unmap',
          domain: 1,
          iova: 0x101b3000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'none',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'map',
          domain: 1,
          iova: 0x2b000000n,
          level: 2,
          gpas: [0x50c00000n],
          permission: 3,
          flush: 'domain',
        },
      ],
      told: 'all',
    });
  });

  it('the same for entries of which only the permissions were cleared', () => {
    expectAgreement({
      options: {
        seed: 2414,
        qemu: '11.1',
        migratable: true,
        ramSize: 0x200000000n,
        below4g: 0x80000000n,
        wildAddresses: true,
        liveMappings: 200,
        events: 'no-skips',
        steps: 25,
      },
      acts: [
        {
          kind: 'map',
          domain: 1,
          iova: 0x8001f400000n,
          level: 2,
          gpas: [0x240200000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'translation', on: true },
        { kind: 'attach', device: 0, to: 1, invalidate: 'domain', flush: false },
        {
          kind: 'unmap',
          domain: 1,
          iova: 0x8001f400000n,
          level: 2,
          count: 1,
          residual: true,
          flush: 'none',
        },
        { kind: 'migrate', step: 'setup' },
        { kind: 'migrate', step: 'log' },
        { kind: 'invalidate-domain', domain: 1 },
      ],
      told: 'all',
    });
  });

  it('the same for tables that were cleared as a whole', () => {
    expectAgreement({
      options: {
        seed: 4241,
        qemu: '11.1',
        migratable: true,
        devices: 2,
        ramSize: 0x200000000n,
        below4g: 0x80000000n,
        liveMappings: 40,
        events: 'no-skips',
        steps: 10,
      },
      acts: [
        {
          kind: 'map',
          domain: 2,
          iova: 0x8000000a7000n,
          level: 1,
          gpas: [0x5f089000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 1, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'unmap',
          domain: 2,
          iova: 0x8000000a7000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'none',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'unmap-level',
          domain: 2,
          iova: 0x800000000000n,
          level: 2,
          residual: false,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it("is believed to refuse a MAP where QEMU's messages are not in the log, also if an event repeats one", () => {
    expectAgreement({
      options: {
        seed: 16757,
        qemu: '11.1',
        backend: 'iommufd',
        migratable: true,
        sparseTables: false,
        liveMappings: 600,
        errorsInLog: false,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        {
          kind: 'map',
          domain: 1,
          iova: 0x8d00000000n,
          level: 3,
          gpas: [0x0n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0xff1ac000n,
          level: 1,
          gpas: [0x259dd000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'migrate', step: 'setup' },
        { kind: 'migrate', step: 'active' },
        { kind: 'migrate', step: 'switchover' },
        { kind: 'attach', device: 0, to: 'blocked', invalidate: 'domain', flush: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: false },
      ],
      told: 'all',
    });
  });

  it('is unknown behind a piece of a whole unmap whose own failure no line tells', () => {
    expectAgreement({
      options: {
        seed: 16346,
        maxDirtyBitmapBytes: 0x80000n,
        bitmapMemoryBytes: 0x400000n,
        domainLevels: [3, 3, 3],
        liveMappings: 40,
        errorsInLog: false,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        {
          kind: 'map',
          domain: 2,
          iova: 0x4000025000n,
          level: 1,
          gpas: [0x187ff000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'attach', device: 0, to: 'blocked', invalidate: 'global', flush: false },
      ],
      told: 'all',
    });
  });

  it('a MAP that QEMU does not try is told by its message alone', () => {
    expectAgreement({
      options: { qemu: '11.1', ramSize: 0x1_0000_0000n, below4g: 0x8000_0000n },
      acts: [...enable, map(0xc000_0000n, [0x4000_0000n], { level: 3 }), block],
      told: 'all',
    });
  });
});
