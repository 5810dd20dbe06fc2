import { expect, test } from 'vitest';
import { countText, listed, plural, timesText } from '../../src/base/words.ts';

test('numbers are grouped from ten thousand on, as English does', () => {
  const english = new Intl.NumberFormat('en-US');
  for (const count of [10_000, 72_330, 999_999, 1_000_000, 123_456_789, 2 ** 53 - 1])
    expect(countText(count)).toBe(english.format(count));
  expect([0, 1, 999, 1000, 9999].map(countText)).toEqual(['0', '1', '999', '1000', '9999']);
});

test('counts and lists in words', () => {
  expect([plural(1, 'unmap'), plural(0, 'unmap'), plural(72_330, 'unmap')]).toEqual([
    '1 unmap',
    '0 unmaps',
    '72,330 unmaps',
  ]);
  expect([timesText(1), timesText(12_000)]).toEqual(['once', '12,000 times']);
  expect([listed([]), listed(['a']), listed(['a', 'b', 'c'], 'or')]).toEqual([
    '',
    'a',
    'a, b or c',
  ]);
});
