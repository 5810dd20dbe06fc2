import { describe, it } from 'vitest';
import { expectAgreement } from './expect-agreement.ts';

describe('whose lines they are', () => {
  it('tables of three levels are walked behind others of four', () => {
    expectAgreement({
      options: {
        seed: 2544,
        devices: 2,
        domainLevels: [4, 3, 4],
        liveMappings: 600,
        steps: 250,
      },
      acts: [
        { kind: 'attach', device: 1, to: 1, invalidate: 'device', flush: true },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0x1001e5000n,
          level: 1,
          gpas: [0x11f60000n],
          permission: 2,
          flush: 'pages',
        },
        { kind: 'attach', device: 0, to: 2, invalidate: 'domain', flush: true },
        { kind: 'reset' },
      ],
      told: 'all',
    });
  });

  it('QEMU dies in a whole unmap of one of two devices', () => {
    expectAgreement({
      options: {
        seed: 7771,
        qemu: '9.2',
        devices: 2,
        ramSize: 0x140000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        pastRam: 'dies',
        liveMappings: 40,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'attach', device: 0, to: 2, invalidate: 'device', flush: false },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'translation', on: true },
        {
          kind: 'map',
          domain: 2,
          iova: 0x7180000000n,
          level: 3,
          gpas: [0x140000000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'reset' },
      ],
      told: 'all',
    });
  });

  it('QEMU dies in one behind a whole unmap of the other, and nobody knows what either maps', () => {
    expectAgreement({
      options: {
        seed: 5629,
        qemu: '7.2',
        migratable: true,
        devices: 2,
        ramSize: 0x200000000n,
        below4g: 0x80000000n,
        domainLevels: [3, 3, 3],
        pastRam: 'dies',
        liveMappings: 40,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        { kind: 'attach', device: 1, to: 3, invalidate: 'device', flush: false },
        {
          kind: 'map',
          domain: 3,
          iova: 0x5d000000n,
          level: 2,
          gpas: [0x1daa00000n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'map',
          domain: 3,
          iova: 0x29c0000000n,
          level: 3,
          gpas: [0x40000000n],
          permission: 3,
          flush: 'pages',
        },
        {
          kind: 'unmap',
          domain: 3,
          iova: 0x5d000000n,
          level: 2,
          count: 1,
          residual: false,
          flush: 'none',
        },
        { kind: 'migrate', step: 'active' },
        {
          kind: 'unmap-level',
          domain: 3,
          iova: 0x40000000n,
          level: 3,
          residual: true,
          flush: 'pages',
        },
        { kind: 'root-pointer' },
      ],
      told: 'all',
    });
  });
});
