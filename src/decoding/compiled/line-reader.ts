import { once } from '../../base/once.ts';
import { NO_TIME } from '../../base/place.ts';
import { LAST_THREAD, NO_THREAD } from '../../events/batch.ts';
import type { EventKind } from '../../events/catalogue/index.ts';
import type { BatchWriter } from '../../events/writer.ts';
import { type LineReader, type Outcome, outcome } from '../line-reader.ts';
import { LONGEST_NAME } from '../patterns.ts';
import { buildNameGuesser, EventReaders, type NameGuesser, OTHER_NAME } from './readers.ts';
import { SkippedNames } from './skipped-names.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const AT = 0x40;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const UNDERSCORE = 0x5f;

/** Digits of a second's fraction that are looked at. */
const NANO_DIGITS = 9;
/** Nanoseconds of one unit of a fraction's last digit, by how many digits it has. */
const NANOSECONDS = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1000, 100, 10, 1];

/** Bytes of an identifier as QEMU's trace events have it. */
const NAME_BYTE = new Uint8Array(256);
for (const char of 'abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ') {
  NAME_BYTE[char.charCodeAt(0)] = 1;
}

/** What all readers of lines share. */
const compiled = once(() => ({ guess: buildNameGuesser(), readers: new EventReaders() }));

/** Reads stamps and events by hand and with the readers made of the catalogue. */
export class CompiledReader implements LineReader {
  seconds = 0;
  nanoseconds: number = NO_TIME;
  thread: number = NO_THREAD;
  kind: EventKind = -1;
  next = 0;

  readonly #skipped: SkippedNames;
  readonly #guess: NameGuesser = compiled().guess;
  readonly #readers: EventReaders = compiled().readers;
  // Seconds of the day that was read last, as a log stays within one for long.
  #date = -1;
  #midnight = 0;

  constructor(skipped = new SkippedNames()) {
    this.#skipped = skipped;
  }

  readStamp(bytes: Uint8Array, at: number): number {
    this.nanoseconds = NO_TIME;
    this.thread = NO_THREAD;
    this.seconds = 0;
    const first = bytes[at] as number;
    if (!(first >= ZERO && first <= NINE)) return at;
    let p = at;
    let number = 0;
    for (;;) {
      const digit = (bytes[p] as number) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      number = number * 10 + digit;
      p += 1;
    }
    const byte = bytes[p];
    if (byte === AT && p - at <= 10) return this.#threadPrefix(bytes, p + 1, number);
    if (byte === MINUS && p - at === 4) return this.#isoPrefix(bytes, at, number);
    return -1;
  }

  /** `sec.usec:` after the thread's number and `@`. */
  #threadPrefix(bytes: Uint8Array, at: number, thread: number): number {
    let p = at;
    let seconds = 0;
    for (;;) {
      const digit = (bytes[p] as number) - ZERO;
      if (!(digit >= 0 && digit <= 9)) break;
      seconds = seconds * 10 + digit;
      p += 1;
    }
    if (bytes[p] !== DOT || p === at || p - at > 11) return -1;
    let micro = 0;
    for (let index = p + 1; index < p + 7; index += 1) {
      const digit = (bytes[index] as number) - ZERO;
      if (!(digit >= 0 && digit <= 9)) return -1;
      micro = micro * 10 + digit;
    }
    if (bytes[p + 7] !== COLON) return -1;
    if (seconds > 0xffff_ffff || thread > LAST_THREAD) return -1;
    this.seconds = seconds;
    this.nanoseconds = micro * 1000;
    this.thread = thread;
    return p + 8;
  }

  /** `YYYY-MM-DDThh:mm:ss[.f]Z `; glib leaves the fraction out where it is zero. */
  #isoPrefix(bytes: Uint8Array, at: number, year: number): number {
    if (bytes[at + 10] !== LETTER_T || bytes[at + 7] !== MINUS) return -1;
    const month = twoDigits(bytes, at + 5);
    const day = twoDigits(bytes, at + 8);
    const hour = twoDigits(bytes, at + 11);
    const minute = twoDigits(bytes, at + 14);
    const second = twoDigits(bytes, at + 17);
    if (bytes[at + 13] !== COLON || bytes[at + 16] !== COLON) return -1;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || minute < 0 || second < 0)
      return -1;
    let p = at + 19;
    let fraction = 0;
    let digits = 0;
    if (bytes[p] === DOT) {
      for (p += 1; ; p += 1) {
        const digit = (bytes[p] as number) - ZERO;
        if (!(digit >= 0 && digit <= 9)) break;
        if (digits === NANO_DIGITS) continue;
        fraction = fraction * 10 + digit;
        digits += 1;
      }
    }
    if (bytes[p] !== LETTER_Z || bytes[p + 1] !== SPACE) return -1;
    const date = (year * 16 + month) * 32 + day;
    if (date !== this.#date) {
      this.#date = date;
      this.#midnight = daysFromCivil(year, month, day) * 86_400;
    }
    const seconds = this.#midnight + hour * 3600 + minute * 60 + second;
    if (seconds < 0 || seconds > 0xffff_ffff) return -1;
    this.seconds = seconds;
    this.nanoseconds = fraction * (NANOSECONDS[digits] as number);
    return p + 2;
  }

  readEvent(bytes: Uint8Array, from: number, writer: BatchWriter): Outcome {
    const kind = this.#guess(bytes, from);
    if (kind < 0) return this.#skip(bytes, from);
    const base = writer.begin(kind);
    const end = this.#readers.of(kind)(bytes, from, writer.words, base, writer);
    if (end < 0) return end === OTHER_NAME ? this.#skip(bytes, from) : outcome.malformed;
    this.kind = kind;
    this.next = end;
    return outcome.event;
  }

  takeBack(): void {
    this.#skipped.takeBack();
  }

  takeCounts(writer: BatchWriter): void {
    this.#skipped.takeCounts(writer);
  }

  #skip(bytes: Uint8Array, from: number): Outcome {
    const { key } = this.#skipped;
    let hash = 0;
    let at = from;
    let underscores = 0;
    for (; at - from < LONGEST_NAME; at += 1) {
      const byte = bytes[at] as number;
      if (NAME_BYTE[byte] !== 1) break;
      if (byte === UNDERSCORE) underscores += 1;
      hash = (hash + Math.imul(key[at - from] as number, byte)) | 0;
    }
    const byte = bytes[at] as number;
    if (underscores === 0) return outcome.foreign;
    if (byte !== SPACE && byte !== LF && byte !== CR) return outcome.foreign;
    return this.#skipped.count(bytes, from, at, hash) ? outcome.skipped : outcome.malformed;
  }
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - ZERO;
  const ones = (bytes[at + 1] as number) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/** Days since 1970-01-01 of a date of the Gregorian calendar. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
