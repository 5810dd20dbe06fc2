import { wrap64 } from '../../../base/address.ts';
import type { AddressRange } from '../viommu.ts';
import { dmaAlignedPow2Mask } from './dma-aligned-pow2-mask.ts';

const VTD_PAGE_SIZE = 0x1000n;

/** One UNMAP of a whole unmap: `size` bytes from `iova`. All carry address 0. */
export interface Piece {
  readonly iova: bigint;
  readonly size: bigint;
}

/** What `vtd_address_space_unmap` sends to one notifier, and whether QEMU would have aborted. */
export interface PieceList {
  readonly pieces: readonly Piece[];
  /** Bytes from the notifier's start to the clamped end, as `vtd_as_unmap_whole` prints them. */
  readonly total: bigint;
  /** The assertion of QEMU that the arguments violate, if any. */
  readonly abort: string | null;
}

/**
 * `vtd_address_space_unmap` (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2, and 11.0 while dirty pages are
 * not tracked: the same loop) over the notifier `n`, with an address width of `awBits`.
 */
export function vtdAddressSpaceUnmap(n: AddressRange, awBits: number): PieceList {
  const lastOfSpace = (1n << BigInt(awBits)) - 1n;
  const end = n.end > lastOfSpace ? lastOfSpace : n.end;
  if (n.start > end) return { pieces: [], total: 0n, abort: 'start above the clamped end' };

  const pieces: Piece[] = [];
  let start = n.start;
  let remain = wrap64(end - start + 1n);
  while (remain >= VTD_PAGE_SIZE) {
    const size = wrap64(dmaAlignedPow2Mask(start, end, awBits) + 1n);
    if (size === 0n) break;
    pieces.push({ iova: start, size });
    start = wrap64(start + size);
    remain = wrap64(remain - size);
  }
  const total = pieces.reduce((sum, { size }) => sum + size, 0n);
  return { pieces, total, abort: remain === 0n ? null : 'remainder below one page' };
}
