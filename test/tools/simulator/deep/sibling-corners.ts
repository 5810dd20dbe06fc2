import type { Act, SimulationOptions } from '../../../../src/tools/simulator/index.ts';
import { attach, dirtyRate, map, mapPage, pages, unmapPage } from '../acts-builder.ts';
import type { Case } from '../compare/play.ts';
import type { Sibling } from '../compare/sibling-cases.ts';

const on: Act = { kind: 'translation', on: true };
const sync: Act = { kind: 'dirty-sync' };
const measures = dirtyRate(true);

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
    attach(1, { device: 0 }),
    on,
    mapPage(1, ONE, MEMORY),
    unmapPage(1, ONE, 'none'),
    measures,
  ]),
  amd({ migratable: true }, [
    attach(1, { device: 0 }),
    on,
    mapPage(1, ONE, MEMORY),
    mapPage(1, OTHER, MEMORY),
    unmapPage(1, ONE, 'none'),
    measures,
  ]),
  // It does not reach a device that cannot migrate, and nothing is tracked before it.
  amd({}, [attach(1, { device: 0 }), on, mapPage(1, ONE, MEMORY), measures]),
  amd({ migratable: true }, [attach(1, { device: 0 }), on, mapPage(1, ONE, MEMORY), sync]),
  // Two devices: one is translated, and the other's table entry is read again.
  amd({ devices: 2 }, [
    attach(1, { device: 1 }),
    on,
    mapPage(1, ONE, MEMORY),
    { kind: 'invalidate-context', of: { device: 0 } },
    unmapPage(1, ONE),
  ]),
  // A reset unmaps the device first that was translated last, and a command the one that it names.
  amd({ devices: 2 }, [
    attach(1, { device: 1 }),
    on,
    attach(2, { device: 0 }),
    attach('blocked', { device: 1 }),
    { kind: 'reset' },
  ]),
  // Where a page leads changes, twice for registers.
  amd({ devices: 2 }, [
    attach(1, { device: 0 }),
    attach(2, { device: 1 }),
    on,
    mapPage(1, ONE, MEMORY),
    measures,
    mapPage(1, ONE, REGISTERS / 0x800n),
  ]),
  amd({}, [
    attach(1, { device: 0 }),
    on,
    mapPage(1, ONE, REGISTERS),
    mapPage(1, ONE, MEMORY),
    { kind: 'invalidate-domain', domain: 1 },
  ]),
  // A device goes to another domain, of which nothing comes.
  amd({}, [
    attach(1, { device: 0 }),
    on,
    measures,
    { kind: 'dirty-rate', on: false, mode: 'dirty-bitmap', fails: false },
    mapPage(1, ONE, MEMORY),
    attach(2, { device: 0 }),
  ]),
  // Nothing in the log tells the two devices apart.
  amd({ devices: 2, events: 'vfio' }, [
    attach(1, { device: 0 }),
    attach(2, { device: 1 }),
    on,
    attach('pass-through', { device: 1 }),
    attach('blocked', { device: 0 }),
    mapPage(1, ONE, MEMORY),
    attach('blocked', { device: 0 }),
  ]),
  {
    options: { viommu: 'amd', qemu: '11.1', devices: 2, events: 'vfio' },
    acts: [
      attach(1, { device: 0 }),
      on,
      attach(1, { device: 1 }),
      attach('blocked', { device: 0 }),
      mapPage(1, ONE, REGISTERS),
      attach('blocked', { device: 0 }),
    ],
    told: 'nothing',
  },
  // A dirty sync maps again what leads to no memory, and so was never mapped.
  amd({ migratable: true }, [attach(1, { device: 0 }), on, mapPage(1, ONE, REGISTERS), measures]),
  // While dirty pages are tracked the guest changes where a page leads, and no message says so.
  amd({ migratable: true, errorsInLog: false }, [
    attach(1, { device: 0 }),
    on,
    mapPage(1, ONE, MEMORY),
    measures,
    mapPage(1, ONE, 2n * MEMORY),
  ]),
  // Two dirty syncs, of which nothing but MAPs is in the log.
  amd({ migratable: true, events: 'vfio' }, [
    attach(1, { device: 0 }),
    on,
    mapPage(1, ONE, MEMORY),
    mapPage(1, OTHER, MEMORY),
    measures,
    sync,
  ]),
];

