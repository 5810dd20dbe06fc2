import { NO_TIME } from '../../base/place.ts';
import { LAST_THREAD, NO_THREAD } from '../../events/batch.ts';
import type { EventDeclaration } from '../../events/catalogue/declaration.ts';
import {
  catalogue,
  type EventKind,
  type EventName,
  kindOf,
  kindOfName,
  offsetsOf,
} from '../../events/catalogue/index.ts';
import type { BatchWriter } from '../../events/writer.ts';
import { LAST_SECOND } from '../iso-time.ts';
import { type LineReader, type Outcome, outcome } from '../line-reader.ts';
import { writeU64 } from '../notes.ts';
import { LONGEST_NAME } from '../patterns.ts';
import { tornOf } from '../torn-names.ts';
import { readArguments, type Values } from './shapes.ts';

const LF = 0x0a;

const THREAD_STAMP = /^(\d{1,10})@(\d{1,11})\.(\d{6}):/;
const ISO_STAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d*))?Z /;
/** A name, behind which a blank or the end of the line stands. */
const NAME = new RegExp(`^(\\w{1,${LONGEST_NAME}})(?: |(?=\\r|$))`);

/** Reads stamps and events with a regular expression for each kind, and counts names in a map. */
export class ReferenceReader implements LineReader {
  seconds = 0;
  nanoseconds: number = NO_TIME;
  thread: number = NO_THREAD;
  kind: EventKind = -1;
  next = 0;

  readonly #skipped = new Map<string, number>();
  #skippedLast = '';

  readStamp(bytes: Uint8Array, at: number): number {
    this.seconds = 0;
    this.nanoseconds = NO_TIME;
    this.thread = NO_THREAD;
    const text = restOfLine(bytes, at);
    if (!/^\d/.test(text)) return at;
    const length = this.#threadStamp(text) || this.#isoStamp(text);
    return length === 0 ? -1 : at + length;
  }

  readEvent(bytes: Uint8Array, from: number, writer: BatchWriter): Outcome {
    const line = restOfLine(bytes, from);
    const [front = '', name = ''] = NAME.exec(line) ?? [];
    if (kindOfName(name) === undefined) return this.#skip(name, line);
    const values = readArguments(name as EventName, line.slice(front.length));
    if (values === undefined) return outcome.malformed;
    writeArguments(name as EventName, values, writer);
    this.kind = kindOf(name as EventName);
    this.next = from + line.length;
    return outcome.event;
  }

  takeBack(): void {
    this.#count(this.#skippedLast, -1);
  }

  takeCounts(writer: BatchWriter): void {
    for (const [name, count] of this.#skipped) if (count > 0) writer.skip(name, count);
    this.#skipped.clear();
  }

  /** The length of a thread's stamp, which it reads; 0 where none begins. */
  #threadStamp(text: string): number {
    const [stamp = '', thread, seconds, micro] = THREAD_STAMP.exec(text) ?? [];
    if (Number(thread) > LAST_THREAD || Number(seconds) > LAST_SECOND) return 0;
    if (stamp === '') return 0;
    this.thread = Number(thread);
    this.seconds = Number(seconds);
    this.nanoseconds = Number(micro) * 1000;
    return stamp.length;
  }

  /** The length of a stamp in UTC, which it reads; 0 where none begins. */
  #isoStamp(text: string): number {
    const [stamp, ...groups] = ISO_STAMP.exec(text) ?? [];
    if (stamp === undefined) return 0;
    const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = groups.map(Number);
    if (month < 1 || month > 12 || day < 1 || day > 31) return 0;
    const midnight = new Date(0).setUTCFullYear(year, month - 1, day) / 1000;
    const seconds = midnight + hour * 3600 + minute * 60 + second;
    if (seconds < 0 || seconds > LAST_SECOND) return 0;
    this.seconds = seconds;
    this.nanoseconds = Number((groups[6] ?? '').slice(0, 9).padEnd(9, '0'));
    return stamp.length;
  }

  #skip(name: string, line: string): Outcome {
    if (!name.includes('_')) return outcome.foreign;
    const torn = tornOf(name);
    const isCut = torn === 'cut' && line[name.length] !== ' ';
    if (torn === 'glued' || isCut) return outcome.malformed;
    this.#count(name, 1);
    this.#skippedLast = name;
    return outcome.skipped;
  }

  #count(name: string, by: number): void {
    this.#skipped.set(name, (this.#skipped.get(name) ?? 0) + by);
  }
}

/** The characters of the bytes from `at` to the LF, or to the end. */
function restOfLine(bytes: Uint8Array, at: number): string {
  const lf = bytes.indexOf(LF, at);
  const end = lf < 0 ? bytes.length : lf;
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.max(0, end - at)).toString('latin1');
}

function writeArguments(name: EventName, values: Values, writer: BatchWriter): void {
  const base = writer.begin(kindOf(name));
  const { args }: EventDeclaration = catalogue[name];
  const offsets: Readonly<Record<string, number>> = offsetsOf(name);
  for (const [argument, type] of Object.entries(args)) {
    const at = base + (offsets[argument] ?? 0);
    const value = values.get(argument) ?? 0n;
    if (typeof value === 'string') writer.addLatin1(at, value);
    else {
      if (type === 'u64') writeU64(writer, at, value);
      else writer.words[at] = Number(value & 0xffff_ffffn);
    }
  }
}
