import { wrap64 } from '../../base/address.ts';

/** Pages of 4 KiB in 2^64 bytes. */
const ALL_PAGES = 2 ** 52;

/**
 * Largest dirty bitmap that type1 takes in one request: `DIRTY_BITMAP_SIZE_MAX` of
 * drivers/vfio/vfio_iommu_type1.c, 256 MiB, reported to QEMU in the migration capability.
 */
export const DEFAULT_BITMAP_LIMIT = 0x1000_0000;

/**
 * Bytes of the bitmap that QEMU allocates for an unmap of `size` bytes: one bit per host page,
 * rounded up to 64 bits; both roundings wrap modulo 2^64 as `vfio_dma_unmap_bitmap` (7.2) and
 * `vfio_legacy_dma_unmap_get_dirty_bitmap` (11) do.
 */
export function dirtyBitmapBytes(size: bigint, hostPageSize: number): bigint {
  const page = BigInt(hostPageSize);
  const pages = wrap64(size + page - 1n) / page;
  return (wrap64(pages + 63n) / 64n) * 8n;
}

/**
 * The same for a size of whole 4 KiB pages, up to 2^52 of them, without bigints. A size within one
 * host page of the whole space wraps to none, as in QEMU.
 */
export function dirtyBitmapBytesOfPages(pages: number, hostPageSize: number): number {
  const pagesEach = hostPageSize / 4096;
  if (pages + pagesEach > ALL_PAGES) return 0;
  const hostPages = Math.ceil(pages / pagesEach);
  return Math.ceil(hostPages / 64) * 8;
}

/**
 * True where the container refuses the bitmap, so that QEMU's unmap returns -7 (E2BIG): the check in
 * `vfio_dma_unmap_bitmap` (hw/vfio/common.c in 7.2, container.c in 10.0, container-legacy.c in 10.2).
 */
export function isBitmapTooBig(bytes: number, limitBytes: number): boolean {
  return bytes > limitBytes;
}
