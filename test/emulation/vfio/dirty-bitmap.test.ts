import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_BITMAP_LIMIT,
  dirtyBitmapBytes,
  dirtyBitmapBytesOfPages,
  isBitmapTooBig,
} from '../../../src/emulation/vfio/dirty-bitmap.ts';
import { u64 } from '../../helpers/arbitraries.ts';
import { vectors } from '../../helpers/vectors.ts';

const hostPage = fc.constantFrom(4096, 16384, 65536);
const TWO_64 = 1n << 64n;

/** C's arithmetic on unsigned 64-bit values, step by step, as `ROUND_UP` and its kin expand. */
function bytesInC(size: bigint, page: bigint): bigint {
  const pages = ((size + page - 1n) % TWO_64) / page;
  const bits = (((pages + 63n) % TWO_64) / 64n) * 64n;
  return bits / 8n;
}

describe('the dirty bitmap of an unmap', () => {
  it.each(vectors.bitmaps)('$size in pages of $host_page: $bitmap_bytes, $verdict', (vector) => {
    const bytes = dirtyBitmapBytes(BigInt(vector.size), vector.host_page);
    expect(`0x${bytes.toString(16)}`).toBe(vector.bitmap_bytes);
    // The pages are rounded up to 64 of them, a bit each.
    expect(bytes).toBe(((BigInt(vector.pages) + 63n) / 64n) * 8n);
    const isTooBig = isBitmapTooBig(Number(bytes), Number(vector.limit));
    expect(isTooBig).toBe(vector.verdict === 'E2BIG');
    expect(isTooBig ? -7 : bytes === 0n ? -12 : 0).toBe(vector.errno);
  });

  it('has the size that C arithmetic gives, over the full 64 bits', () => {
    fc.assert(
      fc.property(u64, hostPage, (size, page) => {
        expect(dirtyBitmapBytes(size, page)).toBe(bytesInC(size, BigInt(page)));
      }),
      { numRuns: 5000 },
    );
  });

  it('is the same without bigints, for whole pages', () => {
    fc.assert(
      fc.property(u64, hostPage, (size, page) => {
        const pages = size >> 12n;
        const bytes = dirtyBitmapBytesOfPages(Number(pages), page);
        expect(BigInt(bytes)).toBe(dirtyBitmapBytes(pages << 12n, page));
      }),
      { numRuns: 5000 },
    );
  });

  it('of the whole 64-bit space has no bytes: the size wraps to 0', () => {
    expect(dirtyBitmapBytesOfPages(2 ** 52, 4096)).toBe(0);
    expect(dirtyBitmapBytes(0n, 4096)).toBe(0n);
  });

  it('is refused above 8 TiB of 4 KiB pages, not at it', () => {
    const tib8 = 8n << 40n;
    const isRefused = (size: bigint) =>
      isBitmapTooBig(Number(dirtyBitmapBytes(size, 4096)), DEFAULT_BITMAP_LIMIT);
    expect(isRefused(tib8)).toBe(false);
    expect(isRefused(tib8 + 0x1000n)).toBe(true);
  });
});
