import { describe, expect, it } from 'vitest';
import { hexOfPages } from '../../src/base/address.ts';
import type { MachineResult } from '../../src/emulation/what-if/worlds.ts';
import { type WhatIfReplay, whatIfOf } from '../../src/engine/what-if.ts';
import type { WhatIfGoal, WhatIfMachineResult } from '../../src/result/what-if.ts';
import {
  capture,
  captures,
  failuresTold,
  hostMapOf,
  type Ioctl,
  ioctlsOf,
  root,
} from '../helpers/ground-truth.ts';
import { GuestLog } from '../helpers/guest-log.ts';

/** The machine that wrote a capture, as the table has it. */
interface Written {
  readonly version: string;
  readonly backend: 'legacy' | 'iommufd';
  readonly awBits: number;
}

/** The host of the captures has no IOMMU that tracks dirty pages. */
const HOST = { iommufdTracks: false };

function writtenBy(name: string): Written {
  const backend = name.includes('iommufd') ? 'iommufd' : 'legacy';
  const first = backend === 'iommufd' ? '9.0' : '8.1';
  return {
    version: name.startsWith('qemu-10.0') ? first : name.startsWith('qemu-11.1') ? '11.1' : '7.2',
    backend,
    awBits: name.includes('aw39') ? 39 : 48,
  };
}

function machineOf({ boots }: WhatIfReplay, written: Written): MachineResult {
  const all = [...(boots[0]?.worlds.results() ?? [])];
  const found = all.find(
    ({ machine }) =>
      machine.from === written.version &&
      machine.backend === written.backend &&
      machine.awBits === written.awBits &&
      machine.pageSize === 4096,
  );
  if (found === undefined) throw new Error('no such machine');
  return found;
}

/** What a machine is predicted to do, in the terms of an ioctl record. */
function predicted({ tracked, host }: MachineResult, containers: number) {
  return {
    failed: tracked.failed.map(
      ({ first, last, errno }) => `${hexOfPages(first)}+${hexOfPages(last - first + 1)}=${errno}`,
    ),
    // Those that fail never reach the kernel.
    withBitmap: tracked.queries.bitmap - tracked.e2big,
    failedMaps: tracked.failedMaps,
    mapped: Array.from({ length: containers }, (_, index) =>
      [...host(index)]
        .map(({ first, last }) => `${hexOfPages(first)}+${hexOfPages(last - first + 1)}`)
        .sort(),
    ),
  };
}

function truthOf(name: string, ioctls: readonly Ioctl[]) {
  return {
    failed: failuresTold(capture(name)).map(({ iova, size, errno }) => `${iova}+${size}=${errno}`),
    withBitmap: ioctls.filter(({ hasBitmap, op }) => op === 'unmap' && hasBitmap).length,
    failedMaps: ioctls.filter(({ op, result }) => op === 'map' && result !== 0).length,
    mapped: hostMapOf(ioctls),
  };
}

/**
 * Without walks or tracking, or QEMU died in the middle: their records hold more, or less, than they
 * show.
 */
const OTHERWISE = new Set([
  'qemu-10.0/blocked-aw48-minimal',
  'qemu-10.0/blocked-aw48-vfio-only',
  'qemu-10.0/segv-aw48',
  'qemu-10.0/storm-aw48',
  'qemu-11.1/blocked-aw48-minimal-ts',
]);

describe.each(captures.filter(({ name }) => !OTHERWISE.has(name)))('$name', ({ name, log }) => {
  it('is predicted for the machine that wrote it, as its ioctl record has it', async () => {
    const replay = await whatIfOf(`${root}${log}`, HOST);
    const truth = truthOf(name, ioctlsOf(capture(name)));
    const written = machineOf(replay, writtenBy(name));
    expect(predicted(written, truth.mapped.length)).toEqual(truth);
    const traced = replay.whatIf.sessions[0]?.machines.filter(({ isTraced }) => isTraced) ?? [];
    // No line tells 11.1 from 11.0.
    const from = written.machine.from === '11.1' ? '11.0' : written.machine.from;
    expect(traced.map(({ awBits, backend, qemu }) => [qemu.from, backend, awBits])).toEqual([
      [from, written.machine.backend, written.machine.awBits],
    ]);
  });
});

/** The same steps of a guest under different machines. */
const SAME_STEPS = [
  'qemu-7.2/blocked-aw48',
  'qemu-10.0/blocked-aw39',
  'qemu-10.0/blocked-aw48',
  'qemu-10.0/iommufd-blocked-aw48',
  'qemu-11.1/blocked-aw48',
  'qemu-11.1/iommufd-blocked-aw48',
] as const;

