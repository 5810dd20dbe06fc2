import { describe, it } from 'vitest';
import type { Act } from '../../../../src/tools/simulator/index.ts';
import { attach, dirtyRate, map, mapPage, pages, unmapPage } from '../acts-builder.ts';
import { expectAgreement } from './expect-agreement.ts';

const on: Act = { kind: 'translation', on: true };
/** Past the end of RAM: a device's registers. */
const REGISTERS = 0x80_0000_0000n;

const measures = dirtyRate(true);

describe('behind virtio-iommu', () => {
  it.each([true, false])(
    'a dirty sync maps again what the host has no room for, until there is; messages seen: %s',
    (errorsInLog) => {
      const pages = Array.from({ length: 20 }, (_, index) => BigInt(index) * 0x10_0000n);
      expectAgreement({
        options: {
          viommu: 'virtio',
          qemu: '11.1',
          migratable: true,
          dmaEntryLimit: 16,
          errorsInLog,
        },
        acts: [
          attach(1, { device: 0 }),
          ...pages.map((at) => mapPage(1, 0x1000_0000n + at, 0x30_0000n + at)),
          measures,
          {
            kind: 'unmap',
            domain: 1,
            iova: 0x1000_0000n,
            level: 1,
            count: 1,
            residual: false,
            flush: 'pages',
          },
          { kind: 'dirty-sync' },
        ],
        told: 'all',
      });
    },
  );

  it.each(['blocked', 1, 2] as const)('a device that maps registers goes to %s', (to) => {
    expectAgreement({
      options: { viommu: 'virtio', qemu: '11.1' },
      acts: [
        attach(1, { device: 0 }),
        mapPage(1, 0x1000_0000n, REGISTERS),
        mapPage(1, 0x2000_0000n, 0x30_0000n),
        attach(to, { device: 0 }),
      ],
      told: 'nothing',
    });
  });

  it('registers are unmapped, in a domain that comes back with none', () => {
    expectAgreement({
      options: { viommu: 'virtio', qemu: '7.2' },
      acts: [
        attach(1, { device: 0 }),
        mapPage(1, 0x1000_0000n, REGISTERS),
        attach('blocked', { device: 0 }),
        attach(1, { device: 0 }),
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        attach(2, { device: 0 }),
      ],
      told: 'nothing',
    });
  });

  it('registers are unmapped, and more of them are mapped in their place', () => {
    expectAgreement({
      options: { viommu: 'virtio', qemu: '11.1' },
      acts: [
        attach(1, { device: 0 }),
        mapPage(1, 0x1000_0000n, REGISTERS),
        unmapPage(1, 0x1000_0000n),
        map(0x1000_0000n, pages(REGISTERS, 2)),
        attach('blocked', { device: 0 }),
      ],
      told: 'all',
    });
  });

  it('registers are unmapped of the first of two such devices; boot not seen', () => {
    expectAgreement({
      options: {
        viommu: 'virtio',
        qemu: '7.2',
        devices: 2,
        deviceAddresses: ['01:00.0', '02:00.0'],
        bootLines: false,
      },
      acts: [
        attach(2, { device: 0 }),
        attach(1, { device: 1 }),
        mapPage(2, 0x1000_0000n, REGISTERS),
        {
          kind: 'unmap',
          domain: 2,
          iova: 0x1000_0000n,
          level: 1,
          count: 1,
          residual: false,
          flush: 'pages',
        },
      ],
      told: 'all',
    });
  });

  it.each([true, false])(
    'two devices have the same function of two buses; boot seen: %s',
    (bootLines) => {
      expectAgreement({
        options: {
          viommu: 'virtio',
          qemu: '11.1',
          devices: 2,
          deviceAddresses: ['01:00.0', '02:00.0'],
          bootLines,
        },
        acts: [
          attach(1, { device: 0 }),
          attach(2, { device: 1 }),
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          mapPage(2, 0x1000_0000n, 0x40_0000n),
          { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false },
          attach('blocked', { device: 1 }),
          attach('blocked', { device: 0 }),
        ],
        told: 'nothing',
      });
    },
  );
});

