import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressOfPage,
  addressOfWords,
  hex,
  hexOfPages,
  hexOfWords,
  humanSize,
  LAST_PAGE,
  PAGE_BYTES,
  PAGE_SHIFT,
  pageOf,
  pageOfWords,
  parseSize,
  U64_MAX,
  wrap64,
} from '../../src/base/address.ts';
import { u64 } from '../helpers/arbitraries.ts';

const wordsOf = (value: bigint) => [Number(value >> 32n), Number(value & 0xffff_ffffn)] as const;

describe('the forms of an address', () => {
  it('agree with each other', () => {
    fc.assert(
      fc.property(u64, (value) => {
        const [high, low] = wordsOf(value);
        expect(addressOfWords(high, low)).toBe(value);
        expect(pageOfWords(high, low)).toBe(pageOf(value));
        expect(addressOfPage(pageOf(value))).toBe(value & ~0xfffn);
        expect(hexOfWords(high, low)).toBe(`0x${value.toString(16)}`);
        expect(hex(value)).toBe(`0x${value.toString(16)}`);
        expect(hexOfPages(pageOf(value))).toBe(hex(value & ~0xfffn));
        expect(BigInt(hex(value))).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('reach to both ends', () => {
    expect(pageOf(U64_MAX)).toBe(LAST_PAGE);
    expect(pageOfWords(0xffff_ffff, 0xffff_ffff)).toBe(LAST_PAGE);
    expect(hexOfPages(0)).toBe('0x0');
    expect(hexOfPages(2 ** 52)).toBe('0x10000000000000000');
    expect(addressOfPage(2 ** 52)).toBe(1n << 64n);
    expect(hex(0)).toBe('0x0');
    expect(2 ** PAGE_SHIFT).toBe(PAGE_BYTES);
  });

  it('wrap at 2^64, as sums of them do in QEMU', () => {
    fc.assert(
      fc.property(u64, u64, (a, b) => {
        expect(wrap64(a + b)).toBe((a + b) % 2n ** 64n);
        expect(wrap64(wrap64(a - b) + b)).toBe(a);
      }),
    );
    expect(wrap64(U64_MAX + 1n)).toBe(0n);
  });
});

describe('parseSize', () => {
  it.each([
    ['0', 0n],
    ['4096', 4096n],
    ['0x1000', 4096n],
    ['0XFFFFFFFFFFFFFFFF', U64_MAX],
    ['16k', 16_384n],
    ['2M', 2n ** 21n],
    ['8 GiB', 2n ** 33n],
    [' 1TiB ', 2n ** 40n],
    ['1tb', 2n ** 40n],
    ['3p', 3n * 2n ** 50n],
    ['0x10g', 2n ** 34n],
    ['16383p', 16_383n * 2n ** 50n],
  ])('reads %s', (text, size) => {
    expect(parseSize(text)).toBe(size);
  });

  it.each([
    '',
    ' ',
    'k',
    '-1',
    '1.5g',
    '4x',
    '0x',
    '1e3',
    '4 k k',
    '16384p',
    '18446744073709551616',
  ])('does not read "%s"', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('reads every 64-bit number, decimal and hexadecimal', () => {
    fc.assert(
      fc.property(u64, (value) => {
        expect(parseSize(String(value))).toBe(value);
        expect(parseSize(hex(value))).toBe(value);
      }),
    );
  });
});

describe('humanSize', () => {
  it.each([
    [0, '0 bytes'],
    [1, '1 byte'],
    [1023, '1023 bytes'],
    [1024, '1 KiB'],
    [1536, '1.50 KiB'],
    [20_000, '19.5 KiB'],
    [0x1000_0000_0000n, '16 TiB'],
    [1n << 64n, '16 EiB'],
  ])('%s is %s', (bytes, text) => {
    expect(humanSize(bytes)).toBe(text);
  });
});
