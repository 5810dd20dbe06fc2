// Lines that another program has put around those of QEMU. What one that was read has in common with
// others is a form: bytes to be compared, a fraction of a second to be read, and QEMU's own text.

import {
  FORM_BYTES,
  FORM_FIRST_PIECE,
  FORM_LITERALS,
  FORM_NANOSECONDS,
  FORM_PIECES,
  FORM_SECONDS,
  FORM_SOURCE,
  FORM_THREAD,
  FORMS,
  FORMS_BYTES,
  FRACTION,
  LITERAL,
  PIECE_BYTES,
} from './contract';
import { isDigit } from './digits';

/** The forms that are known. */
const TABLE = memory.data(FORMS_BYTES, 64);
/** Of the one that was found last, and of the one that was made last. */
let found: u32 = 0;
let newest: u32 = 0;

/** Nanoseconds of one unit of a fraction's last digit, by how many digits it has. */
const UNITS = memory.data<u32>(
  [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1],
  4,
);

/** Of the line that was entered last. */
export let seconds: u32 = 0;
export let nanoseconds: u32 = 0;
export let thread: u32 = 0;
export let source: u32 = 0;

/** Forgets all forms. */
export function forgetForms(): void {
  for (let form: u32 = 0; form < FORMS; form++) store<u32>(TABLE + form * FORM_BYTES, 0, FORM_PIECES);
}

/** Where a new form is to be written; it takes the place of the oldest. */
export function newForm(): usize {
  newest = (newest + 1) & (FORMS - 1);
  found = newest;
  return TABLE + newest * FORM_BYTES;
}

/** Where QEMU's text begins in the line at `at`, if it is of a known form; else 0. */
// @ts-ignore: decorator
@inline
export function enter(at: usize): usize {
  const text = match(TABLE + found * FORM_BYTES, at);
  return text != 0 ? text : enterOther(at);
}

function enterOther(at: usize): usize {
  for (let step: u32 = 1; step < FORMS; step++) {
    const index = (found + step) & (FORMS - 1);
    const text = match(TABLE + index * FORM_BYTES, at);
    if (text == 0) continue;
    found = index;
    return text;
  }
  return 0;
}

function match(form: usize, at: usize): usize {
  const count = load<u32>(form, FORM_PIECES);
  if (count == 0) return 0;
  let p = at;
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
      let value: u32 = 0;
      for (let index: u32 = 0; index < length; index++) {
        const digit: u32 = load<u8>(p + index);
        if (!isDigit(digit)) return 0;
        value = value * 10 + (digit - 48);
      }
      nanoseconds = value * load<u32>(UNITS + (length << 2));
    }
    p += length;
  }
  seconds = load<u32>(form, FORM_SECONDS);
  thread = load<u32>(form, FORM_THREAD);
  source = load<u32>(form, FORM_SOURCE);
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
