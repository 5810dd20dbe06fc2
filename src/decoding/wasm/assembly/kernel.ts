// Lines to records, as long as each is a stamp, or none, and an event of which nothing is odd. The
// first line that is anything else ends a call, and is left to the other kernel.

import {
  CATALOGUE_HASH,
  RECORD_BYTES,
  read,
  RECORDS_BYTES,
  RUN_BYTES,
  RUN_KIND,
  RUN_LINE_BYTES,
  RUN_MASK,
  RUN_MORE,
  SOURCE_BYTES,
} from './catalogue';
import {
  BACKWARDS,
  BYTES,
  COUNTED,
  COUNTED_LINES,
  EVENTS,
  FIRST,
  IS_FORM_KNOWN,
  IS_ONE_WRITER,
  LAST,
  LEFT,
  LINES,
  LONGEST_NAME,
  MOST_COUNTED,
  NAME,
  NO_LINE,
  NO_TIME,
  SHORTEST_NAME,
  SOURCE as FIRST_SOURCE,
  THREAD,
  TOLD_BYTES,
} from './contract';
import { isDigit } from './digits';
import * as forms from './forms';
import * as names from './names';
import * as run from './run';
import { completeStamp, nanoseconds, noStamp, readStamp, seconds, thread } from './stamp';

export { forgetForms, newForm, setClock } from './forms';
export { add, takeCount } from './names';

const LF: u32 = 0x0a;
const CR: u32 = 0x0d;
const ESCAPE: u32 = 0x1b;
const SPACE: u32 = 0x20;
const SLASH: u32 = 0x2f;
const AT: u32 = 0x40;
const LETTER_Z: u32 = 0x5a;
const UNDERSCORE: u32 = 0x5f;
const LETTER_A: u32 = 0x61;
const LETTER_K: u32 = 0x6b;
const LETTER_Q: u32 = 0x71;

/** Bytes that may be loaded behind the last line. */
const BEHIND: i32 = 64;
/** Bytes by which lines and records may begin further behind, so that they are copied word by word. */
const SHIFT: i32 = 8;
/** Where lines are put, and where their records go. */
const SOURCE = memory.data(SOURCE_BYTES + BEHIND + SHIFT, 64);
const RECORDS = memory.data(RECORDS_BYTES + SHIFT, 64);
/** What a call says of its records. */
const TOLD = memory.data(TOLD_BYTES, 16);
/** The counted lines that have a thread. */
const COUNTED_TABLE = memory.data(4096 * 8, 16);

/** Of the catalogue that the readers were made of. */
export const catalogueHash: u32 = CATALOGUE_HASH;
export const sourceBytes: u32 = SOURCE_BYTES;

export function source(): usize {
  return SOURCE;
}
export function records(): usize {
  return RECORDS;
}
export function told(): usize {
  return TOLD;
}
export function clock(): f64 {
  return <f64>forms.clock;
}
export function counted(): usize {
  return COUNTED_TABLE;
}

/**
 * Decodes the lines at `from .. end`, which ends with an LF; returns where it stopped, at `end` or
 * at a line that it leaves. `line` is the number of the first; `shift` is added to a place to get
 * its offset in the block. Records go to `into`. `isFormed`: QEMU's text is in lines of known forms.
 */
