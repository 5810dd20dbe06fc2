import { describe, it } from 'vitest';
import { enable, map, startMigration, unmap } from '../acts-builder.ts';
import { expectAgreement } from './expect-agreement.ts';

describe('what is claimed of logs that lack kinds of events, or their beginning', () => {
  it('an UNMAP of half an entry across the interrupt range is no whole unmap', () => {
    expectAgreement({
      options: {
        seed: 282,
        qemu: '11.1',
        devices: 2,
        domainLevels: [3, 3, 3],
        sparseTables: false,
        liveMappings: 600,
        events: 'minimal',
        steps: 120,
      },
      acts: [
        { kind: 'attach', device: 1, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0xfee58000n,
          level: 1,
          gpas: [0x68502000n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'unmap-level',
          domain: 3,
          iova: 0xfee00000n,
          level: 2,
          residual: false,
          flush: 'domain',
        },
      ],
      told: 'all',
    });
  });

  it('a region of one of two devices is not the RAM of the other', () => {
    expectAgreement({
      options: {
        seed: 391,
        qemu: '9.2',
        devices: 2,
        wildAddresses: true,
        liveMappings: 40,
        events: 'vfio',
        steps: 120,
      },
      acts: [
        {
          kind: 'map',
          domain: 3,
          iova: 0xffff0188000n,
          level: 1,
          gpas: [0xa509000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'translation', on: false },
      ],
      told: 'nothing',
    });
  });

  it('whether devices log their own DMA shows only when tracking starts', () => {
    expectAgreement({
      options: {
        seed: 740,
        deviceTracking: true,
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 25,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'attach', device: 0, to: 'blocked', invalidate: 'device', flush: true },
      ],
      told: 'nothing',
    });
  });

  it('what a dirty sync finds again is not gone where walks are not traced', () => {
    expectAgreement({
      options: {
        seed: 1244,
        qemu: '7.2',
        migratable: true,
        domainLevels: [3, 3, 3],
        sparseTables: false,
        liveMappings: 200,
        events: 'minimal',
        steps: 10,
      },
      acts: [
        {
          kind: 'map',
          domain: 2,
          iova: 0x400019c000n,
          level: 1,
          gpas: [0x8e67000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        { kind: 'migrate', step: 'active' },
        {
          kind: 'unmap',
          domain: 2,
          iova: 0x400019c000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it('a trace that was switched on later does not begin with libvirt\u2019s header', () => {
    expectAgreement({
      options: {
        seed: 1799,
        qemu: '11.1',
        devices: 2,
        domainLevels: [3, 3, 3],
        liveMappings: 600,
        libvirtHeader: true,
        bootLines: false,
        events: 'no-skips',
        steps: 120,
      },
      acts: [{ kind: 'translation', on: true }],
      told: 'all',
    });
  });

  it('an UNMAP of another device than the last that was named takes a mapping', () => {
    expectAgreement({
      options: {
        seed: 3406,
        qemu: '11.1',
        devices: 2,
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        events: 'minimal',
        steps: 60,
      },
      acts: [
        { kind: 'attach', device: 0, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'translation', on: false },
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        {
          kind: 'map',
          domain: 3,
          iova: 0x100000000n,
          level: 1,
          gpas: [0x1d29a2000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'attach', device: 1, to: 2, invalidate: 'device', flush: true },
        { kind: 'migrate', step: 'active' },
        {
          kind: 'unmap',
          domain: 3,
          iova: 0x100000000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'pages',
        },
      ],
      told: 'nothing',
    });
  });

  it('an UNMAP behind a drain may be of another device', () => {
    expectAgreement({
      options: {
        seed: 4006,
        qemu: '11.1',
        devices: 2,
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        events: 'minimal',
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'attach', device: 1, to: 2, invalidate: 'global', flush: true },
        { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: false },
        {
          kind: 'map',
          domain: 2,
          iova: 0x4000039000n,
          level: 1,
          gpas: [0x9bcb000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'attach', device: 0, to: 'blocked', invalidate: 'device', flush: false },
        {
          kind: 'unmap',
          domain: 2,
          iova: 0x4000039000n,
          level: 1,
          count: 1,
          residual: true,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it('firmware whose mapping was not seen carries no address', () => {
    expectAgreement({
      options: {
        seed: 8347,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        bootLines: false,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        { kind: 'attach', device: 0, to: 'pass-through', invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: true },
      ],
      told: 'all',
    });
  });

  it('a message about a MAP does not name the device that was named last', () => {
    expectAgreement({
      options: { devices: 2, dmaEntryLimit: 16, events: 'minimal' },
      acts: [
        { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'attach', device: 1, to: 'blocked', invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0x4000000000n,
          level: 1,
          gpas: [
            0x200000n,
            0x202000n,
            0x204000n,
            0x206000n,
            0x208000n,
            0x20a000n,
            0x20c000n,
            0x20e000n,
            0x210000n,
            0x212000n,
            0x214000n,
            0x216000n,
            0x218000n,
            0x21a000n,
            0x21c000n,
            0x21e000n,
            0x220000n,
            0x222000n,
          ],
          permission: 3,
          flush: 'pages',
        },
      ],
      told: 'nothing',
    });
  });

  it('the whole space of an emulated device is no sign of an old version', () => {
    expectAgreement({
      options: {
        seed: 16343,
        qemu: '11.1',
        devices: 2,
        vhost: true,
        domainLevels: [3, 3, 3],
        sparseTables: false,
        wildAddresses: true,
        liveMappings: 600,
        events: 'minimal',
        steps: 60,
      },
      acts: [
        {
          kind: 'map',
          domain: 2,
          iova: 0x10007e000n,
          level: 1,
          gpas: [0x9efd000n],
          permission: 3,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 2, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'invalidate-context', of: 'everything' },
        { kind: 'dirty-limit', on: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0xfff4b000n,
          level: 1,
          gpas: [0xb0000000n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'map',
          domain: 2,
          iova: 0xfff4b000n,
          level: 1,
          gpas: [0x622e000n],
          permission: 3,
          flush: 'pages',
        },
      ],
      told: 'nothing',
    });
  });

  it('that nobody wants dirty bits any more does not show where migrations are not traced', () => {
    expectAgreement({
      options: { qemu: '7.2', migratable: true, actsWhilePaused: true, events: 'vtd-vfio' },
      acts: [
        ...enable,
        ...startMigration,
        { kind: 'migrate', step: 'switchover' },
        { kind: 'migrate', step: 'complete' },
        map(0x1000_0000n, [0x20_0000n, 0x30_0000n]),
        unmap(0x1000_0000n),
      ],
      told: 'nothing',
    });
  });
});
