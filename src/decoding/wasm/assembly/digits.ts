// Digits, sixteen at a time, and the ends of lines. All functions may load up to 16 bytes behind the
// place they are given.

const LF: u32 = 0x0a;
const CR: u32 = 0x0d;
const SPACE: u32 = 0x20;

/** For n digits, n = 0 to 16: which bytes of a vector to take so that they stand at its end. */
const TO_THE_END = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6,
  255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7,
  255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8,
  255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
  255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
  255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
  255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
], 16);

// @ts-ignore: decorator
@inline
export function isDigit(byte: u32): bool {
  return byte - 48 < 10;
}

/** How many hexadecimal digits, of either case, `text` begins with: 0 to 16. */
// @ts-ignore: decorator
@inline
export function hexLength(text: v128): u32 {
  const fromZero = i8x16.sub(text, i8x16.splat(48));
  const fromA = i8x16.sub(v128.or(text, i8x16.splat(32)), i8x16.splat(97));
  const isHex = v128.or(
    i8x16.lt_u(fromZero, i8x16.splat(10)),
    i8x16.lt_u(fromA, i8x16.splat(6)),
  );
  return ctz(~i8x16.bitmask(isHex));
}

/** The number that the first `length` of these digits are. */
// @ts-ignore: decorator
@inline
export function hexValue(text: v128, length: u32): u64 {
  const fromZero = i8x16.sub(text, i8x16.splat(48));
  const fromTen = i8x16.sub(v128.or(text, i8x16.splat(32)), i8x16.splat(87));
  const nibbles = v128.bitselect(fromZero, fromTen, i8x16.lt_u(fromZero, i8x16.splat(10)));
  const aligned = i8x16.swizzle(nibbles, v128.load(TO_THE_END + (length << 4)));
  const pairs = v128.or(i16x8.shl(aligned, 4), i16x8.shr_u(aligned, 8));
  const bytes = i8x16.shuffle(pairs, pairs, 14, 12, 10, 8, 6, 4, 2, 0, 14, 12, 10, 8, 6, 4, 2, 0);
  return v128.extract_lane<u64>(bytes, 0);
}

/** Whether the first six bytes of eight are decimal digits. */
// @ts-ignore: decorator
@inline
export function areSixDigits(text: u64): bool {
  const high: u64 = 0x0000f0f0f0f0f0f0;
  const three: u64 = 0x0000303030303030;
  return (text & high) == three && ((text + 0x0000060606060606) & high) == three;
}

/** The number that they are. */
// @ts-ignore: decorator
@inline
export function sixDigits(text: u64): u32 {
  // As eight digits of which the first two are 0: pairs, then fours, then all.
  const digits = (text << 16) & 0x0f0f0f0f0f0f0000;
  const pairs = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff;
  const fours = (pairs * 100 + (pairs >> 16)) & 0x0000ffff0000ffff;
  return <u32>((fours * 10000 + (fours >> 32)) & 0xffffffff);
}

/** The LF behind nothing but blanks and CRs; 0 where there is anything else. */
// @ts-ignore: decorator
@inline
export function endOfLine(at: usize): usize {
  let byte: u32 = load<u8>(at);
  while (byte == CR || byte == SPACE) {
    at++;
    byte = load<u8>(at);
  }
  return byte == LF ? at : 0;
}
