// Lines that another program has made of those of QEMU, or of its events. What one that was read has
// in common with others is a form: bytes to be compared, numbers to be read, and QEMU's own text.

import {
  ANY,
  DECIMAL,
  DIGITS,
  ELAPSED,
  FIGURES,
  FORM_BYTES,
  FORM_FIRST_PIECE,
  FORM_LINES,
  FORM_LITERALS,
  FORM_NANOSECONDS,
  FORM_PIECES,
  FORM_RECORD,
  FORM_RECORD_WORDS,
  FORM_SECONDS,
  FORM_SLOT,
  FORM_SOURCE,
  FORM_THREAD,
  FORMS,
  FORMS_BYTES,
  FRACTION,
  GROUPED_DECIMAL,
  GROUPED_DECIMAL_WIDE,
  GROUPED_HEX,
  GROUPED_HEX_WIDE,
  HEX,
  HEX_WIDE,
  LITERAL,
  PIECE_BYTES,
  REST,
  STRING,
  TEXT,
} from './contract';
import { hexLength, hexValue, isDigit } from './digits';

const LF: u8 = 0x0a;
const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const COMMA: u32 = 0x2c;
const DOT: u32 = 0x2e;
const ZERO: u32 = 0x30;
const COLON: u32 = 0x3a;
const LETTER_A: u32 = 0x61;
const BACKSLASH: u8 = 0x5c;

/** The forms that are known, and for each the one of the line that came behind such a line last. */
const TABLE = memory.data(FORMS_BYTES, 64);
const FOLLOWERS = memory.data(256, 16);
/** Of the one that was found last, and of the one that was made last. */
let found: u32 = 0;
let newest: u32 = 0;

/** Nanoseconds of one unit of a fraction's last digit, by how many digits it has. */
const UNITS = memory.data<u32>(
  [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1],
  4,
);

const SECOND: u64 = 1_000_000_000;
/** As far as a double counts, which those use who set the clock; and the longest time in a line. */
const LAST_NANOSECOND: u64 = 0x1f_ffff_ffff_ffff;
const MOST_MICROSECONDS: u64 = 1_000_000_000_000;

/** Nanoseconds of those lines that tell how many have passed since the one before. */
export let clock: u64 = 0;

export function setClock(nanoseconds: f64): void {
  clock = <u64>nanoseconds;
}

/** Of the line that was entered last. */
export let seconds: u32 = 0;
export let nanoseconds: u32 = 0;
export let thread: u32 = 0;
export let source: u32 = 0;
/** Its record, which it is but for the place and the time; 0 where it has QEMU's text. */
export let record: usize = 0;
/** The slot of the name that it counts, and nothing else; or 0. */
export let slot: usize = 0;
/** How many lines it spans. */
export let lines: u32 = 0;
/** Where the next line begins; 0 where QEMU's text ends with the line. */
export let next: usize = 0;

/** Forgets all forms. */
export function forgetForms(): void {
  for (let form: u32 = 0; form < FORMS; form++) store<u32>(TABLE + form * FORM_BYTES, 0, FORM_PIECES);
}

/** Where a new form is to be written; it takes the place of the oldest. */
export function newForm(): usize {
  newest = (newest + 1) & (FORMS - 1);
  store<u8>(FOLLOWERS + found, <u8>newest);
  found = newest;
  return TABLE + newest * FORM_BYTES;
}

/** Where QEMU's text begins in the line at `at`, or the line ends, if it is of a known form; else 0. */
// @ts-ignore: decorator
@inline
export function enter(at: usize): usize {
  const index: u32 = load<u8>(FOLLOWERS + found);
  const text = match(TABLE + index * FORM_BYTES, at);
  if (text == 0) return enterOther(at, index);
  found = index;
  return text;
}

