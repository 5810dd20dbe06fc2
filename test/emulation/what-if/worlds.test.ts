import { describe, expect, it } from 'vitest';
import { PcRamLayout } from '../../../src/emulation/ram-layout.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../../src/emulation/viommu/notifiers.ts';
import { machineMatrix } from '../../../src/emulation/what-if/matrix.ts';
import { type Target, Worlds } from '../../../src/emulation/what-if/worlds.ts';

const NOTIFIERS = [HIGH_NOTIFIER, LOW_NOTIFIER];
const SPANS = [
  { first: 0xfef00, last: 2 ** 52 - 1 },
  { first: 0, last: 0xfedff },
];
const TARGET: Target = { device: 0, container: 0, iommufdTracks: true, deviceTracking: false };
const OFF = { globalDirty: false, migrationRunning: false, saving: false };
const RATE = { ...OFF, globalDirty: true };
const HOST = {
  ram: new PcRamLayout(0x40000),
  bitmapBytes: 0x1000_0000,
  entryLimit: 65535,
};

const worlds = (host = HOST) => new Worlds(machineMatrix(), host);

/** What becomes of a machine with host pages of 4 KiB. */
function resultOf(all: Worlds, from: string, backend = 'legacy', awBits = 48) {
  const found = [...all.results()].find(
    ({ machine }) =>
      machine.from === from &&
      machine.backend === backend &&
      machine.awBits === awBits &&
      machine.pageSize === 4096,
  );
  if (found === undefined) throw new Error(`no ${from} ${backend} ${awBits}`);
  return found;
}

describe('the matrix', () => {
  it('has every behaviour with each container, width and page size', () => {
    const machines = machineMatrix();
    expect(machines).toHaveLength(13 * 2 * 3);
    const versions = machines
      .filter(
        ({ awBits, backend, pageSize }) => backend === 'iommufd' && awBits + pageSize === 4135,
      )
      .map(({ from, to }) => `${from}..${to}`);
    expect(versions).toEqual([
      '9.0..10.1',
      '10.2..10.2',
      '11.0..11.0',
      '11.1..11.1',
      'v4-patch..v4-patch',
      'v5-patch..v5-patch',
    ]);
  });
});

