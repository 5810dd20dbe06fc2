import type { Act, SimulationOptions } from '../../../../src/tools/simulator/index.ts';
import type { Case } from '../compare/play.ts';
import type { Sibling } from '../compare/sibling-cases.ts';

const on: Act = { kind: 'translation', on: true };
const sync: Act = { kind: 'dirty-sync' };
const measures: Act = { kind: 'dirty-rate', on: true, mode: 'dirty-bitmap', fails: false };
const attach = (device: number, to: number | 'blocked' | 'pass-through'): Act => ({
  kind: 'attach',
  device,
  to,
  invalidate: 'device',
  flush: false,
});
/** Maps one page, and tells QEMU so. */
const map = (domain: number, iova: bigint, gpa: bigint): Act => ({
  kind: 'map',
  domain,
  iova,
  level: 1,
  gpas: [gpa],
  permission: 3,
  flush: 'pages',
});
const unmap = (domain: number, iova: bigint, flush: 'pages' | 'none' = 'pages'): Act => ({
  kind: 'unmap',
  domain,
  iova,
  level: 1,
  count: 1,
  residual: false,
  flush,
});

const ONE = 0x1000_0000n;
const OTHER = 0x2000_0000n;
const MEMORY = 0x30_0000n;
/** Past the end of RAM: a device's registers. */
const REGISTERS = 0x80_0000_0000n;

const amd = (more: Partial<SimulationOptions>, acts: readonly Act[]): Case => ({
  options: { viommu: 'amd', qemu: '11.1', ...more },
  acts,
  told: 'all',
});
const virtio = (more: Partial<SimulationOptions>, acts: readonly Act[]): Case => ({
  options: { viommu: 'virtio', qemu: '11.1', ...more },
  acts,
  told: 'all',
});

const behindAmd: readonly Case[] = [
  // A dirty sync no longer finds the only page, or one of two.
  amd({ migratable: true }, [
    attach(0, 1),
    on,
    map(1, ONE, MEMORY),
    unmap(1, ONE, 'none'),
    measures,
  ]),
  amd({ migratable: true }, [
    attach(0, 1),
    on,
    map(1, ONE, MEMORY),
    map(1, OTHER, MEMORY),
    unmap(1, ONE, 'none'),
    measures,
  ]),
  // It does not reach a device that cannot migrate, and nothing is tracked before it.
  amd({}, [attach(0, 1), on, map(1, ONE, MEMORY), measures]),
  amd({ migratable: true }, [attach(0, 1), on, map(1, ONE, MEMORY), sync]),
  // Two devices: one is translated, and the other's table entry is read again.
  amd({ devices: 2 }, [
    attach(1, 1),
    on,
    map(1, ONE, MEMORY),
    { kind: 'invalidate-context', of: { device: 0 } },
    unmap(1, ONE),
  ]),
  // A reset unmaps the device first that was translated last, and a command the one that it names.
  amd({ devices: 2 }, [attach(1, 1), on, attach(0, 2), attach(1, 'blocked'), { kind: 'reset' }]),
  // Where a page leads changes, twice for registers.
  amd({ devices: 2 }, [
    attach(0, 1),
    attach(1, 2),
    on,
    map(1, ONE, MEMORY),
    measures,
    map(1, ONE, REGISTERS / 0x800n),
  ]),
  amd({}, [
    attach(0, 1),
    on,
    map(1, ONE, REGISTERS),
    map(1, ONE, MEMORY),
    { kind: 'invalidate-domain', domain: 1 },
  ]),
  // A device goes to another domain, of which nothing comes.
  amd({}, [
    attach(0, 1),
    on,
    measures,
    { kind: 'dirty-rate', on: false, mode: 'dirty-bitmap', fails: false },
    map(1, ONE, MEMORY),
    attach(0, 2),
  ]),
  // Nothing in the log tells the two devices apart.
  amd({ devices: 2, events: 'vfio' }, [
    attach(0, 1),
    attach(1, 2),
    on,
    attach(1, 'pass-through'),
    attach(0, 'blocked'),
    map(1, ONE, MEMORY),
    attach(0, 'blocked'),
  ]),
  {
    options: { viommu: 'amd', qemu: '11.1', devices: 2, events: 'vfio' },
    acts: [
      attach(0, 1),
      on,
      attach(1, 1),
      attach(0, 'blocked'),
      map(1, ONE, REGISTERS),
      attach(0, 'blocked'),
    ],
    told: 'nothing',
  },
];

const behindVirtio: readonly Case[] = [
  // A device that has mapped registers goes to another domain, and comes back to one that is new.
  virtio({}, [attach(0, 1), map(1, ONE, REGISTERS), map(1, OTHER, MEMORY), attach(0, 2)]),
  virtio({ qemu: '7.2' }, [
    attach(0, 1),
    map(1, ONE, REGISTERS),
    attach(0, 'blocked'),
    attach(0, 1),
    map(1, ONE, MEMORY),
    attach(0, 2),
  ]),
];

const PAGES = Array.from({ length: 20 }, (_, index) => BigInt(index) * 0x10_0000n);
/** A dirty sync maps again what the host has no room for, until there is. */
const withoutRoom = virtio({ migratable: true, dmaEntryLimit: 16, errorsInLog: false }, [
  attach(0, 1),
  ...PAGES.map((at) => map(1, ONE + at, MEMORY + at)),
  measures,
  unmap(1, ONE),
  sync,
]);

/** What random guests behind the siblings of VT-d meet too seldom: each stands on an edge. */
export const siblingCorners: Readonly<Record<Sibling, readonly Case[]>> = {
  amd: behindAmd,
  virtio: [...behindVirtio, withoutRoom],
};
