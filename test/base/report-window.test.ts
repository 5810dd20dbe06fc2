import { describe, expect, it } from 'vitest';
import { deviceName, windowTime } from '../../src/base/report-window.ts';

describe('the time of a window', () => {
  it.each([
    ['+0', 'first-time', 0n],
    ['+120.5', 'first-time', 120_500_000_000n],
    ['+1.000000001', 'first-time', 1_000_000_001n],
    ['1970-01-01T00:00:01Z', 'epoch', 1_000_000_000n],
    ['1970-01-01T01:00:01.5+01:00', 'epoch', 1_500_000_000n],
    ['1970-01-01 01:01+0100', 'epoch', 60_000_000_000n],
    ['2026-11-22T07:46:33.720842001Z', 'epoch', 1_795_333_593_720_842_001n],
    ['1970-01-02t00:00:00.25z', 'epoch', 86_400_250_000_000n],
  ] as const)('%s', (text, from, nanoseconds) => {
    expect(windowTime(text)).toEqual({ from, nanoseconds });
  });

  it.each([
    '',
    '120',
    '-5',
    '+',
    '+1.',
    '+1.0000000001',
    '2026-11-22',
    '2026-11-22T07:46:33',
    '2026-02-30T00:00Z',
    '1969-12-31T23:59:59Z',
    '2026-13-01T00:00Z',
    '2026-11-22T25:00Z',
    '2026-11-22T07:46:33Z later',
  ])('is not %j', (text) => {
    expect(windowTime(text)).toBeNull();
  });
});

describe('the name of a device', () => {
  it.each([
    ['00:10.0', '00:10.0'],
    ['0000:3A:1f.7', '3a:1f.7'],
  ])('%s', (text, name) => {
    expect(deviceName(text)).toBe(name);
  });

  it.each(['', '10.0', '00:20.0', '00:10.8', '0001:00:10.0', 'vfio0'])('is not %j', (text) => {
    expect(deviceName(text)).toBeNull();
  });
});