describe('worlds', () => {
  it('are one while every machine maps the same', () => {
    const all = worlds();
    for (let page = 0; page < 100; page += 1) all.present(TARGET, SPANS, page, page, page, 3, RATE);
    all.absent(TARGET, SPANS, 0, 1, 50, 0, RATE);
    expect(all.count).toBe(1);
    expect(resultOf(all, '10.2').host(0).size).toBe(50);
  });

  it('part where QEMU 11 passes mappings by, and join when these are gone', () => {
    const all = worlds();
    all.present(TARGET, SPANS, 0xfff00, 0xfff00, 5, 3, RATE);
    all.present(TARGET, SPANS, 0x1000, 0x1000, 6, 3, RATE);
    all.unmapWhole(TARGET, NOTIFIERS, RATE);
    expect(all.count).toBe(2);
    expect([...resultOf(all, '11.1').host(0)].map(({ first }) => first)).toEqual([0xfff00]);
    expect(resultOf(all, '11.1').tracked.stale).toBe(1);
    expect(resultOf(all, '10.2').host(0).size).toBe(0);
    expect(resultOf(all, '10.2').tracked.stale).toBe(0);
    all.unmapWhole(TARGET, NOTIFIERS, OFF);
    expect(all.count).toBe(1);
    expect(resultOf(all, '11.1').tracked.stale).toBe(1);
  });

  it('count a mapping inside a piece that fails, by page size', () => {
    const all = worlds();
    all.present(TARGET, SPANS, 2 ** 35, 2 ** 35, 5, 3, RATE);
    all.unmapWhole(TARGET, NOTIFIERS, RATE);
    const small = resultOf(all, '10.2');
    expect(small.tracked).toMatchObject({ failures: 4, e2big: 4, stale: 1 });
    const large = [...all.results()].find(
      ({ machine }) =>
        machine.from === '10.2' &&
        machine.backend === 'legacy' &&
        machine.awBits === 48 &&
        machine.pageSize === 65_536,
    );
    expect(large?.tracked).toMatchObject({ failures: 0, stale: 0 });
    // A vIOMMU of 39 bits has no such address.
    expect(resultOf(all, '10.2', 'legacy', 39).tracked).toMatchObject({ failures: 0, stale: 0 });
  });

  it('say what would fail, where nothing is tracked, and leave nothing', () => {
    const all = worlds();
    all.present(TARGET, SPANS, 2 ** 35, 2 ** 35, 5, 3, OFF);
    all.unmapWhole(TARGET, NOTIFIERS, OFF);
    const { tracked, untracked, host } = resultOf(all, '10.2');
    expect(tracked).toMatchObject({ unmaps: 0, stale: 0 });
    expect(untracked).toMatchObject({ e2big: 4, stale: 1 });
    expect(host(0).size).toBe(0);
  });

  it('keep what was counted when they part and join', () => {
    const all = worlds();
    for (let round = 0; round < 40; round += 1) {
      all.present(TARGET, SPANS, 0xfff00, 0xfff00, 5, 3, RATE);
      all.present(TARGET, SPANS, 0x1000, 0x1000, round, 3, RATE);
      all.absent(TARGET, SPANS, 0x1000, 1, 1, 0, RATE);
      all.unmapWhole(TARGET, NOTIFIERS, RATE);
      all.unmapWhole(TARGET, NOTIFIERS, OFF);
    }
    expect(all.count).toBe(1);
    // What leads to page 0 is marked as it should be.
    expect(resultOf(all, '11.1').tracked).toMatchObject({ unmaps: 40, losing: 39, stale: 40 });
    expect(resultOf(all, '11.1').tracked.risk.pages).toBe(39);
    expect(resultOf(all, '10.2').tracked).toMatchObject({ unmaps: 40 * 29, e2big: 160, stale: 0 });
  });

  it('know what QEMU 7.2 asks for', () => {
    const all = worlds();
    all.present(TARGET, SPANS, 0x1000, 0x1000, 5, 3, RATE);
    all.absent(TARGET, SPANS, 0x1000, 1, 1, 0, RATE);
    expect(resultOf(all, '7.2').tracked.unmaps).toBe(0);
    expect(resultOf(all, '8.1').tracked.queries.bitmap).toBe(1);
    expect(resultOf(all, '9.0', 'iommufd').tracked.queries.none).toBe(1);
    expect(resultOf(all, '11.0', 'iommufd').tracked.queries.before).toBe(1);
    const saving = worlds();
    saving.present(TARGET, SPANS, 0x1000, 0x1000, 5, 3, RATE);
    saving.absent(TARGET, SPANS, 0x1000, 1, 1, 0, { ...RATE, saving: true });
    expect(resultOf(saving, '7.2').tracked.queries.bitmap).toBe(1);
  });

  it('unmap by node in a migration with the patches, and in pieces for a dirty rate', () => {
    for (const [tracking, unmaps] of [
      [RATE, 28],
      [{ ...RATE, migrationRunning: true }, 1],
    ] as const) {
      const all = worlds();
      all.present(TARGET, SPANS, 0x1000, 0x1000, 5, 3, OFF);
      all.unmapWhole(TARGET, NOTIFIERS, tracking);
      expect(resultOf(all, 'v5-patch').tracked.unmaps).toBe(unmaps);
      expect(resultOf(all, '11.0').tracked.unmaps).toBe(1);
      expect(resultOf(all, '10.2').tracked.unmaps).toBe(28);
    }
  });

  it('change a translation in place, and map it once', () => {
    const all = worlds();
    all.present(TARGET, SPANS, 0x1000, 0x1000, 5, 3, RATE);
    all.present(TARGET, SPANS, 0x1000, 0x1000, 7, 3, RATE);
    all.present(TARGET, SPANS, 0x1000, 0x1000, 7, 3, RATE);
    const { tracked, host } = resultOf(all, '10.2');
    expect(tracked).toMatchObject({ unmaps: 1, losing: 1, failedMaps: 0 });
    expect([...host(0)]).toMatchObject([{ first: 0x1000, value: 7 }]);
  });

  it('stop, or cut, at an event that crosses the interrupt range', () => {
    const all = worlds();
    all.present(TARGET, SPANS, 0x1000, 0x1000, 5, 3, OFF);
    all.absent(TARGET, SPANS, 0, 2 ** 27, 1, 0, OFF);
    expect(resultOf(all, '8.1').tracked.aborts).toBe(2);
    expect(resultOf(all, '10.2').tracked.aborts).toBe(0);
    expect(resultOf(all, '10.2').host(0).size).toBe(0);
  });

  it('refuse a MAP at the limit of type1, and not of iommufd', () => {
    const all = worlds({ ...HOST, entryLimit: 2 });
    for (let page = 0; page < 3; page += 1) all.present(TARGET, SPANS, page, page, page, 3, OFF);
    expect(resultOf(all, '10.2').tracked.failedMaps).toBe(1);
    expect(resultOf(all, '10.2', 'iommufd').tracked.failedMaps).toBe(0);
  });

  it('unmap the range of a notifier as it is registered up to 8.0', () => {
    const all = worlds();
    all.registered(TARGET, LOW_NOTIFIER, OFF);
    expect(resultOf(all, '7.2').untracked.unmaps).toBe(10);
    expect(resultOf(all, '8.1').untracked.unmaps).toBe(0);
  });

  it('remove sections with an entry for RAM from 11.0 on', () => {
    const all = worlds();
    expect(all.sectionAdded(0, 0x100, 0x1ff, 3)).toBe(true);
    expect(all.sectionAdded(0, 0x100, 0x1ff, 3)).toBe(false);
    all.sectionRemoved({ ...TARGET, device: -1 }, 0x100, 0x1ff, RATE);
    expect(resultOf(all, '10.2').tracked).toMatchObject({ losing: 1, queries: { none: 1 } });
    expect(resultOf(all, '11.0').tracked).toMatchObject({ losing: 0, queries: { bitmap: 1 } });
    expect(resultOf(all, '11.0').host(0).size).toBe(0);
  });
});
