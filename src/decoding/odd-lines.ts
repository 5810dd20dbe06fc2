import { kindOfName } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import type { Carrier } from './carrier.ts';
import { commitEvent } from './commit-event.ts';
import { KnownLines } from './known-lines.ts';
import { type LineReader, type Outcome, outcome } from './line-reader.ts';
import { writeMessage } from './messages.ts';
import { type LinePlace, writeLoss, writeText } from './notes.ts';
import { BEGINS_LIKE_EVENT, FAMILY, LINE_START, STAMP } from './patterns.ts';
import { writeRemark } from './remarks/remark.ts';
import { mayBeFront } from './unfinished.ts';

/*
 * The lines that QEMU's process printed, where they are more than a stamp and an event: messages,
 * what libvirt wrote in between, a guest's console, and lines that lost a part or have another one
 * glued on. What a line is, is decided line by line, because one log holds QEMU before and after an
 * upgrade.
 */

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const MINUS = 0x2d;
const UNDERSCORE = 0x5f;
const LETTER_A = 0x61;
const LETTER_LAST = 0x7a;
/** The first byte of UTF-8's byte order mark, and the others. */
const MARK = 0xef;
const MARK_REST = [0xbb, 0xbf] as const;

/** Bytes of a line that are looked at; the rest is counted with the line and not read. */
const LINE_LIMIT = 256 * 1024;
/** Bytes of a message or of another program's line that are read. */
const TEXT_LIMIT = 4096;
/** Names in the middle of a line that are tried; a line with more is no log's. */
const MOST_TRIES = 16;
/** Characters of a name in the middle of a line that are looked at. */
const NAME_WINDOW = 64;

/** In QEMU's messages of unmaps that fail. */
const UNMAP_CALL = 'dma_unmap(0x';
const TERMINATING = /\bterminating on signal \d+/;
const LINE_STARTS = new RegExp(LINE_START.source, 'g');
/** A quick look for what every one of them has. */
const MAY_START_LINE = /@|Z |\+0000: /;
/** A message behind the guest's name, as -msg guest-name=on has it. The name may look like an event's. */
const GUEST_MESSAGE = new RegExp(String.raw`^${STAMP}?\w+ (?:\S*/)?(?:qemu|kvm)[\w-]*: `);
/** Every place where a name may begin, inside another name too. */
const FAMILIES = new RegExp(FAMILY, 'g');
/** Colours and other commands to a terminal, as the console of a guest has them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with ESC
const TERMINAL_COMMANDS = /\u001b\[[0-?]*[ -/]*[@-~]/g;

/** Decides what the lines of QEMU's process are, whichever way their events are read. */
export class OddLines {
  readonly #reader: LineReader;
  readonly #known = new Map<Carrier, KnownLines>();

  constructor(reader: LineReader) {
    this.#reader = reader;
  }

  /**
   * Decodes the line at `lineAt`, which ends with an LF, from `from` on, where what was before in it
   * has been dealt with; returns where the next line begins.
   */
  line(
    bytes: Uint8Array,
    lineAt: number,
    from: number,
    carrier: Carrier,
    writer: BatchWriter,
  ): number {
    const at = behindPadding(bytes, from);
    const nameAt = this.#reader.readStamp(bytes, at);
    if (nameAt < 0 || !isLetter(bytes[nameAt] as number)) {
      return this.oddLine(bytes, lineAt, at, carrier, writer, outcome.foreign);
    }
    const found = this.#reader.readEvent(bytes, nameAt, writer);
    if (found !== outcome.event) return this.oddLine(bytes, lineAt, at, carrier, writer, found);
    const { next } = this.#reader;
    this.#commit(bytes, lineAt, nameAt, writer);
    return next + 1;
  }

  /**
   * Decodes a line that is no clean event: torn, glued, coloured, a message, libvirt's, or foreign.
   * `found`: what it begins with; its stamp is the one that was read last.
   */
  oddLine(
    bytes: Uint8Array,
    lineAt: number,
    at: number,
    carrier: Carrier,
    writer: BatchWriter,
    found: Outcome,
  ): number {
    const known = this.#knownOf(carrier);
    const end = known.line(bytes, lineAt, at, found, writer);
    if (end >= 0) return end + 1;
    const next = bytes.indexOf(LF, at) + 1;
    if (bytes[at] === LF || (bytes[at] === CR && at + 2 === next)) return next;
    const textAt = behindPadding(bytes, at);
    if (textAt > at) return this.line(bytes, lineAt, textAt, carrier, writer);
    const text = latin1(bytes, at, Math.min(next - 1, at + LINE_LIMIT));
    if (text.includes('\u001b')) this.#colouredLine(text, lineAt, carrier, writer, found);
    else this.#pieces(bytes, lineAt, at, text, carrier, writer, found);
    if (text.includes(UNMAP_CALL)) known.learn(bytes, at, next - 1, found, writer);
    return next;
  }