function enterOther(at: usize, tried: u32): usize {
  for (let index: u32 = 0; index < FORMS; index++) {
    if (index == tried) continue;
    const text = match(TABLE + index * FORM_BYTES, at);
    if (text == 0) continue;
    store<u8>(FOLLOWERS + found, <u8>index);
    found = index;
    return text;
  }
  return 0;
}

function match(form: usize, at: usize): usize {
  const count = load<u32>(form, FORM_PIECES);
  if (count == 0) return 0;
  let p = at;
  let text: usize = 0;
  let textEnd: usize = 0;
  let fraction: u32 = 0;
  let fractionDigits: u32 = 0;
  let elapsed: u64 = 0;
  let isElapsed = false;
  let literal = form + FORM_LITERALS;
  nanoseconds = load<u32>(form, FORM_NANOSECONDS);
  const end = form + FORM_FIRST_PIECE + count * PIECE_BYTES;
  for (let piece = form + FORM_FIRST_PIECE; piece < end; piece += PIECE_BYTES) {
    const what = load<u32>(piece);
    const length = load<u32>(piece, 4);
    if (what == LITERAL) {
      if (!isSame(p, literal, length)) return 0;
      literal += (length + 15) & ~15;
    } else if (what == FRACTION) {
      for (let index: u32 = 0; index < length; index++) {
        const digit: u32 = load<u8>(p + index);
        if (!isDigit(digit)) return 0;
        fraction = fraction * 10 + (digit - ZERO);
      }
      fractionDigits += length;
      nanoseconds = fraction * load<u32>(UNITS + (fractionDigits << 2));
    } else if (what == FIGURES) {
      for (let index: u32 = 0; index < length; index++) {
        if (!isDigit(load<u8>(p + index))) return 0;
      }
    } else if (what == ELAPSED) {
      const digits = p;
      while (isDigit(load<u8>(p)) && elapsed < MOST_MICROSECONDS) {
        elapsed = elapsed * 10 + (load<u8>(p) - ZERO);
        p++;
      }
      if (p == digits || load<u8>(p) != DOT) return 0;
      for (let index: u32 = 1; index <= 3; index++) {
        const digit: u32 = load<u8>(p + index);
        if (!isDigit(digit)) return 0;
        elapsed = elapsed * 10 + (digit - ZERO);
      }
      if (clock + elapsed > LAST_NANOSECOND) return 0;
      isElapsed = true;
      p += 4;
      continue;
    } else if (what == ANY) {
      p = endOfAny(p);
      continue;
    } else if (what == REST) {
      text = p;
    } else if (what == TEXT) {
      text = p;
      p = endOfString(p);
      textEnd = p;
      continue;
    } else if (what == STRING) {
      p = endOfString(p);
      continue;
    } else if (what == DIGITS) {
      const digits = p;
      while (isDigit(load<u8>(p))) p++;
      if (p == digits || (p - digits > 1 && load<u8>(digits) == ZERO)) return 0;
      continue;
    } else {
      const words = form + FORM_RECORD + (length << 2);
      p = what >= GROUPED_DECIMAL ? groupedNumber(what, p, words) : number(what, p, words);
      if (p == 0) return 0;
      continue;
    }
    p += length;
  }
  if (textEnd != 0 || text == 0) {
    if (load<u8>(p) != LF) return 0;
    next = p + 1;
    // Behind QEMU's text there is an LF for whoever reads it.
    if (textEnd != 0) store<u8>(textEnd, LF);
  } else next = 0;
  slot = load<u32>(form, FORM_SLOT);
  lines = load<u32>(form, FORM_LINES);
  record = load<u32>(form, FORM_RECORD_WORDS) == 0 ? 0 : form + FORM_RECORD;
  seconds = load<u32>(form, FORM_SECONDS);
  thread = load<u32>(form, FORM_THREAD);
  source = load<u32>(form, FORM_SOURCE);
  if (isElapsed) {
    clock += elapsed;
    seconds = <u32>(clock / SECOND);
    nanoseconds = <u32>(clock - <u64>seconds * SECOND);
  }
  return text != 0 ? text : p;
}

