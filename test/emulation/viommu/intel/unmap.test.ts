import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_BITMAP_LIMIT,
  dirtyBitmapBytes,
  isBitmapTooBig,
} from '../../../../src/emulation/vfio/dirty-bitmap.ts';
import { dmaAlignedPow2Mask } from '../../../../src/emulation/viommu/dma-aligned-pow2-mask.ts';
import { vtdAddressSpaceUnmap } from '../../../../src/emulation/viommu/intel/unmap.ts';
import { u64, width } from '../../../helpers/arbitraries.ts';
import { vectors } from '../../../helpers/vectors.ts';

const hex = (value: bigint) => `0x${value.toString(16)}`;
const MAX = 0xffff_ffff_ffff_ffffn;
const PAGE = 0x1000n;

/** The mask by trying every power of two, largest first. */
function largestMask(start: bigint, end: bigint, bits: number): bigint {
  for (let shift = BigInt(bits); shift >= 0n; shift -= 1n) {
    const mask = (1n << shift) - 1n;
    if ((start & mask) === 0n && start + mask <= end) return mask;
  }
  throw new Error('a single byte always fits');
}

describe('dmaAlignedPow2Mask', () => {
  it.each(vectors.masks)('$start .. $end in $bits bits: $mask', ({ start, end, bits, mask }) => {
    expect(hex(dmaAlignedPow2Mask(BigInt(start), BigInt(end), bits))).toBe(mask);
  });

  it('is the largest aligned power of two that fits, over the full 64 bits', () => {
    fc.assert(
      fc.property(u64, u64, width, (a, b, bits) => {
        const [start, end] = a <= b ? [a, b] : [b, a];
        expect(dmaAlignedPow2Mask(start, end, bits)).toBe(largestMask(start, end, bits));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('vtdAddressSpaceUnmap', () => {
  it.each(vectors.chunks)('$id', ({ start, end, aw_bits, chunks, count, total, abort }) => {
    const found = vtdAddressSpaceUnmap({ start: BigInt(start), end: BigInt(end) }, aw_bits);
    expect(found.pieces.map(({ iova, size }) => [hex(iova), hex(size)])).toEqual(chunks);
    expect(found.pieces.length).toBe(count);
    if (total !== undefined) expect(hex(found.total)).toBe(total);
    expect(found.abort).toBe(abort?.replace('abort: ', '') ?? null);
  });

  it.each(vectors.chunks.filter(({ e2big_4k }) => e2big_4k !== undefined))(
    '$id: the pieces whose bitmap is too big with pages of 4 KiB',
    ({ start, end, aw_bits, e2big_4k }) => {
      const { pieces } = vtdAddressSpaceUnmap({ start: BigInt(start), end: BigInt(end) }, aw_bits);
      const tooBig = pieces.filter(({ size }) =>
        isBitmapTooBig(Number(dirtyBitmapBytes(size, 4096)), DEFAULT_BITMAP_LIMIT),
      );
      expect(tooBig.map(({ iova, size }) => [hex(iova), hex(size)])).toEqual(e2big_4k);
    },
  );

  it('covers a notifier of whole pages up to the address width, without gap or overlap', () => {
    fc.assert(
      fc.property(u64, u64, fc.constantFrom(39, 48, 57), (a, b, awBits) => {
        const [low, high] = a <= b ? [a, b] : [b, a];
        const start = low & ~(PAGE - 1n);
        const end = high | (PAGE - 1n);
        const top = (1n << BigInt(awBits)) - 1n;
        const { pieces, abort, total } = vtdAddressSpaceUnmap({ start, end }, awBits);
        if (start > top) {
          expect(abort).not.toBeNull();
          return;
        }
        let next = start;
        for (const { iova, size } of pieces) {
          expect(iova).toBe(next);
          expect(size & (size - 1n)).toBe(0n);
          expect(iova % size).toBe(0n);
          next = iova + size;
        }
        expect(next - 1n).toBe(end < top ? end : top);
        expect(total).toBe(next - start);
        expect(abort).toBeNull();
      }),
    );
  });

  it('wraps at the end of the 64-bit space', () => {
    const { pieces } = vtdAddressSpaceUnmap({ start: MAX - 0x1fffn, end: MAX }, 64);
    expect(pieces).toEqual([{ iova: MAX - 0x1fffn, size: 0x2000n }]);
  });
});