/** Their main RAM, of which the VM of 7.2 had half as much. */
const withoutMainRam = (mapped: readonly (readonly string[])[]) =>
  mapped.map((ranges) => ranges.filter((range) => !range.startsWith('0x100000+')));

describe.each(SAME_STEPS)('from %s', (from) => {
  const replay = whatIfOf(`${root}${capture(from).log}`, HOST);

  it.each(SAME_STEPS)('%s is predicted, as its own ioctl record has it', async (to) => {
    const truth = truthOf(to, ioctlsOf(capture(to)));
    const found = predicted(machineOf(await replay, writtenBy(to)), truth.mapped.length);
    expect({ ...found, mapped: withoutMainRam(found.mapped) }).toEqual({
      ...truth,
      mapped: withoutMainRam(truth.mapped),
    });
  });

  it('the mappings that survive in QEMU 11 are predicted, and nowhere else', async () => {
    for (const to of SAME_STEPS) {
      const { tracked } = machineOf(await replay, writtenBy(to));
      expect([to, tracked.stale]).toEqual([to, survivorsOf(to)]);
    }
  });
});

/** Translations that the record has when the device had left its domain under tracking. */
function survivorsOf(name: string): number {
  if (!name.startsWith('qemu-11.1')) return 0;
  const ioctls = ioctlsOf(capture('qemu-11.1/blocked-aw48'));
  const last = ioctls.findLastIndex(({ hasBitmap }) => hasBitmap);
  const held = hostMapOf(ioctls.slice(0, last + 1)).flat();
  expect(held.every((range) => range.startsWith('0xfff'))).toBe(true);
  return held.length;
}

const machinesOf = async (lines: readonly string[], options = {}) => {
  async function* stdin() {
    yield Buffer.from(`${lines.join('\n')}\n`);
  }
  const { whatIf } = await whatIfOf('-', { stdin: stdin(), ...options });
  const [session] = whatIf.sessions;
  if (session === undefined) throw new Error('no session');
  return session;
};

const released = (machines: readonly WhatIfMachineResult[]) =>
  machines.filter(({ isReleased }) => isReleased);

describe('advice', () => {
  const changesFor = ({ advice }: Awaited<ReturnType<typeof machinesOf>>, goal: WhatIfGoal) => {
    const found = advice.find((one) => one.goal === goal);
    return found?.machine === null ? null : found?.changes;
  };

  it('names the cheapest change that keeps whole unmaps from failing', async () => {
    const log = new GuestLog().track(2).block();
    expect(changesFor(await machinesOf(log.lines), 'failures')).toEqual(['aw-bits=39']);
  });

  it('asks for nothing, or for the release that mends what is wrong', async () => {
    const log = new GuestLog({ awBits: 39 }).map(0x2000n, 0x9000000n, 0x1000n, 1).track(2).block();
    const session = await machinesOf(log.lines);
    expect(changesFor(session, 'failures')).toEqual([]);
    expect(changesFor(session, 'stale-mappings')).toEqual([]);
    // As the device was switched to translation, its sections of RAM went without a query.
    expect(changesFor(session, 'lost-dirty-pages')).toEqual(['QEMU 11.0']);
    expect(changesFor(session, 'all')).toEqual(['QEMU 11.0']);
  });

  it('says where no machine keeps dirty pages', async () => {
    const log = new GuestLog({ awBits: 39 }).map(0x2000n, 0x9000000n).track(2).unmap(0x2000n);
    const session = await machinesOf(log.lines);
    expect(changesFor(session, 'lost-dirty-pages')).toBeNull();
    expect(
      released(session.machines).every(
        ({ tracked, untracked }) => tracked.losing + untracked.losing > 0,
      ),
    ).toBe(true);
  });
});

describe('without page walks', () => {
  it('tells of failures, and that nothing else is known', async () => {
    const path = `${root}${capture('qemu-10.0/blocked-aw48-minimal').log}`;
    const { whatIf } = await whatIfOf(path, HOST);
    const [session] = whatIf.sessions;
    expect(session?.areMappingsKnown).toBe(false);
    expect(session?.reasons.join()).toContain('no vtd_page_walk_one');
    expect(session?.advice.map(({ goal }) => goal)).toEqual(['failures']);
    const traced = session?.machines.find(({ isTraced }) => isTraced);
    expect(traced?.tracked.e2big).toBe(4);
  });
});
