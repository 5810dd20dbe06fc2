import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ADDRESS_MAX,
  alignedBlockMask,
  dirtyBitmapBytes,
  type GpaRange,
  hex,
  unionOfRanges,
  wholeUnmapChunks,
} from '../../../src/tools/simulator/addresses.ts';

describe('alignedBlockMask', () => {
  const cases: readonly [start: bigint, end: bigint, bits: number, mask: bigint][] = [
    [0n, ADDRESS_MAX, 64, ADDRESS_MAX],
    [0n, ADDRESS_MAX, 48, 0xffffffffffffn],
    [0n, 0n, 48, 0n],
    [1n, ADDRESS_MAX, 64, 0n],
    [0x8000000000000000n, ADDRESS_MAX, 64, 0x7fffffffffffffffn],
    [0x1000n, 0x2fffn, 48, 0xfffn],
    [0x2000n, 0x4fffn, 48, 0x1fffn],
    [0xfef00000n, ADDRESS_MAX, 48, 0xfffffn],
    [0n, 0xfedfffffn, 48, 0x7fffffffn],
    [0n, 0xfedfffffn, 20, 0xfffffn],
    [0xfffn, 0x1fffn, 48, 0n],
  ];
  test.each(cases)('from %s to %s in %i bits', (start, end, bits, mask) => {
    expect(alignedBlockMask(start, end, bits)).toBe(mask);
  });
});

describe('wholeUnmapChunks', () => {
  test('the lower notifier is ten blocks at any width', () => {
    const { chunks, total } = wholeUnmapChunks(0n, 0xfedfffffn, 48);
    expect(chunks.map(({ iova, size }) => `${hex(iova)}+${hex(size)}`)).toEqual([
      '0x0+0x80000000',
      '0x80000000+0x40000000',
      '0xc0000000+0x20000000',
      '0xe0000000+0x10000000',
      '0xf0000000+0x8000000',
      '0xf8000000+0x4000000',
      '0xfc000000+0x2000000',
      '0xfe000000+0x800000',
      '0xfe800000+0x400000',
      '0xfec00000+0x200000',
    ]);
    expect(total).toBe(0xfee00000n);
  });

  test('the upper notifier ends at the address width', () => {
    const at48 = wholeUnmapChunks(0xfef00000n, ADDRESS_MAX, 48);
    expect(at48.chunks).toHaveLength(18);
    expect(at48.total).toBe(0xffff01100000n);
    expect(at48.chunks.at(-1)).toEqual({ iova: 1n << 47n, size: 1n << 47n });
    const at39 = wholeUnmapChunks(0xfef00000n, ADDRESS_MAX, 39);
    expect(at39.chunks).toHaveLength(9);
    expect(at39.total).toBe(0x7f01100000n);
  });

  test('blocks are aligned powers of two that follow one another', () => {
    const page = fc.bigInt({ min: 0n, max: (1n << 36n) - 1n });
    fc.assert(
      fc.property(page, page, (a, b) => {
        const [first, last] = a < b ? [a, b] : [b, a];
        const { chunks, total } = wholeUnmapChunks(first << 12n, (last << 12n) | 0xfffn, 48);
        let next = first << 12n;
        for (const { iova, size } of chunks) {
          expect(iova).toBe(next);
          expect(size & (size - 1n)).toBe(0n);
          expect(iova % size).toBe(0n);
          next = iova + size;
        }
        expect(next).toBe((last + 1n) << 12n);
        expect(total).toBe((last - first + 1n) << 12n);
      }),
    );
  });
});

describe('dirtyBitmapBytes', () => {
  const cases: readonly [page: number, size: bigint, bytes: bigint][] = [
    [4096, 0x1000n, 0x8n],
    [4096, 0x41000n, 0x10n],
    [4096, 0x80000000000n, 0x10000000n],
    [4096, 0x80000001000n, 0x10000008n],
    [4096, 0x100000000000n, 0x20000000n],
    [16384, 0x200000n, 0x10n],
    [16384, 0x400000000000n, 0x20000000n],
    [65536, 0x810000n, 0x18n],
    [65536, 0x800000000000n, 0x10000000n],
  ];
  test.each(cases)('%i-byte pages, %s bytes', (page, size, bytes) => {
    expect(dirtyBitmapBytes(size, page)).toBe(bytes);
  });

  test('a size next to 2^64 wraps to no pages at all', () => {
    expect(dirtyBitmapBytes(ADDRESS_MAX, 4096)).toBe(0n);
  });
});

test('unionOfRanges covers the same bytes, in ranges that do not touch', () => {
  const range = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 9 }));
  fc.assert(
    fc.property(fc.array(range), (ranges) => {
      const asked = ranges.map(([start, size]): GpaRange => [BigInt(start), BigInt(size)]);
      const union = unionOfRanges(asked);
      const bytesOf = (all: readonly GpaRange[]) =>
        new Set(
          all.flatMap(([start, size]) =>
            Array.from({ length: Number(size) }, (_, i) => Number(start) + i),
          ),
        );
      expect(bytesOf(union)).toEqual(bytesOf(asked));
      union.slice(1).forEach(([start], i) => {
        const [before = 0n, size = 0n] = union[i] ?? [];
        expect(start).toBeGreaterThan(before + size);
      });
    }),
  );
});
