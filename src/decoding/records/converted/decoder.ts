import { NO_TIME } from '../../../base/place.ts';
import { type LineBlock, LineBlocks } from '../../../bytes/lines.ts';
import {
  type EventBatch,
  type InputLoss,
  LAST_THREAD,
  NO_SOURCE,
  NO_THREAD,
  type TraceEnd,
} from '../../../events/batch.ts';
import { kindOfName } from '../../../events/catalogue/index.ts';
import { lossKinds } from '../../../events/catalogue/notes.ts';
import { BatchWriter } from '../../../events/writer.ts';
import type { StreamDecoder } from '../../format.ts';
import { LAST_SECOND, NO_TIME_AT_ALL, type Time, timeOfIso } from '../../iso-time.ts';
import { newLineReader } from '../../kernels.ts';
import { outcome } from '../../line-reader.ts';
import { type LinePlace, writeLoss } from '../../notes.ts';
import { isHeader, isRecord } from './header.ts';
import { SAME_TEXT } from './printer.ts';
import { type Argument, argumentsOf } from './values.ts';

const LF = 0x0a;
const HASH = 0x23;
const OPEN_BRACE = 0x7b;
const EMPTY = new Uint8Array(0);

/** Characters before an event's name that are looked at: a process and a stamp. */
const LONGEST_FRONT = 4096;
/** Bytes of a text that a record holds, in UTF-8. */
const TEXT_LIMIT = 2048;
/** Lines of a batch: what its records have room for. */
const MOST_LINES = 2 ** 32 - 1;
const LINE_OF_NEXT = /^# line (\d{1,16})$/;
const PROCESS = /^"(?:[^"\\]|\\.)*" /;
const STAMP =
  /^(?:(\d{1,10})@(?:(\d{1,10})\.(\d{9}|\d{6}))?:|(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9}|\d{6})Z )/;
const TIMESTAMP = /^(\d{1,10})\.(\d{9})$/;
const HEX = /^0x[0-9a-f]{1,16}$/;

/** Where a record stands; what has no time and no thread has neither. */
interface Front extends Time {
  readonly thread: number;
}

/**
 * Reads what `RecordPrinter` printed, in either notation: the records that it was given, at the lines of
 * the trace that was converted. What is cut off, changed or left out of it is a loss.
 */
