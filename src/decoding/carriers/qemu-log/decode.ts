import { NO_TIME } from '../../../base/place.ts';
import { LAST_THREAD, NO_THREAD } from '../../../events/batch.ts';
import { kindOf, kindOfName, offsetsOf } from '../../../events/catalogue/index.ts';
import { type LossKind, lossKinds } from '../../../events/catalogue/notes.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { EventScanner, type Outcome, outcome } from '../../event-scanner.ts';
import type { LineDecoder } from '../../format.ts';
import { type MessagePlace, writeMessage } from '../../messages.ts';
import { ISO_STAMP, LINE_START, THREAD_STAMP } from '../../stamps.ts';

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
 * Lines behind a syslog daemon's header are a format of their own.
 */

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const ESCAPE = 0x1b;
const SPACE = 0x20;
const MINUS = 0x2d;
const DOT = 0x2e;
const SLASH = 0x2f;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const EQUALS = 0x3d;
const AT = 0x40;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const UNDERSCORE = 0x5f;
const LETTER_A = 0x61;
const LETTER_K = 0x6b;
const LETTER_Q = 0x71;
const LETTER_LAST = 0x7a;
/** The first byte of UTF-8's byte order mark, and the others. */
const MARK = 0xef;
const MARK_REST = [0xbb, 0xbf] as const;

/** Bytes of a line that are looked at; the rest is counted with the line and not read. */
const LINE_LIMIT = 256 * 1024;
/** Bytes of a message or a libvirt line that are read. */
const TEXT_LIMIT = 4096;
/** Names in the middle of a line that are tried; a line with more is no log's. */
const MOST_TRIES = 16;

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
/** What others say of lines that are not there: a journal, and the kernel whose buffer was full. */
const SAID_LOST: readonly (readonly [LossKind, RegExp])[] = [
  ['rate-limited', /\bSuppressed (\d{1,9}) messages\b/],
  ['dropped', /^CPU:\d+ \[(?:LOST )?(\d{1,9}) EVENTS(?: DROPPED)?\]/],
];
/** The head of the kernel's buffer: events that it still holds, and that were written to it. */
const IN_BUFFER = /^# entries-in-buffer\/entries-written: (\d{1,9})\/(\d{1,9})\b/;
const FAMILY = '(?:vtd|vfio|iommufd|global_dirty|migrate|memory_region|dirtyrate)_';
const STAMP = `(?:${THREAD_STAMP.source}|${ISO_STAMP.source})`;
const PART_OF_STAMP = String.raw`(?:\d{1,10}@[\d.]*:?|\d{4}-\d\d-\d\dT[\d:.]*Z?)`;
const LINE_STARTS = new RegExp(LINE_START.source, 'g');
/** A quick look for what every one of them has. */
const MAY_START_LINE = /@|Z |\+0000: /;
/**
 * What goes on like an event and is none: behind a thread's stamp, which only events have, anything;
 * behind another stamp or without one, the beginning of a name. A kernel or a C function of such a
 * name says `vfio_pci: ` or `vfio_dma_map(`.
 */
const BEGINS_LIKE_EVENT = new RegExp(
  String.raw`^(?:${THREAD_STAMP.source}|${STAMP}[a-z]*_|${PART_OF_STAMP}\s*$|(?:global_|${FAMILY})(?!\w*[:(]))`,
);
const FRONT_OF_EVENT = new RegExp(`^\0*(?:${PART_OF_STAMP}|${FAMILY})`);
/** A message behind the guest's name, as -msg guest-name=on has it. The name may look like an event's. */
const GUEST_MESSAGE = new RegExp(String.raw`^${STAMP}?\w+ (?:\S*/)?(?:qemu|kvm)[\w-]*: `);
/** Every place where a name may begin, inside another name too. */
const FAMILIES = new RegExp(FAMILY, 'g');
const LONGEST_NAME = 64;
/** Colours and other commands to a terminal, as the console of a guest has them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with ESC
const TERMINAL_COMMANDS = /\u001b\[[0-?]*[ -/]*[@-~]/g;

/** Digits of a second's fraction that are looked at. */
const NANO_DIGITS = 9;
/** Nanoseconds of one unit of a fraction's last digit, by how many digits it has. */
const NANOSECONDS = [1e9, 1e8, 1e7, 1e6, 1e5, 1e4, 1000, 100, 10, 1];

