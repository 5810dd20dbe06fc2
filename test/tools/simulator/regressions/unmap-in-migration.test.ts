import { describe, it } from 'vitest';
import { expectAgreement } from './expect-agreement.ts';

describe('the drain of 11.x over a mapping across the interrupt range', () => {
  it('would deliver the upper part alone', () => {
    expectAgreement({
      options: {
        seed: 1385,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'attach', device: 0, to: 3, invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0xfee00000n,
          level: 2,
          gpas: [0xba00000n],
          permission: 3,
          flush: 'domain',
        },
        { kind: 'invalidate-context', of: 'everything' },
      ],
      told: 'all',
    });
  });

  it('would lose it also where the MAP failed', () => {
    expectAgreement({
      options: {
        seed: 2751,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        liveMappings: 40,
        events: 'no-skips',
        steps: 25,
      },
      acts: [
        {
          kind: 'map',
          domain: 3,
          iova: 0xfea00000n,
          level: 2,
          gpas: [0x5de00000n, 0x75a00000n, 0x45c00000n],
          permission: 2,
          flush: 'none',
        },
        { kind: 'attach', device: 0, to: 3, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'root-pointer' },
      ],
      told: 'all',
    });
  });

  it('is a drain although its part is as large as the first chunk', () => {
    expectAgreement({
      options: {
        seed: 7894,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        liveMappings: 200,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        { kind: 'attach', device: 0, to: 1, invalidate: 'none', flush: false },
        { kind: 'translation', on: true },
        { kind: 'migrate', step: 'setup' },
        { kind: 'migrate', step: 'active' },
        {
          kind: 'map',
          domain: 1,
          iova: 0xfec00000n,
          level: 2,
          gpas: [0x2f800000n, 0x26e00000n],
          permission: 1,
          flush: 'pages',
        },
        { kind: 'attach', device: 0, to: 'blocked', invalidate: 'none', flush: true },
        { kind: 'invalidate-context', of: { device: 0 } },
      ],
      told: 'all',
    });
  });

  it("carries the address of the mapping's front", () => {
    expectAgreement({
      options: {
        seed: 8811,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 40,
        events: 'no-skips',
        steps: 250,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'attach', device: 0, to: 1, invalidate: 'device', flush: true },
        {
          kind: 'map',
          domain: 1,
          iova: 0xfea00000n,
          level: 2,
          gpas: [0x31800000n, 0x29800000n, 0x1a000000n],
          permission: 3,
          flush: 'pages',
        },
        { kind: 'root-pointer' },
      ],
      told: 'all',
    });
  });
});

describe('a drain before the first notification', () => {
  it('finds nothing, and leaves no doubt, where nothing was mapped yet', () => {
    expectAgreement({
      options: {
        seed: 1150,
        qemu: '11.1',
        domainLevels: [3, 3, 3],
        wildAddresses: true,
        liveMappings: 600,
        events: 'no-skips',
        steps: 120,
      },
      acts: [
        { kind: 'translation', on: true },
        { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
        { kind: 'attach', device: 0, to: 3, invalidate: 'domain', flush: true },
        {
          kind: 'map',
          domain: 3,
          iova: 0xe26dd000n,
          level: 1,
          gpas: [0x1d7bc000n],
          permission: 3,
          flush: 'domain',
        },
        {
          kind: 'unmap',
          domain: 3,
          iova: 0xe26dd000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });
});
