import { LINE_START } from '../patterns.ts';

/** Bytes of such a beginning before and behind the byte that betrays it: `@`, `Z` or `+`. */
const BEFORE = 30;
const BEHIND = 22;

const SPACE = 0x20;
const PLUS = 0x2b;
const ZERO = 0x30;
const NINE = 0x39;
const AT = 0x40;
const LETTER_Z = 0x5a;

/** By byte: 1 where it may betray the beginning of a line. */
export const BETRAYS = new Uint8Array(256);
for (const byte of [AT, LETTER_Z, PLUS]) BETRAYS[byte] = 1;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** True where the byte at `at`, one that betrays, belongs to a line that begins behind `from`. */
export function isInLineStart(bytes: Uint8Array, from: number, at: number): boolean {
  const next = bytes[at + 1];
  const isLikely = isDigit(bytes[at - 1]) && (isDigit(next) || next === SPACE);
  if (!isLikely) return false;
  const around = bytes.subarray(Math.max(from, at - BEFORE), at + BEHIND);
  return LINE_START.test(Buffer.from(around).toString('latin1'));
}
