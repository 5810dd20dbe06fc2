/** 64-bit addresses as bigint, and the two pieces of arithmetic that everything else uses. */

/** 2^64 - 1: what QEMU writes for "the end of the address space". */
export const ADDRESS_MAX = (1n << 64n) - 1n;

/** Bytes of the smallest guest page. */
export const PAGE_SIZE = 4096n;

/** A range of guest-physical memory: start and length in bytes. */
export type GpaRange = readonly [gpa: bigint, size: bigint];

/** printf's `0x%PRIx64`: lower case, no padding. */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** Reduces to 64 bits, as QEMU's unsigned arithmetic does. */
export function wrap64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

export function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

export function maximum(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** The exact union of ranges: sorted, and touching ranges joined. */
export function unionOfRanges(ranges: readonly GpaRange[]): GpaRange[] {
  const sorted = [...ranges].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const union: { start: bigint; end: bigint }[] = [];
  for (const [start, size] of sorted) {
    const previous = union.at(-1);
    if (previous !== undefined && start <= previous.end) {
      previous.end = maximum(previous.end, start + size);
    } else {
      union.push({ start, end: start + size });
    }
  }
  return union.map(({ start, end }) => [start, end - start] as const);
}

/**
 * Size of the biggest naturally aligned power-of-two block that starts at `start` and does not pass `end`, minus one.
 * Source: `dma_aligned_pow2_mask`, the same in 7.2 to 10.2.
 * @param bits address width; a block never exceeds 2^bits
 */
export function alignedBlockMask(start: bigint, end: bigint, bits: number): bigint {
  const cap = bits === 64 ? ADDRESS_MAX : (1n << BigInt(bits)) - 1n;
  const span = wrap64(end - start);
  const alignment = start === 0n ? cap : minimum((start & -start) - 1n, cap);
  if (alignment <= minimum(span, cap)) return alignment;
  return span === ADDRESS_MAX ? ADDRESS_MAX : (1n << floorLog2(span + 1n)) - 1n;
}

/** The blocks in which a whole unmap of the notifier [start, end] is sent, in order. */
export function wholeUnmapChunks(
  start: bigint,
  end: bigint,
  addressWidth: number,
): { chunks: { iova: bigint; size: bigint }[]; total: bigint } {
  const last = minimum(end, (1n << BigInt(addressWidth)) - 1n);
  const chunks: { iova: bigint; size: bigint }[] = [];
  const total = last >= start ? last - start + 1n : 0n;
  let at = start;
  for (let left = total; left >= PAGE_SIZE; ) {
    const size = alignedBlockMask(at, last, addressWidth) + 1n;
    chunks.push({ iova: at, size });
    at += size;
    left -= size;
  }
  return { chunks, total };
}

/**
 * Bytes of the dirty bitmap of an unmap of `size` bytes: one bit per host page, in whole 64-bit words.
 * The page count wraps at 2^64 as in QEMU.
 */
export function dirtyBitmapBytes(size: bigint, hostPageSize: number): bigint {
  const page = BigInt(hostPageSize);
  const pages = wrap64(((size + page - 1n) / page) * page) / page;
  return ((pages + 63n) / 64n) * 8n;
}

function floorLog2(value: bigint): bigint {
  return BigInt(value.toString(2).length - 1);
}
