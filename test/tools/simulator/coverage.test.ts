import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Act,
  QEMU_VERSIONS,
  type SimulationOptions,
} from '../../../src/tools/simulator/index.ts';
import {
  DEFAULT_DMA_ENTRY_LIMIT,
  KERNEL_MAX_BITMAP_BYTES,
} from '../../../src/tools/simulator/options.ts';
import { actsOf, caseOf, type Told } from './compare/play.ts';

/** Among so few seeds everything that the simulator can do must have come up. */
const SEEDS = 300;

interface Planned {
  readonly options: SimulationOptions;
  readonly told: Told;
  readonly acts: readonly Act[];
}

let cases: readonly Planned[] = [];
beforeAll(() => {
  cases = Array.from({ length: SEEDS }, (_, index) => {
    const one = caseOf(index + 1);
    return { options: one.options as SimulationOptions, told: one.told, acts: actsOf(one) };
  });
});

const values = <Value>(of: (one: Planned) => Value) => new Set(cases.map(of));

describe('the first seeds of the deep verification', () => {
  it('have every version of QEMU, every backend and every pair that there is', () => {
    expect(values(({ options }) => options.qemu)).toEqual(new Set(QEMU_VERSIONS));
    const pairs = values(({ options: { qemu, backend } }) => `${qemu} ${backend}`);
    const expected = QEMU_VERSIONS.flatMap((qemu) => {
      const version = Number(qemu.split('.')[0]) * 100 + Number(qemu.split('.')[1]);
      return [
        `${qemu} legacy`,
        ...(version >= 902 ? [`${qemu} iommufd`] : []),
        ...(version >= 1001 ? [`${qemu} vfio-user`] : []),
      ];
    });
    expect([...pairs].sort()).toEqual(expected.sort());
  });

  it('have every width, depth of tables, page size of the host and limit', () => {
    expect(values(({ options }) => options.awBits)).toEqual(new Set([39, 48]));
    expect(values(({ options }) => options.hostPageSize)).toEqual(new Set([4096, 16384, 65536]));
    expect(new Set(cases.flatMap(({ options }) => options.domainLevels))).toEqual(new Set([3, 4]));
    const limits = values(({ options }) => options.maxDirtyBitmapBytes);
    expect(limits).toContain(KERNEL_MAX_BITMAP_BYTES);
    expect(Math.min(...[...limits].map(Number))).toBeLessThan(2 ** 20);
    const entries = values(({ options }) => options.dmaEntryLimit);
    expect(entries).toContain(DEFAULT_DMA_ENTRY_LIMIT);
    expect(Math.min(...entries)).toBeLessThan(100);
    expect(values(({ options }) => options.bitmapMemoryBytes === null).size).toBe(2);
    expect(values(({ options }) => options.ramSize > options.below4g).size).toBe(2);
  });

  it('have one device and two, with and without logs of their own, and hosts that cannot track', () => {
    expect(values(({ options }) => options.devices)).toEqual(new Set([1, 2]));
    for (const option of [
      'deviceTracking',
      'iommuDirtyTracking',
      'migratable',
      'vhost',
      'ramIsFile',
      'kvm',
      'sparseTables',
      'wildAddresses',
      'actsWhilePaused',
    ] as const) {
      expect([...values(({ options }) => options[option])].sort(), option).toEqual([false, true]);
    }
    expect(values(({ options }) => options.pastRam)).toEqual(new Set(['survives', 'dies']));
    expect(values(({ options }) => options.holeCrossing)).toEqual(new Set(['avoided', 'allowed']));
  });

  it('have every shape of a log', () => {
    expect(values(({ options }) => options.prefix)).toEqual(new Set(['none', 'tid', 'iso']));
    for (const option of [
      'crlf',
      'tornEnd',
      'errorsInLog',
      'libvirtHeader',
      'bootLines',
    ] as const) {
      expect([...values(({ options }) => options[option])].sort(), option).toEqual([false, true]);
    }
    expect(values(({ options }) => options.noise > 0).size).toBe(2);
    expect(values(({ options }) => options.guestName === null).size).toBe(2);
    const sets = values(({ options }) => String(options.events));
    for (const set of ['standard', 'everything', 'no-skips', 'no-walk', 'vtd-vfio', 'vfio']) {
      expect(sets).toContain(set);
    }
    expect(sets).toContain('minimal');
    expect(values(({ told }) => told)).toEqual(new Set(['nothing', 'host', 'all']));
  });

  it('have every act, in every way', () => {
    const seen = new Set(cases.flatMap(({ acts }) => acts).flatMap(waysOf));
    expect([...seen].sort()).toEqual([...WAYS].sort());
  });
});

