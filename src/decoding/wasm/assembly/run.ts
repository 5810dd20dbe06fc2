// Runs of lines that say the same of one page after the other: each next one is foretold, and compared
// as a whole, so that its numbers need not be read.

import { RUN_DIGITS } from './catalogue';
import { nanoseconds, readStamp, seconds, thread } from './stamp';

const ZERO: u32 = 0x30;
const NINE: u32 = 0x39;
const LETTER_A: u32 = 0x61;
const LETTER_F: u32 = 0x66;

/** Bytes that a line from its name on, with its LF, has at most. */
const LONGEST: u32 = 96;
/** The line that should come next, from its name on. */
const EXPECTED = memory.data(96, 16);

/** Lines of the run, behind its first. */
export let lines: u32 = 0;

/** Bytes of EXPECTED that are in use. */
let length: u32 = 0;
/** The place of the digit that each line raises, and by how much. */
let digit: usize = 0;
let raise: u32 = 0;

/**
 * The line from `name` to `lf` may be the first of a run; `mask`: its argument, as a record has it.
 * False where no line can be foretold from it.
 */
export function begin(name: usize, lf: usize, mask: u64): bool {
  const bytes = rotl(mask, 32) + 1;
  length = <u32>(lf - name) + 1;
  // A mask of a whole page or several; nothing between the last digit and the LF.
  if (length > LONGEST || bytes < 0x1000 || (bytes & (bytes - 1)) != 0) return false;
  if (load<u8>(lf - 1) != LETTER_F) return false;
  memory.copy(EXPECTED, name, length);
  digit = EXPECTED + RUN_DIGITS;
  while (load<u8>(digit) > 0x20) digit++;
  const shift = <u32>ctz(bytes);
  digit -= 1 + (shift >> 2);
  raise = 1 << (shift & 3);
  return digit >= EXPECTED + RUN_DIGITS;
}

/**
 * Counts the lines from `at` on that go on with the run: of the same second, thread and length of
 * stamp. `stampBytes`: that length. The nanoseconds of each go to `times`, where there are any.
 */
export function take(at: usize, end: usize, stampBytes: u32, times: usize): void {
  const second = seconds;
  const ofThread = thread;
  let p = at;
  let count: u32 = 0;
  while (p < end) {
    let name = p;
    if (stampBytes != 0) {
      name = readStamp(p);
      if (name != p + stampBytes || seconds != second || thread != ofThread) break;
    }
    if (!expectNext() || !isExpected(name)) break;
    if (stampBytes != 0) store<u32>(times + (count << 2), nanoseconds);
    count++;
    p = name + length;
  }
  lines = count;
}

/** Raises the address of the expected line; false where it would get longer, or is written in capitals. */
// @ts-ignore: decorator
@inline
function expectNext(): bool {
  let at = digit;
  let add = raise;
  for (;;) {
    const char: u32 = load<u8>(at);
    if (char < ZERO || (char > NINE && (char < LETTER_A || char > LETTER_F))) return false;
    const sum = char - (char > NINE ? LETTER_A - 10 : ZERO) + add;
    const rest = sum & 15;
    store<u8>(at, rest + (rest > 9 ? LETTER_A - 10 : ZERO));
    if (sum < 16) return true;
    add = 1;
    at--;
  }
  return false;
}

/** Whether the expected line stands here. It is longer than 16 bytes. */
// @ts-ignore: decorator
@inline
function isExpected(at: usize): bool {
  const rest = length - 16;
  let differs = v128.xor(v128.load(at + rest), v128.load(EXPECTED + rest));
  for (let from: u32 = 0; from < rest; from += 16) {
    differs = v128.or(differs, v128.xor(v128.load(at + from), v128.load(EXPECTED + from)));
  }
  return !v128.any_true(differs);
}