/** Two devices, of which the log names none: one in a domain of its own, or both in one. */
const inTwo: readonly Act[] = [
  on,
  attach(1, { device: 0, flush: true }),
  attach(2, { device: 1, flush: true }),
];
const inOne: readonly Act[] = [
  on,
  attach(1, { device: 0, flush: true }),
  attach(1, { device: 1, flush: true }),
];
const ofTwoBehindAmd: readonly Case[] = [
  // A page of one comes to lead elsewhere, and no message says so.
  amd({ devices: 2, errorsInLog: false }, [
    ...inTwo,
    mapPage(2, ONE, MEMORY),
    measures,
    mapPage(2, ONE, 2n * MEMORY),
  ]),
  // Dirty syncs map again what is mapped, or no longer find it.
  amd({ devices: 2, migratable: true }, [...inOne, mapPage(1, ONE, MEMORY), measures]),
  amd({ devices: 2, migratable: true, errorsInLog: false }, [
    ...inTwo,
    mapPage(2, ONE, MEMORY),
    unmapPage(2, ONE, 'none'),
    measures,
  ]),
  // One goes to the other's domain.
  amd({ devices: 2 }, [...inTwo, mapPage(2, ONE, MEMORY), measures, attach(1, { device: 1 })]),
];

const behindVirtio: readonly Case[] = [
  // A device that has mapped registers goes to another domain, and comes back to one that is new.
  virtio({}, [
    attach(1, { device: 0 }),
    mapPage(1, ONE, REGISTERS),
    mapPage(1, OTHER, MEMORY),
    attach(2, { device: 0 }),
  ]),
  virtio({ qemu: '7.2' }, [
    attach(1, { device: 0 }),
    mapPage(1, ONE, REGISTERS),
    attach('blocked', { device: 0 }),
    attach(1, { device: 0 }),
    mapPage(1, ONE, MEMORY),
    attach(2, { device: 0 }),
  ]),
  // Where registers were mapped, more of them are: in a domain that is new, and in the same one.
  virtio({}, [
    attach(1, { device: 0 }),
    mapPage(1, ONE, REGISTERS),
    attach('blocked', { device: 0 }),
    attach(1, { device: 0 }),
    map(ONE, pages(REGISTERS, 2)),
    attach('blocked', { device: 0 }),
  ]),
  virtio({}, [
    attach(1, { device: 0 }),
    mapPage(1, ONE, REGISTERS),
    unmapPage(1, ONE),
    map(ONE, pages(REGISTERS, 2)),
    attach('blocked', { device: 0 }),
  ]),
  // The only page that can be written has no room in the host before it is mapped again.
  virtio({ migratable: true, dmaEntryLimit: 16 }, [
    attach(1, { device: 0 }),
    ...Array.from({ length: 16 }, (_, index) =>
      map(ONE + BigInt(index) * MEMORY, [MEMORY], { permission: 1 }),
    ),
    mapPage(1, OTHER, MEMORY),
    unmapPage(1, ONE),
    measures,
  ]),
];

const PAGES = Array.from({ length: 20 }, (_, index) => BigInt(index) * 0x10_0000n);
/** A dirty sync maps again what the host has no room for, until there is. */
const withoutRoom = virtio({ migratable: true, dmaEntryLimit: 16, errorsInLog: false }, [
  attach(1, { device: 0 }),
  ...PAGES.map((at) => mapPage(1, ONE + at, MEMORY + at)),
  measures,
  unmapPage(1, ONE),
  sync,
]);

/** What random guests behind the siblings of VT-d meet too seldom: each stands on an edge. */
export const siblingCorners: Readonly<Record<Sibling, readonly Case[]>> = {
  amd: [...behindAmd, ...ofTwoBehindAmd],
  virtio: [...behindVirtio, withoutRoom],
};