function isLetter(byte: number): boolean {
  return byte >= LETTER_A && byte <= LETTER_LAST;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** Decodes blocks of a QEMU log. One per thread; the tables it builds are only for speed. */
export class QemuLogDecoder implements LineDecoder {
  readonly #scanner = new EventScanner();
  // The prefix of the current line.
  #seconds = 0;
  #nanoseconds: number = NO_TIME;
  #thread: number = NO_THREAD;
  // Seconds of the day that was read last, as a log stays within one for long.
  #date = -1;
  #midnight = 0;

  decode(block: Uint8Array, writer: BatchWriter): number {
    // Up to its last LF the block is read in place; every scan inside it stops at an LF.
    const end = block.lastIndexOf(LF) + 1;
    let line = this.#lines(block, end, writer);
    if (end < block.length) {
      writer.line = line;
      this.#unfinishedLine(block.subarray(end), end, writer);
      line += 1;
    }
    this.#scanner.takeCounts(writer);
    return line;
  }

  /** Nothing but a loop: what V8 makes of it while it runs is given up where anything follows. */
  #lines(block: Uint8Array, end: number, writer: BatchWriter): number {
    let at = 0;
    let line = 0;
    while (at < end) {
      writer.line = line;
      at = this.#line(block, at, at, writer);
      line += 1;
    }
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
    // Its time is its own, or none: which line was decoded before it depends on how the trace was cut.
    this.#prefix(line, behindPadding(line, 0));
    const text = latin1(line, 0, Math.min(line.length, TEXT_LIMIT));
    if (FRONT_OF_EVENT.test(text)) this.#lose(writer, 'torn', byteOffset, text);
    else if (text.trim() !== '') writer.foreignLines += 1;
  }

  #commit(writer: BatchWriter, byteOffset: number, bytes: Uint8Array, nameAt: number): void {
    writer.commit(byteOffset, this.#seconds, this.#nanoseconds, this.#thread);
    const { kind, next } = this.#scanner;
    if (kind !== MIGRATE_ERROR && kind !== MIGRATE_FD_ERROR) return;
    // The error that ends a migration may hold the only word about a failed unmap.
    const at = bytes.indexOf(EQUALS, nameAt) + 1;
    const text = latin1(bytes, at, Math.min(next, at + TEXT_LIMIT));
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
    if (seconds > 0xffff_ffff || thread > LAST_THREAD) return -1;
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
    this.#seconds = seconds;
    this.#nanoseconds = fraction * (NANOSECONDS[digits] as number);
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
    const next = bytes.indexOf(LF, at) + 1;
    if (bytes[at] === LF || (bytes[at] === CR && at + 2 === next)) return next;
    const textAt = behindPadding(bytes, at);
    if (textAt > at) return this.#line(bytes, lineAt, textAt, writer);
    const text = latin1(bytes, at, Math.min(next - 1, at + LINE_LIMIT));
    if (text.includes('\u001b')) this.#colouredLine(text, lineAt, writer, found);
    else this.#pieces(bytes, lineAt, at, text, writer, found);
    return next;
  }

  /**
   * The pieces of a line on which others may be glued: each is read like a line of its own, and has
   * the number of the line. `found`: what the line begins with.
   */
  #pieces(
    bytes: Uint8Array,
    lineAt: number,
    at: number,
    text: string,
    writer: BatchWriter,
    found: Outcome,
  ): void {
    let from = 0;
    let kind = found;
    let isTold = false;
    const tell = (to: number) => {
      isTold = this.#piece(text.slice(from, to), kind, writer, lineAt) || isTold;
      from = to;
    };
    const starts = MAY_START_LINE.test(text) ? text.matchAll(LINE_STARTS) : [];
    for (const { index } of starts) {
      if (index === 0) continue;
      tell(index);
      kind = this.#scan(bytes, lineAt, at + index, writer);
      if (kind === outcome.event) return;
    }
    const name = this.#gluedName(bytes, at, text, from, writer);
    if (name >= 0) {
      tell(name);
      this.#scan(bytes, lineAt, at + name, writer);
      return;
    }
    tell(text.length);
    if (!isTold && text.trim() !== '') writer.foreignLines += 1;
  }

  /** Reads an event at the front of a piece, and writes it if it is one. */
  #scan(bytes: Uint8Array, lineAt: number, at: number, writer: BatchWriter): Outcome {
    const nameAt = this.#prefix(bytes, at);
    if (nameAt < 0) return outcome.foreign;
    const found = this.#scanner.scan(bytes, nameAt, writer);
    if (found === outcome.event) this.#commit(writer, lineAt, bytes, nameAt);
    return found;
  }

  /** A piece of a line that is no event; false where it says nothing. */
  #piece(text: string, found: Outcome, writer: BatchWriter, lineAt: number): boolean {
    if (found === outcome.skipped) {
      if (!GUEST_MESSAGE.test(text)) return true;
      this.#scanner.takeBack();
      return this.#otherLine(text, writer, lineAt);
    }
    const isTorn =
      found === outcome.malformed || (BEGINS_LIKE_EVENT.test(text) && !GUEST_MESSAGE.test(text));
    if (!isTorn) return this.#otherLine(text, writer, lineAt);
    this.#lose(writer, 'torn', lineAt, text);
    // A message may have met it without a line's end in between.
    writeMessage(text.slice(0, TEXT_LIMIT), writer, this.#place(lineAt));
    return true;
  }

  /** Where in `text` from `from` on an event begins that has no stamp, or -1. */
  #gluedName(
    bytes: Uint8Array,
    at: number,
    text: string,
    from: number,
    writer: BatchWriter,
  ): number {
    if (!text.includes('_')) return -1;
    let tries = 0;
    for (const { index } of text.matchAll(FAMILIES)) {
      if (index <= from) continue;
      const [name = ''] = text.slice(index, index + LONGEST_NAME).split(' ', 1);
      if (kindOfName(name) === undefined) continue;
      const before = bytes[at + index - 1] as number;
      // Inside another name or word it is no event of its own.
      if (before === UNDERSCORE || before === MINUS) continue;
      if (this.#scanner.scan(bytes, at + index, writer) === outcome.event) return index;
      tries += 1;
      if (tries === MOST_TRIES) return -1;
    }
    return -1;
  }

  /** A line with commands to a terminal: read without them. `found`: what it begins with so far. */
  #colouredLine(line: string, lineAt: number, writer: BatchWriter, found: Outcome): void {
    const text = line.replace(TERMINAL_COMMANDS, '');
    const bytes = Buffer.from(`${text}\n`, 'latin1');
    if (found === outcome.skipped) this.#scanner.takeBack();
    const foundPlain = this.#scan(bytes, lineAt, 0, writer);
    if (foundPlain !== outcome.event) this.#pieces(bytes, lineAt, 0, text, writer, foundPlain);
  }

  /** A line of QEMU's messages, of libvirt, or of somebody else, which is false. */
  #otherLine(line: string, writer: BatchWriter, byteOffset: number): boolean {
    const text = line.slice(0, TEXT_LIMIT);
    const place = this.#place(byteOffset);
    if (this.#sessionLine(text, writer, place)) return true;
    if (this.#lossLine(text, writer, byteOffset)) return true;
    const isMessage = writeMessage(text, writer, place);
    const isEnd = TERMINATING.test(text);
    if (isEnd) this.#text(writer, sessionEnd.kind, sessionEnd.at.text, text, place);
    return isMessage || isEnd;
  }

  #lossLine(text: string, writer: BatchWriter, byteOffset: number): boolean {
    for (const [kind, pattern] of SAID_LOST) {
      const found = pattern.exec(text);
      if (found === null) continue;
      this.#lose(writer, kind, byteOffset, text, Number(found[1]));
      return true;
    }
    const [, held, written] = IN_BUFFER.exec(text) ?? [];
    if (held === undefined) return false;
    const lost = Number(written) - Number(held);
    if (lost > 0) this.#lose(writer, 'overwritten', byteOffset, text, lost);
    return true;
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
    const argument = text.trimEnd().replace(/\\$/, '').trimEnd();
    this.#text(writer, sessionArgument.kind, sessionArgument.at.text, argument, place);
    return true;
  }

  #text(writer: BatchWriter, kind: number, at: number, text: string, place: MessagePlace): void {
    const base = writer.begin(kind);
    writer.addLatin1(base + at, text);
    writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
  }

  #lose(writer: BatchWriter, kind: LossKind, byteOffset: number, detail: string, count = 1): void {
    const base = writer.begin(loss.kind);
    writer.words[base + loss.at.kind] = lossKinds.indexOf(kind);
    writer.words[base + loss.at.count] = 0;
    writer.words[base + loss.at.count + 1] = count;
    writer.addLatin1(base + loss.at.detail, detail.slice(0, 120));
    writer.commit(byteOffset, this.#seconds, this.#nanoseconds, this.#thread);
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

/**
 * The LF that ends a line of no interest, or -1 where the line deserves a second look: it may hold
 * another event, glued on, or be a message behind a guest's name.
 */
function plainEnd(bytes: Uint8Array, from: number): number {
  // Past the event's own name, so that it is not taken for a second one.
  let at = from;
  while (isLetter(bytes[at] as number) || bytes[at] === UNDERSCORE || isDigit(bytes[at] as number))
    at += 1;
  const first = bytes[at + 1];
  // A program's name or path.
  if (first === LETTER_Q || first === LETTER_K || first === SLASH) return -1;
  for (; ; at += 1) {
    const byte = bytes[at] as number;
    if (byte === LF) return at;
    // The ends of `vtd_`, `vfio_` and their like, of a thread's stamp, of a UTC time.
    if (byte === UNDERSCORE || byte === AT || byte === ESCAPE) return -1;
    if (byte === LETTER_Z && bytes[at + 1] === SPACE) return -1;
  }
}

/** Where the line goes on behind NUL bytes and byte order marks. */
function behindPadding(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    if (bytes[at] === NUL) at += 1;
    else if (bytes[at] === MARK && MARK_REST.every((byte, index) => bytes[at + 1 + index] === byte))
      at += 3;
    else return at;
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