describe('behind AMD-Vi', () => {
  it.each(['pages', 'none'] as const)(
    'a device goes from one domain to another; flushed: %s',
    (flush) => {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1' },
        acts: [
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          mapPage(2, 0x2000_0000n, 0x40_0000n),
          attach(1, { device: 0 }),
          { kind: 'translation', on: true },
          attach(2, { device: 0 }),
          { ...mapPage(2, 0x2000_1000n, 0x50_0000n), flush } as Act,
        ],
        told: 'nothing',
      });
    },
  );

  it('a device is never translated', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1' },
      acts: [{ kind: 'translation', on: true }],
      told: 'nothing',
    });
  });

  it('two devices go into pass-through at a reset, and into a domain again', () => {
    const on: Act = { kind: 'translation', on: true };
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', devices: 2 },
      acts: [
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        mapPage(2, 0x1000_0000n, 0x40_0000n),
        attach(1, { device: 0 }),
        attach(2, { device: 1 }),
        on,
        { kind: 'reset' },
        on,
        attach(1, { device: 0 }),
        attach(2, { device: 1 }),
      ],
      told: 'nothing',
    });
  });

  it('a reset unmaps the device first that was translated last, be it the first of the machine', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', devices: 2 },
      acts: [
        attach(1, { device: 1 }),
        { kind: 'translation', on: true },
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        mapPage(2, 0x1000_0000n, 0x40_0000n),
        attach(2, { device: 0 }),
        { kind: 'reset' },
      ],
      told: 'all',
    });
  });

  it('a dirty sync maps again what leads to no memory', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', migratable: true },
      acts: [
        attach(1, { device: 0 }),
        { kind: 'translation', on: true },
        mapPage(1, 0x1000_0000n, REGISTERS),
        measures,
      ],
      told: 'all',
    });
  });

  it.each(['all', 'nothing'] as const)('a dirty sync no longer finds a page; told: %s', (told) => {
    const at = 0x1000_0000n;
    for (const more of [[], [mapPage(1, 0x2000_0000n, 0x40_0000n)]]) {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1', migratable: true },
        acts: [
          attach(1, { device: 0 }),
          on,
          mapPage(1, at, 0x30_0000n),
          ...more,
          unmapPage(1, at, 'none'),
          measures,
        ],
        told,
      });
    }
  });

  it.each(['blocked', 2] as const)('a dirty sync finds a device in %s, untold', (to) => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', migratable: true },
      acts: [
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        attach(1, { device: 0 }),
        on,
        { kind: 'attach', device: 0, to, invalidate: 'none', flush: false },
        measures,
      ],
      told: 'all',
    });
  });

  it.each([true, false])(
    'a translation is changed in its place; messages seen: %s',
    (errorsInLog) => {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1', errorsInLog },
        acts: [
          attach(1, { device: 0 }),
          on,
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          mapPage(1, 0x1000_0000n, 0x40_0000n),
          measures,
        ],
        told: 'all',
      });
    },
  );

  it.each([true, false])(
    'a page that leads elsewhere is walked again, and another goes; messages seen: %s',
    (errorsInLog) => {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1', errorsInLog },
        acts: [
          on,
          attach(1, { device: 0 }),
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          mapPage(1, 0x1000_0000n, 0x40_0000n),
          mapPage(1, 0x2000_0000n, 0x50_0000n),
          { ...unmapPage(1, 0x2000_0000n), flush: 'domain' } as Act,
        ],
        told: 'nothing',
      });
    },
  );

  it('a dirty sync, which no line of its own shows, right before the guest maps a page', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', migratable: true, events: 'vtd-vfio' },
      acts: [
        attach(1, { device: 0 }),
        on,
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        measures,
        mapPage(1, 0x2000_0000n, 0x40_0000n),
      ],
      told: 'all',
    });
  });

  it('a command for a device, whose only page is gone from its tables and is unmapped by the next', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1' },
      acts: [
        on,
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        attach(1, { device: 0 }),
        unmapPage(1, 0x1000_0000n, 'none'),
        attach(1, { device: 0 }),
        { kind: 'invalidate-domain', domain: 1 },
        measures,
      ],
      told: 'all',
    });
  });

  it('a dirty sync before anything is tracked, and one in a log that is torn', () => {
    for (const more of [[], [measures]]) {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1', migratable: more.length === 0, tornEnd: true },
        acts: [
          attach(1, { device: 0 }),
          on,
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          ...more,
          { kind: 'dirty-sync' },
        ],
        told: 'all',
      });
    }
  });

  it('a page of one device is unmapped right behind a command for another', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', devices: 2 },
      acts: [
        attach(1, { device: 1 }),
        on,
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        { kind: 'invalidate-context', of: { device: 0 } },
        unmapPage(1, 0x1000_0000n),
      ],
      told: 'all',
    });
  });

  it('the guest changes where a page of one of two devices leads', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', devices: 2 },
      acts: [
        attach(1, { device: 0 }),
        attach(2, { device: 1 }),
        on,
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        measures,
        mapPage(1, 0x1000_0000n, 0x40_0000n),
      ],
      told: 'all',
    });
  });

  it('the guest changes a page of registers into one of memory, which is walked again', () => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1' },
      acts: [
        attach(1, { device: 0 }),
        on,
        mapPage(1, 0x1000_0000n, REGISTERS),
        mapPage(1, 0x1000_0000n, 0x30_0000n),
        { kind: 'invalidate-domain', domain: 1 },
      ],
      told: 'all',
    });
  });

  it.each(['blocked', 'pass-through'] as const)(
    'nothing in the log tells two devices apart, and one is in %s',
    (to) => {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1', devices: 2, events: 'vfio' },
        acts: [
          attach(1, { device: 0 }),
          attach(1, { device: 1 }),
          on,
          attach(to, { device: 1 }),
          attach('blocked', { device: 0 }),
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          attach('blocked', { device: 0 }),
        ],
        told: 'all',
      });
    },
  );

  it.each([true, false])('a page is mapped where address 0 is right; tracked: %s', (isTracked) => {
    expectAgreement({
      options: { viommu: 'amd', qemu: '11.1', migratable: true },
      acts: [
        mapPage(1, 0x1000_0000n, 0x1000_0000n),
        attach(1, { device: 0 }),
        { kind: 'translation', on: true },
        ...(isTracked ? [measures] : []),
        attach('blocked', { device: 0 }),
      ],
      told: 'all',
    });
  });

  it.each([true, false])(
    'QEMU aborts on a table that is gone; messages seen: %s',
    (errorsInLog) => {
      expectAgreement({
        options: { viommu: 'amd', qemu: '11.1', tableLoss: 'allowed', errorsInLog },
        acts: [
          mapPage(1, 0x1000_0000n, 0x30_0000n),
          attach(1, { device: 0 }),
          { kind: 'translation', on: true },
          {
            kind: 'unmap-level',
            domain: 1,
            iova: 0x1000_0000n,
            level: 2,
            residual: false,
            flush: 'pages',
          },
        ],
        told: 'all',
      });
    },
  );
});