/** Where a string of JSON ends, or has an escape or what none may have. */
function endOfString(at: usize): usize {
  let p = at;
  for (;;) {
    const bytes = v128.load(p);
    const ends = v128.or(
      i8x16.lt_u(bytes, i8x16.splat(SPACE)),
      v128.or(i8x16.eq(bytes, i8x16.splat(QUOTE)), i8x16.eq(bytes, i8x16.splat(BACKSLASH))),
    );
    const found = <u32>i8x16.bitmask(ends);
    if (found != 0) return p + ctz(found);
    p += 16;
  }
  return 0;
}

/** The LF of a line. */
function endOfAny(at: usize): usize {
  let p = at;
  for (;;) {
    const found = <u32>i8x16.bitmask(i8x16.eq(v128.load(p), i8x16.splat(LF)));
    if (found != 0) return p + ctz(found);
    p += 16;
  }
  return 0;
}

/** Reads a number into its words; returns where it ends, or 0 where none stands here that is read here. */
function number(what: u32, at: usize, words: usize): usize {
  let value: u64 = 0;
  let p = at;
  if (what == HEX || what == HEX_WIDE) {
    const text = v128.load(at);
    const length = hexLength(text);
    if (length == 0 || (what == HEX && length > 8)) return 0;
    value = hexValue(text, length);
    p += length;
  } else {
    // One of as many digits never exceeds its words.
    const most: usize = what == DECIMAL ? 9 : 19;
    for (;;) {
      const digit: u32 = load<u8>(p);
      if (!isDigit(digit)) break;
      value = value * 10 + (digit - ZERO);
      p++;
    }
    if (p == at || p - at > most || (p - at > 1 && load<u8>(at) == ZERO)) return 0;
  }
  if (what == HEX || what == DECIMAL) store<u32>(words, <u32>value);
  else store<u64>(words, rotl(value, 32));
  return p;
}

/** Characters of a number with marks that are read. */
const MOST_MARKED: usize = 32;

/** As `number`, of a number that has marks between groups of its digits. */
function groupedNumber(what: u32, at: usize, words: usize): usize {
  const isHex = what == GROUPED_HEX || what == GROUPED_HEX_WIDE;
  const isWide = what == GROUPED_HEX_WIDE || what == GROUPED_DECIMAL_WIDE;
  const mark = isHex ? COLON : COMMA;
  const most: u32 = isHex ? (isWide ? 16 : 8) : isWide ? 19 : 9;
  let value: u64 = 0;
  let digits: u32 = 0;
  let p = at;
  for (; ; p++) {
    const byte: u32 = load<u8>(p);
    if (byte == mark) continue;
    const letter = (byte | 0x20) - LETTER_A;
    if (isDigit(byte)) value = value * (isHex ? 16 : 10) + (byte - ZERO);
    else if (isHex && letter < 6) value = value * 16 + letter + 10;
    else break;
    digits++;
  }
  if (digits == 0 || digits > most || p - at > MOST_MARKED) return 0;
  if (!isHex && digits > 1 && load<u8>(at) == ZERO) return 0;
  if (isWide) store<u64>(words, rotl(value, 32));
  else store<u32>(words, <u32>value);
  return p;
}

/** Whether the first `length` bytes are the same. */
// @ts-ignore: decorator
@inline
function isSame(one: usize, other: usize, length: u32): bool {
  const whole = length & ~15;
  for (let at: u32 = 0; at < whole; at += 16) {
    if (v128.any_true(v128.xor(v128.load(one + at), v128.load(other + at)))) return false;
  }
  const differs = v128.xor(v128.load(one + whole), v128.load(other + whole));
  const counts = i8x16.lt_u(
    i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    i8x16.splat(<u8>(length & 15)),
  );
  return !v128.any_true(v128.and(differs, counts));
}
