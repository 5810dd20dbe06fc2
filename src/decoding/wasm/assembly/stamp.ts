// The stamp before a line. Thousands of lines have one that differs from the one before in its
// fraction only: what stands before that is compared as a whole, and read where it is new.

import { LAST_THREAD, NO_TIME } from './contract';
import { areSixDigits, isDigit, sixDigits } from './digits';

const DOT: u32 = 0x2e;
const MINUS: u32 = 0x2d;
const COLON: u32 = 0x3a;
const AT: u32 = 0x40;
const LETTER_T: u32 = 0x54;
/** `Z ` as two bytes in the order of memory. */
const Z_BLANK: u32 = 0x205a;

/** Bytes of a stamp that are compared at most. */
const LONGEST: u32 = 32;
/** What the newest stamp begins with, up to and with its point, and 0xff for each of these bytes. */
const KNOWN = memory.data(32, 16);
const MASK = memory.data(32, 16);

/** Of the stamp that was read last. */
export let seconds: u32 = 0;
export let nanoseconds: u32 = NO_TIME;
export let thread: u32 = 0;

/** Bytes of KNOWN, or 0. */
let known: u32 = 0;
let isIso: bool = false;
let knownSeconds: u32 = 0;
let knownThread: u32 = 0;

/** The next line has no stamp. */
// @ts-ignore: decorator
@inline
export function noStamp(): void {
  seconds = 0;
  nanoseconds = NO_TIME;
  thread = 0;
}

/** Takes what the stamp does not say from what stands around the line. */
// @ts-ignore: decorator
@inline
export function completeStamp(outerSeconds: u32, outerNanoseconds: u32, outerThread: u32): void {
  if (nanoseconds == NO_TIME) {
    seconds = outerSeconds;
    nanoseconds = outerNanoseconds;
  }
  if (thread == 0) thread = outerThread;
}

/** Reads a stamp; returns where the line goes on, or 0 where none stands here that is read here. */
// @ts-ignore: decorator
@inline
export function readStamp(at: usize): usize {
  let fraction: usize;
  if (known != 0 && isKnown(at)) {
    fraction = at + known;
  } else {
    fraction = learn(at);
    if (fraction == 0) return 0;
  }
  const text = load<u64>(fraction);
  if (!areSixDigits(text)) return 0;
  seconds = knownSeconds;
  thread = knownThread;
  nanoseconds = sixDigits(text) * 1000;
  const behind = <u32>(text >> 48);
  if (isIso) return behind == Z_BLANK ? fraction + 8 : 0;
  return (behind & 0xff) == COLON ? fraction + 7 : 0;
}

// @ts-ignore: decorator
@inline
function isKnown(at: usize): bool {
  const front = v128.and(v128.xor(v128.load(at), v128.load(KNOWN)), v128.load(MASK));
  const rest = v128.and(v128.xor(v128.load(at, 16), v128.load(KNOWN, 16)), v128.load(MASK, 16));
  return !v128.any_true(v128.or(front, rest));
}

/** Reads what stands before a fraction, and remembers it; returns where the fraction begins, or 0. */
function learn(at: usize): usize {
  known = 0;
  let p = at;
  let number: u64 = 0;
  while (isDigit(load<u8>(p))) {
    number = number * 10 + (load<u8>(p) - 48);
    p++;
    if (p - at > 10) return 0;
  }
  const byte: u32 = load<u8>(p);
  if (byte == AT) p = readThread(p + 1, number);
  else if (byte == MINUS && p - at == 4) p = readIso(at, <i32>number);
  else return 0;
  if (p == 0) return 0;
  const length = <u32>(p - at);
  if (length > LONGEST) return p;
  memory.copy(KNOWN, at, length);
  memory.fill(MASK, 0xff, length);
  memory.fill(MASK + length, 0, LONGEST - length);
  known = length;
  return p;
}

/** `seconds.` behind a thread's number and `@`. */
function readThread(at: usize, number: u64): usize {
  if (number > LAST_THREAD) return 0;
  let p = at;
  let time: u64 = 0;
  while (isDigit(load<u8>(p))) {
    time = time * 10 + (load<u8>(p) - 48);
    p++;
    if (p - at > 11) return 0;
  }
  if (p == at || load<u8>(p) != DOT || time > 0xffff_ffff) return 0;
  isIso = false;
  knownSeconds = <u32>time;
  knownThread = <u32>number;
  return p + 1;
}

/** `YYYY-MM-DDThh:mm:ss.` */
function readIso(at: usize, year: i32): usize {
  if (load<u8>(at, 7) != MINUS || load<u8>(at, 10) != LETTER_T) return 0;
  if (load<u8>(at, 13) != COLON || load<u8>(at, 16) != COLON || load<u8>(at, 19) != DOT) return 0;
  const month = twoDigits(at + 5);
  const day = twoDigits(at + 8);
  const hour = twoDigits(at + 11);
  const minute = twoDigits(at + 14);
  const second = twoDigits(at + 17);
  if (month < 1 || month > 12 || day < 1 || day > 31) return 0;
  if (hour < 0 || minute < 0 || second < 0) return 0;
  const time = <i64>daysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
  if (time < 0 || time > 0xffff_ffff) return 0;
  isIso = true;
  knownSeconds = <u32>time;
  knownThread = 0;
  return at + 20;
}

/** -1 where they are no digits. */
function twoDigits(at: usize): i32 {
  const tens: u32 = load<u8>(at);
  const ones: u32 = load<u8>(at, 1);
  return isDigit(tens) && isDigit(ones) ? <i32>((tens - 48) * 10 + ones - 48) : -1;
}

/** Days since 1970-01-01 of a date of the Gregorian calendar, of the years from 1 on. */
function daysFromCivil(year: i32, month: i32, day: i32): i32 {
  const shifted = month <= 2 ? year - 1 : year;
  const era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const yearOfEra = shifted - era * 400;
  const dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