export class ConvertedDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #blocks = new LineBlocks();
  readonly #reader = newLineReader();
  #writer = new BatchWriter();
  #lineStarts: number[] = [];
  #lineNumbers: number[] = [];
  /** Lines of the converted trace that were handed over, and the one of the newest record. */
  #before = 0;
  #line = 0;
  /** The line of the next record, where a log says it. */
  #jump: number | null = null;
  #records = 0;
  #isFirst = true;
  /** Where the bytes that are not handed over begin, and of these what is held. */
  #offset = 0;
  #held = Buffer.alloc(0);
  /** Where the text of the newest record is, in its batch. */
  #textAt = 0;
  #end: TraceEnd | null = null;
  /** What follows cannot be read, and has been told. */
  #isOver = false;

  constructor(emit: (batch: EventBatch) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    for (const block of this.#blocks.push(chunk)) this.#block(block);
  }

  end(): void {
    const last = this.#blocks.end();
    if (last !== null) this.#block(last);
    this.#handOver(this.#held, this.#held.length);
    if (this.#end === null && !this.#isOver) this.#lose(0, 'truncated', 'its end is missing');
    const batch = this.#writer.finish(EMPTY, this.#offset, this.#line - this.#before);
    this.#emit({ ...batch, ...(this.#end !== null && { end: this.#end }) });
  }

  #block({ bytes, byteLength }: LineBlock): void {
    if (byteLength > bytes.length) {
      // A line too long to be held, which is no record.
      this.#handOver(this.#held, this.#held.length);
      this.#held = Buffer.alloc(0);
      this.#handOver(Buffer.from(bytes), byteLength);
      return;
    }
    // A copy: whoever made the chunk may use its buffer again while a batch is still quoted.
    const all = Buffer.concat([this.#held, bytes]);
    const end = startOfLastText(all);
    this.#held = all.subarray(end);
    this.#handOver(all.subarray(0, end), end);
  }

  #handOver(bytes: Buffer, byteLength: number): void {
    if (bytes.length === 0) return;
    for (let at = 0; at < bytes.length && !this.#isOver; ) {
      const lf = bytes.indexOf(LF, at);
      const end = lf < 0 ? bytes.length : lf;
      if (this.#isFirst) this.#begin(bytes, end);
      else if (end > at) this.#one(bytes, at, end);
      at = end + 1;
    }
    // More records of the newest line may follow.
    const lines = Math.max(0, this.#line - this.#before - 1);
    const batch = this.#writer.finish(bytes, this.#offset, lines);
    const records = this.#printed(bytes);
    this.#emit({ ...batch, byteLength, records });
    this.#before += lines;
    this.#offset += byteLength;
  }

  #printed(bytes: Buffer): EventBatch['records'] {
    const starts = this.#lineStarts;
    const lines = this.#lineNumbers;
    this.#lineStarts = [];
    this.#lineNumbers = [];
    const print = (index: number) => {
      const at = starts[index] ?? 0;
      const lf = bytes.indexOf(LF, at);
      return bytes.toString('utf8', at, lf < 0 ? bytes.length : lf);
    };
    return { starts, lines, print };
  }

  #one(bytes: Buffer, at: number, end: number): void {
    if (this.#end !== null) {
      this.#lose(at, 'unreadable', 'something else follows its end');
      this.#isOver = true;
      return;
    }
    const first = bytes[at];
    if (first === OPEN_BRACE) this.#object(bytes.toString('utf8', at, end), at);
    else if (first === HASH) this.#comment(bytes.toString('utf8', at, end), at);
    else this.#event(bytes, at, end);
  }

  /** The first line: recognised already, if it is what it should be. */
  #begin(bytes: Buffer, end: number): void {
    this.#isFirst = false;
    if (isHeader(bytes.toString('utf8', 0, end))) return;
    this.#lose(0, 'truncated', 'its beginning is missing');
    this.#one(bytes, 0, end);
  }

  #comment(text: string, at: number): void {
    const line = LINE_OF_NEXT.exec(text)?.[1];
    if (line !== undefined && this.#isLine(Number(line))) this.#jump = Number(line);
    else this.#object(text.slice('# '.length), at);
  }

  #object(text: string, at: number): void {
    if (isHeader(text)) {
      this.#lose(at, 'unreadable', 'another converted trace begins in it');
      this.#isOver = true;
      return;
    }
    const value = parsed(text);
    const { end } = isRecord(value) ? value : {};
    if (isRecord(end)) this.#finish(end, at);
    else if (!isRecord(value) || !this.#record(value, at)) this.#unreadable(at, text);
  }

  /** Writes the record of an object; false where it is none. */
  #record(object: Readonly<Record<string, unknown>>, at: number): boolean {
    const { args, event, line, sameText, source, tid, timestamp } = object;
    const kind = typeof event === 'string' ? kindOfName(event) : undefined;
    if (kind === undefined || !isRecord(args)) return false;
    if (line !== undefined && !this.#isLine(line)) return false;
    this.#place(line ?? null, at);
    const writer = this.#writer;
    const base = writer.begin(kind);
    for (const argument of argumentsOf[kind] ?? []) {
      if (!writeArgument(writer, base, argument, args[argument.name])) return false;
    }
    const [, seconds, nanoseconds] = TIMESTAMP.exec(String(timestamp)) ?? [];
    const textAt = sameText === true ? this.#textAt : at;
    this.#commit(textAt, typeof source === 'string' ? source : null, {
      ...timeOf(seconds, nanoseconds),
      thread: isThread(tid) ? tid : NO_THREAD,
    });
    return true;
  }

  /** Writes the event of a log's line. */
  #event(bytes: Buffer, at: number, end: number): void {
    const front = bytes.toString('utf8', at, Math.min(end, at + LONGEST_FRONT));
    const process = PROCESS.exec(front)?.[0] ?? '';
    const stamp = STAMP.exec(front.slice(process.length));
    const source = process === '' ? null : parsed(process);
    const nameAt = at + Buffer.byteLength(process) + (stamp?.[0].length ?? 0);
    this.#place(null, at);
    const isWhole = bytes[end] === LF && (source === null || typeof source === 'string');
    const found = isWhole ? this.#reader.readEvent(bytes, nameAt, this.#writer) : outcome.malformed;
    if (found === outcome.skipped) this.#reader.takeBack();
    if (found === outcome.event) this.#commit(at, source as string | null, frontOf(stamp));
    else this.#unreadable(at, front);
  }

  /** A line of a trace, and no further from the last one than a batch can tell. */
  #isLine(line: unknown): line is number {
    return isCount(line) && line > 0 && line - this.#before <= MOST_LINES;
  }

  /** The line of the record that follows. */
  #place(line: number | null, at: number): void {
    // What has none of its own is behind the one before it.
    const next = line ?? this.#jump ?? this.#line + 1;
    this.#jump = null;
    // In a trace that was put in order, later records may be of lines before.
    this.#line = Math.max(this.#line, next);
    this.#writer.line = Math.max(0, next - 1 - this.#before);
    this.#lineStarts.push(at);
    this.#lineNumbers.push(next);
  }

  #commit(at: number, source: string | null, { nanoseconds, seconds, thread }: Front): void {
    const writer = this.#writer;
    writer.source = source === null ? NO_SOURCE : writer.sourceOf(source);
    writer.commit(at, seconds, nanoseconds, thread);
    this.#textAt = at;
    this.#records += 1;
  }

  #finish(end: Readonly<Record<string, unknown>>, at: number): void {
    const { hasGrown, lines, losses, records, skipped } = end;
    this.#end = {
      losses: Array.isArray(losses) ? losses.filter(isInputLoss) : [],
      hasGrown: hasGrown === true,
    };
    const names = isRecord(skipped) ? Object.entries(skipped) : [];
    for (const [name, count] of names) {
      if (isCount(count)) this.#writer.skip(name, count);
    }
    if (records !== this.#records) {
      const detail = `${String(records)} records were written, and ${this.#records} are there`;
      this.#lose(at, 'unreadable', detail);
    }
    if (this.#isLine(lines)) this.#line = Math.max(this.#line, lines);
  }

  #unreadable(at: number, text: string): void {
    // As many records as were written, since this one is told.
    this.#records += 1;
    this.#lose(at, 'unreadable', Buffer.from(text).toString('latin1'));
  }

  #lose(at: number, kind: InputLoss['kind'], detail: string): void {
    const writer = this.#writer;
    writer.source = NO_SOURCE;
    writer.line = Math.max(0, this.#line - 1 - this.#before);
    writeLoss(writer, placeAt(at), kind, detail);
  }
}

