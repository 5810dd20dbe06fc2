/**
 * 64-bit addresses, and the crossing between their three forms: two 32-bit words (in event
 * batches), a 4 KiB page number (in the hot structures) and text (in results).
 *
 * A page number is at most 2^52 - 1 and therefore exact in a double; comparing and adding doubles
 * is two to six times quicker than doing so with bigints.
 */

/** log2 of the page that VT-d's tables and every range of this program are counted in. */
export const PAGE_SHIFT = 12;
/** Bytes in such a page. */
export const PAGE_BYTES = 4096;
/** The last page of a 64-bit address space. */
export const LAST_PAGE = 2 ** 52 - 1;
/** The largest 64-bit value; also the mask that makes bigint arithmetic wrap like QEMU's. */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;

const WORDS_TO_PAGE = 2 ** 20;

/** The page that holds the byte at `high:low`. */
export function pageOfWords(high: number, low: number): number {
  return high * WORDS_TO_PAGE + (low >>> PAGE_SHIFT);
}

/** The upper word of a page's address. */
export function highOfPage(page: number): number {
  return Math.floor(page / WORDS_TO_PAGE);
}

/** The lower word of a page's address. */
export function lowOfPage(page: number): number {
  return (page % WORDS_TO_PAGE) * PAGE_BYTES;
}

/**
 * No page. V8 lays out a field for numbers of the kind that it begins with, and compiles its readers
 * anew when another comes: fields for pages begin with this, as pages can have more than 31 bits.
 */
export const UNSET_PAGE = Number.NaN;

/** The page that holds `address`, which must lie in 0 .. 2^64 - 1. */
export function pageOf(address: bigint): number {
  return Number(address >> 12n);
}

/** First byte of page `page`; `page` may be 2^52, one past the end, so that sizes work too. */
export function addressOfPage(page: number): bigint {
  return BigInt(page) << 12n;
}

/** The 64-bit value of two words, each 0 .. 2^32 - 1. */
export function addressOfWords(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

/** `value` modulo 2^64. */
export function wrap64(value: bigint): bigint {
  return value & U64_MAX;
}

/** Lower-case hexadecimal with `0x`, as in every report. */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** `hex` of a page's first byte, or of a number of pages as a size, without making a bigint. */
export function hexOfPages(pages: number): string {
  return pages === 0 ? '0x0' : `0x${pages.toString(16)}000`;
}

/** `hex` of two words. */
export function hexOfWords(high: number, low: number): string {
  return high === 0
    ? `0x${low.toString(16)}`
    : `0x${high.toString(16)}${low.toString(16).padStart(8, '0')}`;
}

const SIZE = /^(0x[0-9a-f]+|\d+)\s*([kmgtp]?)(?:i?b)?$/i;
const SIZE_SHIFT: Readonly<Record<string, bigint>> = {
  '': 0n,
  k: 10n,
  m: 20n,
  g: 30n,
  t: 40n,
  p: 50n,
};

/**
 * A size as people write it: `4096`, `0x1000`, `16k`, `2M`, `8g`, `1TiB` (all powers of two).
 * Undefined where the text is none or exceeds 2^64 - 1.
 */
export function parseSize(text: string): bigint | undefined {
  const [, digits, unit = ''] = SIZE.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const value = BigInt(digits.toLowerCase()) << (SIZE_SHIFT[unit.toLowerCase()] ?? 0n);
  return value > U64_MAX ? undefined : value;
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** A size for people: the largest binary unit that leaves no long fraction, e.g. `16 TiB`, `1.5 GiB`. */
export function humanSize(bytes: bigint | number): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const rounded = Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
  return `${rounded} ${unit === 0 && value === 1 ? 'byte' : UNITS[unit]}`;
}
