import { type BatchWriter, NO_THREAD, NO_TIME } from '../../events/batch.ts';
import { kindOf, kindOfName, lossKinds, offsetsOf } from '../../events/catalogue.ts';
import { EventScanner, type Outcome, outcome } from '../../events/event-scanner.ts';
import { type MessagePlace, writeMessage } from '../../events/messages.ts';
import type { LineDecoder } from '../format.ts';

/*
 * QEMU's `log` trace backend, alone or among what else a process prints: stderr, a libvirt log, a
 * file of `-D`. What a line is, is decided line by line, because one log holds QEMU before and
 * after an upgrade, messages, a guest's console and qtest's protocol:
 *
 *   vtd_reset_exit                                                   any version, no time stamps
 *   1331@1795334254.166216:vtd_reset_exit                            to 10.1 with -msg timestamp=on
 *   2026-11-22T07:51:14.717309Z vtd_reset_exit                       from 10.2 on
 *   2026-11-22T07:51:14Z qemu-system-x86_64: message                 messages, in all versions
 *   2026-11-22 07:33:15.201+0000: starting up libvirt version: ...   libvirt
 *
 * Not supported here: traces behind another program's prefix (syslog, containers).
 */

const NUL = 0x00;
const LF = 0x0a;
const ESCAPE = 0x1b;
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
const LETTER_A = 0x61;
const LETTER_LAST = 0x7a;

/** Bytes of a line that are looked at; the rest is counted with the line and not read. */
const LINE_LIMIT = 256 * 1024;
/** Bytes of a message or a libvirt line that are read. */
const TEXT_LIMIT = 4096;

const MIGRATE_ERROR = kindOf('migrate_error');
const MIGRATE_FD_ERROR = kindOf('migrate_fd_error');
const loss = { kind: kindOf('trace:loss'), at: offsetsOf('trace:loss') };
const sessionStart = { kind: kindOf('session:start'), at: offsetsOf('session:start') };
const sessionArgument = { kind: kindOf('session:argument'), at: offsetsOf('session:argument') };
const sessionName = { kind: kindOf('session:name'), at: offsetsOf('session:name') };
const sessionEnd = { kind: kindOf('session:end'), at: offsetsOf('session:end') };

const STARTING_UP = /^\S+ \S+: starting up libvirt version: .*?\bqemu version: ?([^,]*)/;
const SHUTTING_DOWN = /^\S+ \S+: shutting down, reason=(\S+)/;
const ARGUMENT = /^-(?:device|machine|M|m|object|global|trace|D|name)\b/;
const GUEST_NAME = /^-name (?:guest=)?([^, ]+)/;
const TERMINATING = /\bterminating on signal \d+/;
const SUPPRESSED = /\bSuppressed (\d+) messages\b/;
const EMBEDDED_PREFIX =
  /(?:\d{1,10}@\d{1,11}\.\d{6}:|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z )(?=[a-z])/g;
const PARTIAL_STAMP = /^(?:\d{1,10}@[\d.]*:?|\d{4}-\d\d-\d\dT[\d:.]*Z?)\s*$/;
const FRONT_OF_EVENT =
  /^\0*(?:(\d{1,10}@[\d.]*:?|\d{4}-\d\d-\d\dT[\d:.]*Z?)|((?:vtd|vfio|iommufd|global_dirty|migrate|memory_region)_))/;
