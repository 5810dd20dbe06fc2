import { expect, it } from 'vitest';
import { adviceOf } from '../../src/reports/advice.ts';
import { aFinding, aWhatIf } from '../helpers/report-builders.ts';

const release = { of: 'Whole unmaps', first: '11.0' } as const;

it('is split into what releases mend and what helps today, each text once', () => {
  const { releases, today } = adviceOf([
    aFinding({ fixDetails: { release, today: 'aw-bits=39 helps.' } }),
    aFinding({ rule: 'VTD006', fixDetails: { release, today: 'Unplug the device.' } }),
    aFinding({ rule: 'VTD002', fixDetails: { release: { of: 'Pages', first: null } } }),
    aFinding({ rule: 'VTD008', fixDetails: { today: 'Unplug the device.' } }),
  ]);
  expect(releases).toEqual([
    { text: 'Whole unmaps: fixed in QEMU 11.0.', rules: ['VTD001', 'VTD006'] },
    { text: 'Pages: no release fixes this yet.', rules: ['VTD002'] },
  ]);
  expect(today).toEqual([
    { text: 'aw-bits=39 helps.', rules: ['VTD001'] },
    { text: 'Unplug the device.', rules: ['VTD006', 'VTD008'] },
  ]);
});

it('leaves out what only follows from something else, and keeps what helps all the same', () => {
  const followsFrom = 'mappings left behind: see there';
  const { releases, today } = adviceOf([
    aFinding({ rule: 'VTD009', fixDetails: { followsFrom } }),
    aFinding({ rule: 'VTD005', fixDetails: { followsFrom, today: 'Unplug the device.' } }),
  ]);
  expect(releases).toEqual([]);
  expect(today).toEqual([{ text: 'Unplug the device.', rules: ['VTD005'] }]);
});

it('leaves warnings out beside errors only', () => {
  const warning = aWhatIf({ rule: 'VTD012', fixDetails: { today: 'Map less.' } });
  const error = aFinding({ fixDetails: { today: 'Use iommufd.' } });
  expect(adviceOf([warning]).today.map(({ text }) => text)).toEqual(['Map less.']);
  expect(adviceOf([warning, error]).today.map(({ text }) => text)).toEqual(['Use iommufd.']);
});

it('is of no text that a finding says, but of its data alone', () => {
  const fix = 'Whole unmaps: fixed in QEMU 11.0. Today: unplug the device.';
  expect(adviceOf([aFinding({ fix, fixDetails: {} })])).toEqual({ releases: [], today: [] });
});
