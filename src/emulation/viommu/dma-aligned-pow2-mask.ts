import { U64_MAX, wrap64 } from '../../base/address.ts';

/**
 * The mask of the largest naturally aligned power of two that starts at `start`, ends at or before
 * `end` and fits in `maxAddrBits` address bits: `dma_aligned_pow2_mask` (softmmu/dma-helpers.c in
 * 7.2, system/dma-helpers.c later; the same in all). `start <= end`, both below 2^64.
 */
export function dmaAlignedPow2Mask(start: bigint, end: bigint, maxAddrBits: number): bigint {
  const maxMask = maxAddrBits === 64 ? U64_MAX : (1n << BigInt(maxAddrBits)) - 1n;
  const sizeMask = wrap64(end - start);
  const lowestBit = start & wrap64(-start);
  const alignmentMask = start === 0n ? maxMask : min(lowestBit - 1n, maxMask);
  if (alignmentMask <= min(sizeMask, maxMask)) return alignmentMask;
  return sizeMask === U64_MAX ? U64_MAX : (1n << floorLog2(sizeMask + 1n)) - 1n;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function floorLog2(value: bigint): bigint {
  return BigInt(value.toString(2).length - 1);
}