/** Where the last line begins that is not of the same text as the one before it. */
function startOfLastText(bytes: Buffer): number {
  for (let end = bytes.length - 1; end > 0; ) {
    const start = bytes.lastIndexOf(LF, end - 1) + 1;
    if (!bytes.subarray(start, end).includes(SAME_TEXT)) return start;
    end = start - 1;
  }
  return 0;
}

function placeAt(byteOffset: number): LinePlace {
  return { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    // Damaged: the caller tells it.
    return undefined;
  }
}

function frontOf(stamp: RegExpExecArray | null): Front {
  const [, thread = '0', seconds, fraction, iso, isoFraction = ''] = stamp ?? [];
  const time = iso === undefined ? timeOf(seconds, fraction) : timeOfIso(iso, isoFraction, 'Z');
  const number = Number(thread);
  return { ...time, thread: isThread(number) ? number : NO_THREAD };
}

function timeOf(seconds: string | undefined, fraction = ''): Time {
  if (seconds === undefined || Number(seconds) > LAST_SECOND) return NO_TIME_AT_ALL;
  return { seconds: Number(seconds), nanoseconds: Number(fraction.padEnd(9, '0')) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isThread(value: unknown): value is number {
  return isCount(value) && value <= LAST_THREAD;
}

function isInputLoss(value: unknown): value is InputLoss {
  if (!isRecord(value)) return false;
  const { detail, kind } = value;
  return typeof detail === 'string' && lossKinds.some((known) => known === kind);
}

/** False where the value is none of this argument. */
function writeArgument(
  writer: BatchWriter,
  base: number,
  { at, type, words }: Argument,
  value: unknown,
): boolean {
  if (words !== null) {
    const index = typeof value === 'string' ? words.indexOf(value) : -1;
    writer.words[base + at] = index;
    return index >= 0;
  }
  if (type === 'text') {
    if (typeof value !== 'string') return false;
    const bytes = Buffer.from(value);
    writer.addText(base + at, bytes, 0, bytes.length, TEXT_LIMIT);
    return true;
  }
  if (type === 'u64') {
    if (typeof value !== 'string' || !HEX.test(value)) return false;
    // The last eight digits are the lower word.
    const digits = value.slice(2);
    const split = Math.max(0, digits.length - 8);
    writer.words[base + at] = Number(`0x0${digits.slice(0, split)}`);
    writer.words[base + at + 1] = Number(`0x${digits.slice(split)}`);
    return true;
  }
  const [least, most] = type === 'i32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    return false;
  }
  writer.words[base + at] = value as number;
  return true;
}
