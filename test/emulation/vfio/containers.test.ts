import { describe, expect, it } from 'vitest';
import { PageRangeMap } from '../../../src/base/page-range-map.ts';
import { qemu10_2 } from '../../../src/emulation/profiles/qemu-10.2.ts';
import { qemu11_0 } from '../../../src/emulation/profiles/qemu-11.0.ts';
import { qemu11_1 } from '../../../src/emulation/profiles/qemu-11.1.ts';
import type { ContainerBackend } from '../../../src/emulation/vfio/container-backend.ts';
import { NO_ENTRY } from '../../../src/emulation/vfio/container-backend.ts';
import {
  migrationHasStartedLog,
  migrationIsRunning,
  migrationIsSetupOrActive,
} from '../../../src/emulation/vfio/dirty-tracking.ts';
import { iommufdBackend } from '../../../src/emulation/vfio/iommufd.ts';
import { legacyBackend } from '../../../src/emulation/vfio/legacy.ts';
import { mapNotifyResult, regionDelCarries } from '../../../src/emulation/vfio/listener.ts';
import { vfioUserBackend } from '../../../src/emulation/vfio/vfio-user.ts';

type Range = readonly [first: number, last: number];

function hostOf(ranges: readonly Range[]): PageRangeMap {
  const host = new PageRangeMap();
  for (const [first, last] of ranges) host.insert(first, last, first, 3);
  return host;
}

const held: readonly Range[] = [
  [0x10, 0x1f],
  [0x20, 0x2f],
  [0x40, 0x4f],
];

/** The ranges that an unmap leaves. */
function leftBy(backend: ContainerBackend, first: number, last: number, result: number): Range[] {
  const host = hostOf(held);
  backend.applyUnmap(host, first, last, result);
  return [...host].map((range): Range => [range.first, range.last]);
}

describe('what an unmap takes from the host', () => {
  it.each([
    ['legacy: all of it where it succeeds', legacyBackend, 0x10, 0x4f, 0, []],
    ['legacy: nothing where it fails', legacyBackend, 0x10, 0x4f, -7, held],
    ['iommufd: all of it, holes or not', iommufdBackend, 0, 0xff, 0, []],
    ['iommufd: all of it although the query failed', iommufdBackend, 0, 0xff, -22, []],
    ['iommufd: nothing where it begins inside a mapping', iommufdBackend, 0x11, 0x2f, 0, held],
    ['iommufd: what is below a mapping that it cuts', iommufdBackend, 0x10, 0x41, 0, [held[2]]],
    ['iommufd: nothing inside one mapping', iommufdBackend, 0x10, 0x11, 0, held],
    ['vfio-user: whatever it touches', vfioUserBackend, 0x11, 0x21, 0, [held[2]]],
  ] as const)('%s', (_name, backend, first, last, result, left) => {
    expect(leftBy(backend, first, last, result)).toEqual(left);
  });
});

describe('a MAP', () => {
  it.each([
    ['succeeds where nothing is', legacyBackend, 0x30, 0x3f, 10, 0],
    ['fails over a mapping', legacyBackend, 0x2f, 0x2f, 10, -17],
    ['fails at the limit of entries', legacyBackend, 0x30, 0x3f, 3, -28],
    ['has no limit with iommufd', iommufdBackend, 0x30, 0x3f, 3, 0],
    ['fails over a mapping of iommufd', iommufdBackend, 0x2f, 0x30, 10, -17],
    ['fails over a mapping of vfio-user', vfioUserBackend, 0x2f, 0x30, 10, -17],
    ['is dropped where its size is no power of two', legacyBackend, 0x30, 0x32, 10, -22],
  ] as const)('%s', (_name, backend, first, last, limit, result) => {
    expect(mapNotifyResult(backend, hostOf(held), first, last, limit)).toBe(result);
  });
});

const FOUR_GIB = 0x10_0000;
/** Of a machine with 2 GiB below the hole. */
const RAM_PAGE = 0x8_0000;

describe('the unmap of a section', () => {
  it('carries an address from 11.0 on, and only of writable RAM', () => {
    expect(regionDelCarries(qemu11_0, true, 0x80, 0x80)).toBe(0x80);
    expect(regionDelCarries(qemu11_0, false, 0x80, 0x80)).toBe(NO_ENTRY);
    expect(regionDelCarries(qemu10_2, true, 0x80, 0x80)).toBe(NO_ENTRY);
  });

  it('carries its guest address in 11.0, and its ram_addr from 11.1 on', () => {
    expect(regionDelCarries(qemu11_0, true, FOUR_GIB, RAM_PAGE)).toBe(FOUR_GIB);
    expect(regionDelCarries(qemu11_1, true, FOUR_GIB, RAM_PAGE)).toBe(RAM_PAGE);
    expect(regionDelCarries(qemu11_1, false, FOUR_GIB, RAM_PAGE)).toBe(NO_ENTRY);
  });
});

describe('the states of a migration', () => {
  it.each([
    ['none', false, false, false],
    ['setup', true, true, false],
    ['active', true, true, true],
    ['device', true, true, true],
    ['wait-unplug', true, true, false],
    ['colo', true, false, false],
    ['cancelling', false, true, true],
    ['failing', false, true, true],
    ['cancelled', false, false, false],
    ['completed', false, false, false],
    ['failed', false, false, false],
  ])('%s', (state, isSetupOrActive, isRunning, hasStartedLog) => {
    expect(migrationIsSetupOrActive(state)).toBe(isSetupOrActive);
    expect(migrationIsRunning(state)).toBe(isRunning);
    expect(migrationHasStartedLog(state)).toBe(hasStartedLog);
  });
});
