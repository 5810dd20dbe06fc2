import { wrap64 } from '../../../base/address.ts';
import { dmaAlignedPow2Mask } from '../dma-aligned-pow2-mask.ts';
import type { AddressRange } from '../viommu.ts';

/** `VTD_PAGE_SIZE` (hw/i386/intel_iommu_internal.h). */
const VTD_PAGE_SIZE = 0x1000n;

/** `VTD_ADDRESS_SIZE` (hw/i386/intel_iommu_internal.h; VTD_HOST_ADDRESS_WIDTH and `aw-bits`): the first address behind the space. */
function vtdAddressSize(awBits: number): bigint {
  return 1n << BigInt(awBits);
}

/** One UNMAP of a whole unmap: `size` bytes from `iova`. All carry address 0 and no permission. */
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
 * not tracked) over the notifier `n`, with an address width of `awBits`, statement by statement. What
 * it then takes from the shadow is the range from `n.start` over `total`, in 7.2 one byte more.
 */
export function vtdAddressSpaceUnmap(n: AddressRange, awBits: number): PieceList {
  let start = n.start;
  let end = n.end;
  // Clamped to the address width.
  if (end > vtdAddressSize(awBits) - 1n) end = vtdAddressSize(awBits) - 1n;
  if (start > end) return { pieces: [], total: 0n, abort: 'start above the clamped end' };

  const total = wrap64(end - start + 1n);
  let remain = total;
  const pieces: Piece[] = [];
  while (remain >= VTD_PAGE_SIZE) {
    const mask = dmaAlignedPow2Mask(start, end, awBits);
    const size = wrap64(mask + 1n);
    // An assertion: with a width below 64 bits no mask covers everything.
    if (size === 0n) break;
    // IOMMU_NOTIFIER_UNMAP, IOMMU_NONE, translated_addr 0: to this notifier only.
    pieces.push({ iova: start, size });
    start = wrap64(start + size);
    remain = wrap64(remain - size);
  }
  return {
    pieces,
    total: total - remain,
    abort: remain === 0n ? null : 'remainder below one page',
  };
}