const EMBEDDED_NAME = /(?:vtd|vfio|iommufd|global_dirty|migrate)_[a-z0-9_]+ /g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours begin with ESC
const COLOURS = /\u001b\[[0-9;]*m/g;

function isLetter(byte: number): boolean {
  return byte >= LETTER_A && byte <= LETTER_LAST;
}

/** Decodes blocks of a QEMU log. One per thread; the tables it builds are only for speed. */
export class QemuLogDecoder implements LineDecoder {
  readonly #scanner = new EventScanner();
  // The prefix of the current line.
  #seconds = 0;
  #nanoseconds: number = NO_TIME;
  #thread: number = NO_THREAD;

  decode(block: Uint8Array, writer: BatchWriter): number {
    // Up to its last LF the block is read in place; every scan inside it stops at an LF.
    const end = block.lastIndexOf(LF) + 1;
    let at = 0;
    let line = 0;
    while (at < end) {
      writer.line = line;
      at = this.#line(block, at, at, writer);
      line += 1;
    }
    if (end < block.length) {
      writer.line = line;
      this.#unfinishedLine(block.subarray(end), end, writer);
      line += 1;
    }
    this.#scanner.takeCounts(writer);
    return line;
  }

  /**
   * Decodes the line at `lineAt` from `from` on, where what was before in it has been dealt with;
   * returns where the next line begins.
   */
  #line(bytes: Uint8Array, lineAt: number, from: number, writer: BatchWriter): number {
    let at = from;
    // copytruncate leaves runs of NUL at the start of a rotated log.
    while (bytes[at] === NUL) at += 1;
    const nameAt = this.#prefix(bytes, at);
    if (nameAt < 0 || !isLetter(bytes[nameAt] as number)) {
      return this.#oddLine(bytes, lineAt, at, writer, outcome.foreign);
    }
    const found = this.#scanner.scan(bytes, nameAt, writer);
    if (found === outcome.event) {
      const next = this.#scanner.next;
      this.#commit(writer, lineAt, bytes, nameAt);
      return next + 1;
    }
    if (found === outcome.skipped) {
      const next = plainEnd(bytes, nameAt);
      if (next >= 0) return next + 1;
    }
    return this.#oddLine(bytes, lineAt, at, writer, found);
  }

  /** The last line of a trace, without its LF: it may be the front of a longer one, so it is not believed. */
  #unfinishedLine(line: Uint8Array, byteOffset: number, writer: BatchWriter): void {
    const text = latin1(line, 0, Math.min(line.length, TEXT_LIMIT));
    const [, stamped, name] = FRONT_OF_EVENT.exec(text) ?? [];
    if (stamped !== undefined || name !== undefined) this.#lose(writer, 'torn', byteOffset, text);
    else if (text.trim() !== '') writer.foreignLines += 1;
  }

  #commit(writer: BatchWriter, byteOffset: number, bytes: Uint8Array, nameAt: number): void {
    writer.commit(byteOffset, this.#seconds, this.#nanoseconds, this.#thread);
    const { kind, next } = this.#scanner;
    if (kind !== MIGRATE_ERROR && kind !== MIGRATE_FD_ERROR) return;
    // The error that ends a migration may hold the only word about a failed unmap.
    const text = latin1(bytes, nameAt, Math.min(next, nameAt + TEXT_LIMIT));
    writeMessage(text, writer, this.#place(byteOffset), true);
  }

  /**
   * Reads the prefix of a line into #seconds, #nanoseconds and #thread; returns where the rest
   * begins, or -1 where the line starts like neither an event nor a stamped line.
   */
  #prefix(bytes: Uint8Array, at: number): number {
    this.#nanoseconds = NO_TIME;
    this.#thread = NO_THREAD;
    this.#seconds = 0;
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
    if (seconds > 0xffff_ffff || thread >= NO_THREAD) return -1;
    this.#seconds = seconds;
    this.#nanoseconds = micro * 1000;
    this.#thread = thread;
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
    let nanoseconds = 0;
    if (bytes[p] === DOT) {
      let scale = 100_000_000;
      for (p += 1; ; p += 1) {
        const digit = (bytes[p] as number) - ZERO;
        if (!(digit >= 0 && digit <= 9)) break;
        nanoseconds += digit * scale;
        scale = Math.floor(scale / 10);
      }
    }
    if (bytes[p] !== LETTER_Z || bytes[p + 1] !== SPACE) return -1;
    const seconds = daysFromCivil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    if (seconds < 0 || seconds > 0xffff_ffff) return -1;
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    return p + 2;
  }

  /** A line that is no clean event: torn, glued, coloured, a message, libvirt's, or foreign. */
  #oddLine(
    bytes: Uint8Array,
    lineAt: number,
    at: number,
    writer: BatchWriter,
    found: Outcome,
  ): number {
    const lineEnd = bytes.indexOf(LF, at);
    const next = lineEnd + 1;
    const readEnd = Math.min(lineEnd, at + LINE_LIMIT);
    if (bytes.subarray(at, Math.min(readEnd, at + TEXT_LIMIT)).includes(ESCAPE)) {
      this.#colouredLine(latin1(bytes, at, readEnd), lineAt, writer);
      return next;
    }
    const text = latin1(bytes, at, readEnd);
    const looksLikeEvent = found === outcome.malformed || this.#beginsLikeEvent(bytes, at);
    const glued = this.#gluedEvent(bytes, text, at, writer);
    if (glued >= 0) {
      const front = text.slice(0, glued - at);
      if (looksLikeEvent) this.#lose(writer, 'torn', lineAt, front);
      else if (found !== outcome.skipped) this.#otherLine(front, writer, lineAt);
      // What follows is looked at like a line of its own; it has the same number.
      return this.#line(bytes, lineAt, glued, writer);
    }
    if (found === outcome.skipped) return next;
    if (looksLikeEvent) this.#lose(writer, 'torn', lineAt, text);
    else this.#otherLine(text, writer, lineAt);
    return next;
  }

  /** True where a stamped line goes on with something like the start of an event's name. */
  #beginsLikeEvent(bytes: Uint8Array, at: number): boolean {
    const nameAt = this.#prefix(bytes, at);
    if (nameAt < 0) return PARTIAL_STAMP.test(latin1(bytes, at, Math.min(bytes.length, at + 40)));
    if (nameAt === at) return false;
    let p = nameAt;
    let underscore = false;
    while (isLetter(bytes[p] as number) || bytes[p] === UNDERSCORE) {
      underscore ||= bytes[p] === UNDERSCORE;
      p += 1;
    }
    return underscore || (bytes[p] === LF && this.#thread !== NO_THREAD);
  }

  /** Where inside the line at `at` another trace line begins, or -1. */
  #gluedEvent(bytes: Uint8Array, text: string, at: number, writer: BatchWriter): number {
    for (const match of text.matchAll(EMBEDDED_PREFIX)) {
      if (match.index > 0) return at + match.index;
    }
    for (const match of text.matchAll(EMBEDDED_NAME)) {
      if (match.index === 0 || kindOfName(match[0].trim()) === undefined) continue;
      const nameAt = at + match.index;
      const before = bytes[nameAt - 1] as number;
      // Inside another name or word it is no event of its own.
      if (before === UNDERSCORE || before === MINUS) continue;
      if (this.#scanner.scan(bytes, nameAt, writer) === outcome.event) return nameAt;
    }
    return -1;
  }

  #colouredLine(line: string, lineAt: number, writer: BatchWriter): void {
    const plain = Buffer.from(`${line.replace(COLOURS, '')}\n`, 'latin1');
    const nameAt = this.#prefix(plain, 0);
    const found = nameAt < 0 ? outcome.foreign : this.#scanner.scan(plain, nameAt, writer);
    if (found === outcome.event) this.#commit(writer, lineAt, plain, nameAt);
    else if (found === outcome.malformed)
      this.#lose(writer, 'torn', lineAt, plain.toString('latin1'));
    else if (found === outcome.foreign) this.#otherLine(plain.toString('latin1'), writer, lineAt);
  }

  /** A line of QEMU's messages, of libvirt, or of somebody else. */
  #otherLine(line: string, writer: BatchWriter, byteOffset: number): void {
    const text = line.slice(0, TEXT_LIMIT);
    const place = this.#placeOf(text, byteOffset);
    if (this.#sessionLine(text, writer, place)) return;
    const suppressed = SUPPRESSED.exec(text);
    if (suppressed !== null) {
      this.#lose(writer, 'rate-limited', byteOffset, text, Number(suppressed[1]));
      return;
    }
    if (!writeMessage(text, writer, place)) writer.foreignLines += 1;
    if (TERMINATING.test(text))
      this.#text(writer, sessionEnd.kind, sessionEnd.at.text, text, place);
  }

  #sessionLine(text: string, writer: BatchWriter, place: MessagePlace): boolean {
    const start = STARTING_UP.exec(text);
    if (start !== null) {
      this.#text(writer, sessionStart.kind, sessionStart.at.qemu, start[1] ?? '', place);
      return true;
    }
    const stop = SHUTTING_DOWN.exec(text);
    if (stop !== null) {
      this.#text(writer, sessionEnd.kind, sessionEnd.at.text, text.trim(), place);
      return true;
    }
    if (!ARGUMENT.test(text)) return false;
    const name = GUEST_NAME.exec(text);
    if (name !== null)
      this.#text(writer, sessionName.kind, sessionName.at.name, name[1] ?? '', place);
    const argument = text.replace(/\s*\\?\s*$/, '');
    this.#text(writer, sessionArgument.kind, sessionArgument.at.text, argument, place);
    return true;
  }

  #text(writer: BatchWriter, kind: number, at: number, text: string, place: MessagePlace): void {
    const base = writer.begin(kind);
    writer.addString(base + at, text);
    writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
  }

  #lose(
    writer: BatchWriter,
    kind: (typeof lossKinds)[number],
    byteOffset: number,
    detail: string,
    count = 1,
  ): void {
    const base = writer.begin(loss.kind);
    writer.words[base + loss.at.kind] = lossKinds.indexOf(kind);
    writer.words[base + loss.at.count] = 0;
    writer.words[base + loss.at.count + 1] = count;
    writer.addString(base + loss.at.detail, detail.slice(0, 120));
    writer.commit(byteOffset, this.#seconds, this.#nanoseconds, this.#thread);
  }

  #placeOf(text: string, byteOffset: number): MessagePlace {
    const bytes = Buffer.from(`${text.slice(0, 64)}\n`, 'latin1');
    this.#prefix(bytes, 0);
    return this.#place(byteOffset);
  }

  #place(byteOffset: number): MessagePlace {
    return {
      byteOffset,
      seconds: this.#seconds,
      nanoseconds: this.#nanoseconds,
      thread: this.#thread,
    };
  }
}

/** The LF that ends a line of no interest, or -1 where the line may hold a second event, glued on. */
function plainEnd(bytes: Uint8Array, from: number): number {
  // Past the event's own name, so that it is not taken for a second one.
  let at = from;
  while (isLetter(bytes[at] as number) || bytes[at] === UNDERSCORE) at += 1;
  for (; ; at += 1) {
    const byte = bytes[at] as number;
    if (byte === LF) return at;
    // The ends of `vtd_`, `vfio_` and their like, of a thread's stamp, of a UTC time.
    if (byte === UNDERSCORE || byte === AT || byte === ESCAPE) return -1;
    if (byte === LETTER_Z && bytes[at + 1] === SPACE) return -1;
  }
}

function latin1(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, Math.max(0, to - from)).toString(
    'latin1',
  );
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