  #knownOf(carrier: Carrier): KnownLines {
    let known = this.#known.get(carrier);
    if (known === undefined) {
      known = new KnownLines(this.#reader, carrier, [TERMINATING]);
      this.#known.set(carrier, known);
    }
    return known;
  }

  /** The last line of a trace, without its LF: it may be the front of a longer one, so it is not believed. */
  unfinishedLine(line: Uint8Array, byteOffset: number, writer: BatchWriter): void {
    // Its time is its own, or none: which line was decoded before it depends on how the trace was cut.
    this.#reader.readStamp(line, behindPadding(line, 0));
    const text = latin1(line, 0, Math.min(line.length, TEXT_LIMIT));
    if (mayBeFront(text)) writeLoss(writer, this.#place(byteOffset), 'torn', text);
    else if (text.trim() !== '') writer.foreignLines += 1;
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
    carrier: Carrier,
    writer: BatchWriter,
    found: Outcome,
  ): void {
    let from = 0;
    let kind = found;
    let isTold = false;
    const tell = (to: number) => {
      isTold = this.#piece(text.slice(from, to), kind, carrier, writer, lineAt) || isTold;
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
    const nameAt = this.#reader.readStamp(bytes, at);
    if (nameAt < 0) return outcome.foreign;
    const found = this.#reader.readEvent(bytes, nameAt, writer);
    if (found === outcome.event) this.#commit(bytes, lineAt, nameAt, writer);
    return found;
  }

  /** A piece of a line that is no event; false where it says nothing. */
  #piece(
    text: string,
    found: Outcome,
    carrier: Carrier,
    writer: BatchWriter,
    lineAt: number,
  ): boolean {
    if (found === outcome.skipped) {
      if (!GUEST_MESSAGE.test(text)) return true;
      this.#reader.takeBack();
      return this.#otherLine(text, carrier, writer, lineAt);
    }
    const isTorn =
      found === outcome.malformed || (BEGINS_LIKE_EVENT.test(text) && !GUEST_MESSAGE.test(text));
    if (!isTorn) return this.#otherLine(text, carrier, writer, lineAt);
    writeLoss(writer, this.#place(lineAt), 'torn', text);
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
      const [name = ''] = text.slice(index, index + NAME_WINDOW).split(' ', 1);
      if (kindOfName(name) === undefined) continue;
      const before = bytes[at + index - 1] as number;
      // Inside another name or word it is no event of its own.
      if (before === UNDERSCORE || before === MINUS) continue;
      if (this.#reader.readEvent(bytes, at + index, writer) === outcome.event) return index;
      tries += 1;
      if (tries === MOST_TRIES) return -1;
    }
    return -1;
  }

  /** A line with commands to a terminal: read without them. `found`: what it begins with so far. */
  #colouredLine(
    line: string,
    lineAt: number,
    carrier: Carrier,
    writer: BatchWriter,
    found: Outcome,
  ): void {
    const text = line.replace(TERMINAL_COMMANDS, '');
    const bytes = Buffer.from(`${text}\n`, 'latin1');
    if (found === outcome.skipped) this.#reader.takeBack();
    const foundPlain = this.#scan(bytes, lineAt, 0, writer);
    if (foundPlain !== outcome.event) {
      this.#pieces(bytes, lineAt, 0, text, carrier, writer, foundPlain);
    }
  }

  /** A line of QEMU's messages, of libvirt, or of somebody else, which is false. */
  #otherLine(line: string, carrier: Carrier, writer: BatchWriter, byteOffset: number): boolean {
    const text = line.slice(0, TEXT_LIMIT);
    const place = this.#place(byteOffset);
    if (writeRemark(carrier.remarks, text, writer, place)) return true;
    const isMessage = writeMessage(text, writer, place);
    const isEnd = TERMINATING.test(text);
    if (isEnd) writeText(writer, place, 'session:end', text);
    return isMessage || isEnd;
  }

  #commit(bytes: Uint8Array, lineAt: number, nameAt: number, writer: BatchWriter): void {
    commitEvent(this.#reader, bytes, nameAt, writer, this.#place(lineAt));
  }

  /** Where the line stands, with the stamp that was read last. */
  #place(byteOffset: number): LinePlace {
    const { seconds, nanoseconds, thread } = this.#reader;
    return { byteOffset, seconds, nanoseconds, thread, isQemusTime: true };
  }
}

function isLetter(byte: number): boolean {
  return byte >= LETTER_A && byte <= LETTER_LAST;
}

/** Where the line goes on behind NUL bytes, as copytruncate leaves them, and byte order marks. */
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
