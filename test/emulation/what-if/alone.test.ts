import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PcRamLayout } from '../../../src/emulation/ram-layout.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../../src/emulation/viommu/notifiers.ts';
import type { Hazards } from '../../../src/emulation/what-if/hazards.ts';
import { machineMatrix } from '../../../src/emulation/what-if/matrix.ts';
import { type MachineResult, type Target, Worlds } from '../../../src/emulation/what-if/worlds.ts';

/*
 * Machines that are replayed together become what each becomes that is replayed alone, whatever their
 * guest does. Few pages, and a host that accepts little, so that operations meet and fail.
 */

const NOTIFIERS = [HIGH_NOTIFIER, LOW_NOTIFIER];
const SPANS = [
  { first: 0xfef00, last: 2 ** 52 - 1 },
  { first: 0, last: 0xfedff },
];
const HOST = { ram: new PcRamLayout(0x40000), bitmapBytes: 0x10_0000, entryLimit: 6 };

type Step =
  | readonly ['present', ...Parameters<Worlds['present']>]
  | readonly ['absent', ...Parameters<Worlds['absent']>]
  | readonly ['replayed', ...Parameters<Worlds['replayed']>]
  | readonly ['unmapWhole', ...Parameters<Worlds['unmapWhole']>]
  | readonly ['registered', ...Parameters<Worlds['registered']>]
  | readonly ['sectionAdded', ...Parameters<Worlds['sectionAdded']>]
  | readonly ['sectionIsReadOnly', ...Parameters<Worlds['sectionIsReadOnly']>]
  | readonly ['sectionRemoved', ...Parameters<Worlds['sectionRemoved']>];

const target = fc.record<Target>({
  device: fc.constantFrom(0, 1),
  container: fc.constantFrom(0, 1),
  iommufdTracks: fc.boolean(),
  deviceTracking: fc.boolean(),
});
const tracking = fc.record({
  globalDirty: fc.boolean(),
  migrationRunning: fc.boolean(),
  saving: fc.boolean(),
});
/** Pages of both notifiers, at their ends and beyond the narrower width. */
const page = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 3, 0x1000, 0x1001) },
  fc.constantFrom(0xfedff, 0xfef00, 0xfff00, 2 ** 27 - 1, 2 ** 27, 2 ** 35),
);
/** Of sections of RAM, which every width reaches. */
const ramPage = fc.constantFrom(0, 2, 0x1000, 0x100000);
const pages = fc.constantFrom(1, 1, 1, 2, 4, 0x200);
const gpa = fc.constantFrom(0, 1, 5, 0x1000, 0x3ffff);
const spans = fc.constantFrom(SPANS, SPANS, SPANS, []);
const permissions = fc.constantFrom(3, 3, 1);

const number = fc.constantFrom(0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(target, spans, page, pages, gpa, permissions, tracking)
      .map(([whose, notified, first, count, to, access, state]): Step => {
        return ['present', whose, notified, first, first + count - 1, to, access, state];
      }),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(target, spans, page, pages, fc.constantFrom(1, 1, 3), gpa, tracking)
      .map((all): Step => ['absent', ...all]),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(target, fc.constantFrom(NOTIFIERS, NOTIFIERS, [LOW_NOTIFIER]), tracking)
      .map((all): Step => ['unmapWhole', ...all]),
  },
  fc
    .tuple(target, fc.constantFrom(...NOTIFIERS), tracking)
    .map((all): Step => ['registered', ...all]),
  number.map((device): Step => ['replayed', device]),
  fc.tuple(number, ramPage, pages).map(([container, first, count]): Step => {
    return ['sectionAdded', container, first, first + count - 1, 3];
  }),
  fc.tuple(number, ramPage, pages).map(([container, first, count]): Step => {
    return ['sectionIsReadOnly', container, first, first + count - 1];
  }),
  fc
    .tuple(target, fc.boolean(), ramPage, pages, tracking)
    .map(([whose, isRam, first, count, state]): Step => {
      const of = isRam ? { ...whose, device: -1 } : whose;
      return ['sectionRemoved', of, first, first + count - 1, state];
    }),
);

function take(worlds: Worlds, [name, ...all]: Step): void {
  (worlds[name] as (...args: readonly unknown[]) => void).apply(worlds, all);
}

function told(hazards: Hazards) {
  const { failed, risk, ...counts } = hazards;
  return { ...counts, risk: [...risk], failed: failed.map((one) => JSON.stringify(one)).sort() };
}

function becomes(result: MachineResult) {
  const { machine, tracked, untracked } = result;
  return {
    machine: `${machine.from} ${machine.backend} ${machine.awBits} ${machine.pageSize}`,
    tracked: told(tracked),
    untracked: told(untracked),
    hosts: [0, 1].map((container) => [...result.host(container)]),
  };
}

it('become what each becomes alone', () => {
  const machines = machineMatrix();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const replayed = (some: typeof machines) => {
        const worlds = new Worlds(some, HOST);
        for (const one of steps) take(worlds, one);
        return [...worlds.results()].map(becomes);
      };
      const alone = machines.flatMap((machine) => replayed([machine]));
      const together = new Map(replayed(machines).map((one) => [one.machine, one]));
      expect(alone.map(({ machine }) => together.get(machine))).toEqual(alone);
    }),
    { numRuns: 40 },
  );
});