/** What an act does, as far as it matters whether it comes up. */
function waysOf(act: Act): readonly string[] {
  switch (act.kind) {
    case 'map':
      return [`map at level ${act.level}, flush ${act.flush}`, `map of ${act.permission}`];
    case 'unmap':
      return [`unmap ${kept(act.residual)}, flush ${act.flush}`];
    case 'unmap-level':
      return [`unmap-level ${act.level} ${kept(act.residual)}`];
    case 'attach':
      return [`attach to ${typeof act.to === 'number' ? 'a domain' : act.to}, ${act.invalidate}`];
    case 'dirty-rate':
      return [`dirty-rate ${act.mode} ${onOff(act.on)}${act.fails ? ', refused' : ''}`];
    case 'dirty-limit':
    case 'run':
    case 'translation':
      return [`${act.kind} ${onOff(act.on)}`];
    case 'migrate':
      return [`migrate: ${act.step}`];
    case 'invalidate-context':
      return [`invalidate-context ${act.of === 'everything' ? act.of : Object.keys(act.of)}`];
    case 'spoil':
      return [`spoil: ${act.how}`];
    default:
      return [act.kind];
  }
}

const kept = (residual: boolean) => (residual ? 'residual' : 'zeroed');
const onOff = (on: boolean) => (on ? 'on' : 'off');
const each = <Value>(list: readonly Value[], of: (value: Value) => string) => list.map(of);
const TO = ['a domain', 'blocked', 'pass-through'];
const FLUSHES = ['pages', 'domain', 'none'];

const WAYS: readonly string[] = [
  ...FLUSHES.flatMap((flush) =>
    each([1, 2, 3], (level) => `map at level ${level}, flush ${flush}`),
  ),
  ...each([1, 2, 3], (permission) => `map of ${permission}`),
  ...FLUSHES.flatMap((flush) => [`unmap zeroed, flush ${flush}`, `unmap residual, flush ${flush}`]),
  ...[2, 3, 4].flatMap((level) => [`unmap-level ${level} zeroed`, `unmap-level ${level} residual`]),
  ...TO.flatMap((to) =>
    each(['device', 'global', 'domain', 'none'], (how) => `attach to ${to}, ${how}`),
  ),
  'dirty-rate dirty-bitmap on',
  'dirty-rate dirty-bitmap on, refused',
  'dirty-rate dirty-bitmap off',
  'dirty-rate page-sampling on',
  ...each(['dirty-limit', 'run', 'translation'], (kind) => `${kind} on`),
  ...each(['dirty-limit', 'run', 'translation'], (kind) => `${kind} off`),
  ...each(
    ['setup', 'log', 'active', 'sync', 'switchover', 'complete', 'fail', 'cancel', 'cleanup'],
    (step) => `migrate: ${step}`,
  ),
  ...each(['everything', 'domain', 'device'], (of) => `invalidate-context ${of}`),
  ...each(['reserved', 'unreadable'], (how) => `spoil: ${how}`),
  ...['protect', 'split', 'invalidate-pages', 'invalidate-domain', 'invalidate-iotlb'],
  ...['root-pointer', 'reset', 'dirty-sync', 'idle'],
];