export function decode(
  from: usize,
  end: usize,
  line: u32,
  shift: i32,
  into: usize,
  isFormed: bool,
): usize {
  let at = from;
  let record: usize = into;
  let number = line;
  let events: u32 = 0;
  let counted: u32 = 0;
  let firstThread: u32 = 0;
  let firstSource: u32 = 0;
  let isOneWriter: u32 = 1;
  let lastSeconds: i64 = -1;
  let lastNanoseconds: u32 = NO_TIME;
  store<u32>(TOLD, NO_LINE, FIRST);
  store<u32>(TOLD, NO_LINE, BACKWARDS);
  store<u32>(TOLD, 0, NAME);
  store<u32>(TOLD, 0, IS_FORM_KNOWN);
  while (at < end) {
    let name = at;
    let kind: i32 = 0;
    let lf: usize = 0;
    let slot: usize = 0;
    let behind: usize = 0;
    if (isFormed) {
      name = forms.enter(at);
      store<u32>(TOLD, name == 0 ? 0 : 1, IS_FORM_KNOWN);
      if (name == 0) break;
      if (forms.slot != 0) {
        if (forms.thread != 0) {
          if (counted == MOST_COUNTED) break;
          store<u32>(COUNTED_TABLE + (counted << 3), number);
          store<u32>(COUNTED_TABLE + (counted << 3), forms.thread, 4);
          counted++;
        }
        names.count(forms.slot);
        at = forms.next;
        number += forms.lines;
        continue;
      }
    }
    if (isFormed && forms.record != 0) {
      kind = load<i32>(forms.record);
      memory.copy(record, forms.record, load<u32>(RECORD_BYTES + (kind << 2)));
      lf = forms.next - 1;
      noStamp();
    } else {
      if (isDigit(load<u8>(name))) {
        name = readStamp(name);
        if (name == 0) break;
      } else noStamp();
      if (<u32>load<u8>(name) - LETTER_A > 25) break;
      const length = nameLength(name);
      if (length < SHORTEST_NAME || length > LONGEST_NAME) break;
      slot = names.slotOf(name, length);
      behind = name + length;
      if (slot == 0) {
        store<u32>(TOLD, <u32>name, NAME);
        store<u32>(TOLD, length, NAME + 4);
        break;
      }
      kind = names.kindAt(slot);
      if (kind >= 0) {
        lf = read(kind, load<u8>(behind) == SPACE ? behind + 1 : behind, record);
        if (lf == 0) break;
        if (isFormed && forms.next != 0) lf = forms.next - 1;
      }
    }
    if (kind >= 0) {
      let source: u32 = 0;
      if (isFormed) {
        source = forms.source;
        completeStamp(forms.seconds, forms.nanoseconds, forms.thread);
      }
      store<u32>(record, kind);
      store<u32>(record, number, 4);
      store<u32>(record, <u32>at + shift, 8);
      store<u32>(record, seconds, 12);
      store<u32>(record, nanoseconds, 16);
      store<u32>(record, thread, 20);
      store<u32>(record, source, 24);
      if (events == 0) {
        firstThread = thread;
        firstSource = source;
      } else if (thread != firstThread || source != firstSource) isOneWriter = 0;
      if (nanoseconds != NO_TIME) {
        if (<i64>seconds != lastSeconds) {
          if (lastSeconds < 0) {
            memory.copy(TOLD + FIRST, record + 4, 16);
          } else if (<i64>seconds + 1 < lastSeconds && load<u32>(TOLD, BACKWARDS) == NO_LINE) {
            memory.copy(TOLD + BACKWARDS, record + 4, 8);
          }
          lastSeconds = seconds;
        }
        lastNanoseconds = nanoseconds;
      }
      if (kind == RUN_KIND) store<u32>(record, 0, RUN_MORE);
      if (kind == RUN_KIND && !isFormed && run.begin(name, lf, load<u64>(record, RUN_MASK))) {
        const next = lf + 1;
        run.take(next, end, <u32>(name - at), record + RUN_BYTES);
        const more = run.lines;
        store<u32>(record, more, RUN_MORE);
        store<u32>(record, <u32>(next - at), RUN_LINE_BYTES);
        if (nanoseconds != NO_TIME && more != 0) {
          record += more << 2;
          lastNanoseconds = load<u32>(record + RUN_BYTES - 4);
        }
        number += more;
        events += more;
        at = next + more * (next - at);
      } else at = lf + 1;
      record += load<u32>(RECORD_BYTES + (kind << 2));
      events++;
    } else {
      const byte: u32 = load<u8>(behind);
      if (kind == LEFT) break;
      if (byte != SPACE && (kind != COUNTED || (byte != LF && byte != CR))) break;
      lf = plainEnd(behind);
      if (lf == 0) break;
      names.count(slot);
      at = isFormed && forms.next != 0 ? forms.next : lf + 1;
    }
    number += isFormed ? forms.lines : 1;
  }
  store<u32>(TOLD, number - line, LINES);
  store<u32>(TOLD, <u32>(record - into), BYTES);
  store<u32>(TOLD, events, EVENTS);
  store<u32>(TOLD, counted, COUNTED_LINES);
  store<u32>(TOLD, firstThread, THREAD);
  store<u32>(TOLD, firstSource, FIRST_SOURCE);
  store<u32>(TOLD, isOneWriter, IS_ONE_WRITER);
  store<u32>(TOLD, <u32>lastSeconds, LAST);
  store<u32>(TOLD, lastNanoseconds, LAST + 4);
  return at;
}

/** Bytes up to the first blank or control byte; more than LONGEST_NAME where there is none near. */
// @ts-ignore: decorator
@inline
function nameLength(at: usize): u32 {
  let length: u32 = 0;
  for (; length < 48; length += 16) {
    const ends = <u32>(
      i8x16.bitmask(i8x16.le_u(v128.load(at + length), i8x16.splat(<u8>SPACE)))
    );
    if (ends != 0) return length + ctz(ends);
  }
  return 48;
}

/**
 * The LF of a line that is only counted, from behind its name on; 0 where it may hold a second line,
 * glued on, or be a message behind a guest's name. The bytes are those that `plainEnd` of the
 * compiled kernel looks for.
 */
// @ts-ignore: decorator
@inline
function plainEnd(at: usize): usize {
  const first: u32 = load<u8>(at, 1);
  if (first == LETTER_Q || first == LETTER_K) return 0;
  for (;;) {
    const text = v128.load(at);
    const isEnd = i8x16.eq(text, i8x16.splat(<u8>LF));
    const isOdd = v128.or(
      v128.or(
        i8x16.eq(text, i8x16.splat(<u8>UNDERSCORE)),
        i8x16.eq(text, i8x16.splat(<u8>ESCAPE)),
      ),
      v128.or(
        i8x16.eq(text, i8x16.splat(<u8>AT)),
        v128.or(
          i8x16.eq(text, i8x16.splat(<u8>LETTER_Z)),
          i8x16.eq(text, i8x16.splat(<u8>SLASH)),
        ),
      ),
    );
    let found = <u32>i8x16.bitmask(v128.or(isEnd, isOdd));
    while (found != 0) {
      const place = at + ctz(found);
      const byte: u32 = load<u8>(place);
      if (byte == LF) return place;
      if (byte != AT || isInStamp(place)) return 0;
      found &= found - 1;
    }
    at += 16;
  }
  return 0;
}

/** Whether an `@` may be that of a thread's stamp. */
function isInStamp(at: usize): bool {
  return isDigit(load<u8>(at - 1)) && isDigit(load<u8>(at, 1));
}
