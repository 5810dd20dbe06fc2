import { NO_TIME } from '../../../base/place.ts';
import { LAST_THREAD, NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import type {
  ArgumentType,
  EventDeclaration,
  Shape,
} from '../../../events/catalogue/declaration.ts';
import {
  catalogue,
  type EventName,
  eventNames,
  kindOf,
  kindOfName,
  offsetsOf,
} from '../../../events/catalogue/index.ts';
import type { LossKind } from '../../../events/catalogue/notes.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { argumentAliases } from '../../argument-aliases.ts';
import { CarriedLine } from '../../carried-line.ts';
import { LAST_SECOND, NO_TIME_AT_ALL, type Time, timeOfIso } from '../../iso-time.ts';
import { newLineReader } from '../../kernels.ts';
import { writeMessage } from '../../messages.ts';
import { beginLoss, DETAIL_LENGTH, type LinePlace, writeU64 } from '../../notes.ts';
import { ISO_TIME } from '../../patterns.ts';
import { journalRemark } from '../../remarks/journal.ts';
import { envelopeOf } from './envelope.ts';
import { isObject, type JsonObject, type JsonValue } from './value.ts';

/*
 * One JSON object per event, from an array or a line:
 *
 *   {"event":"vtd_page_walk_one","timestamp":1795332947862113000,"tid":7329,
 *    "args":{"domain":"0x2","iova":"0xffff4000","gpa":"0x3f4000","mask":"0xfff","perm":3}}
 *
 * Aliases: event|name|event_name; timestamp|ts|time|timestamp_ns|t; tid|thread|vtid;
 * args|fields|payload, by name or by position. Numbers are read from their digits; one above 2^53
 * that a writer has put through a double is refused, because it is no longer the number it was.
 */

const NAME_KEYS = ['event', 'name', 'event_name'] as const;
const TIME_KEYS = ['timestamp', 'ts', 'time', 'timestamp_ns', 't'] as const;
const THREAD_KEYS = ['tid', 'thread', 'vtid'] as const;
const PROCESS_KEYS = ['pid'] as const;
const ARGUMENT_KEYS = ['args', 'fields', 'payload'] as const;
/** What envelopes' lines say beside QEMU's. */
export const REMARKS = [journalRemark];
const OPS: readonly string[] = ['UNMAP', 'MAP'];

/** Keys of which an event is made. */
export const READ_KEYS: ReadonlySet<string> = new Set([
  ...NAME_KEYS,
  ...THREAD_KEYS,
  ...PROCESS_KEYS,
  ...ARGUMENT_KEYS,
]);

/** The keys under which an object has its time and its arguments, if it has them. */
export function eventKeys(object: JsonObject) {
  const first = (keys: readonly string[]) => keys.find((key) => object[key] !== undefined) ?? null;
  return { time: first(TIME_KEYS), args: first(ARGUMENT_KEYS) };
}

/** An argument that is missing or no number of its type. */
class BadArgument extends Error {}

function pick(object: JsonObject, keys: readonly string[]): JsonValue | undefined {
  for (const key of keys) if (object[key] !== undefined) return object[key];
  return undefined;
}

/** A name that could be that of an event of QEMU's. */
const EVENT_NAME = /^[a-z]\w{0,95}$/i;

/** The event's name in an object, if it has one. */
export function eventNameOf(object: JsonObject): string | undefined {
  const name = pick(object, NAME_KEYS);
  return typeof name === 'string' && EVENT_NAME.test(name) ? name : undefined;
}

/**
 * Whether an object is an event and not just something with a name: one that is known, or that has
 * arguments.
 */
export function isEvent(value: JsonValue | undefined): boolean {
  if (!isObject(value)) return false;
  const name = eventNameOf(value);
  if (name === undefined) return false;
  const args = pick(value, ARGUMENT_KEYS);
  return kindOfName(name) !== undefined || (name.includes('_') && typeof args === 'object');
}

/** True where an object is around a line of QEMU's. */
export function holdsLine(value: JsonValue | undefined): boolean {
  if (!isObject(value)) return false;
  const writer = new BatchWriter();
  writeEvent(value, 0, writer, new CarriedLine(newLineReader()));
  return writer.finish(new Uint8Array(0), 0, 0).events > 0;
}

/**
 * Writes the event of an object, or the line of QEMU's in it, which `embedded` reads; anything else
 * is counted as a foreign line.
 */
export function writeEvent(
  value: JsonValue,
  byteOffset: number,
  writer: BatchWriter,
  embedded: CarriedLine,
): void {
  const name = isObject(value) ? eventNameOf(value) : undefined;
  writer.source = NO_SOURCE;
  if (!isObject(value) || name === undefined) {
    const isOurs =
      isObject(value) &&
      (writeEnvelope(value, byteOffset, writer, embedded) ||
        writeAnswer(value, byteOffset, writer));
    if (!isOurs) writer.foreignLines += 1;
    return;
  }
  if (kindOfName(name) === undefined) {
    // Not every `name` is an event's: a logger may have one beside the line that it wraps.
    if (!writeEnvelope(value, byteOffset, writer, embedded)) writer.skip(name);
    return;
  }
  const { seconds, nanoseconds } = timeOf(pick(value, TIME_KEYS));
  const thread = threadOf(pick(value, THREAD_KEYS));
  const args = pick(value, ARGUMENT_KEYS) ?? {};
  const process = threadOf(pick(value, PROCESS_KEYS));
  if (process !== NO_THREAD) writer.source = writer.sourceOf(`process ${process}`);
  try {
    writeArguments(name as EventName, args, writer);
    writer.commit(byteOffset, seconds, nanoseconds, thread);
  } catch (thrown) {
    if (!(thrown instanceof BadArgument)) throw thrown;
    writeLoss(writer, byteOffset, `${name}: ${thrown.message}`);
    return;
  }
  if (name !== 'migrate_error' && name !== 'migrate_fd_error') return;
  const text = textOf(argumentIn('error', args, formOf(FORMS.get(name) ?? [], args)));
  const bytes = Buffer.from(text).toString('latin1');
  writeMessage(bytes, writer, { byteOffset, seconds, nanoseconds, thread }, true);
}

function writeEnvelope(
  value: JsonObject,
  byteOffset: number,
  writer: BatchWriter,
  embedded: CarriedLine,
): boolean {
  const envelope = envelopeOf(value);
  if (envelope === undefined) return false;
  if (envelope.source !== '') writer.source = writer.sourceOf(envelope.source);
  const place = new EnvelopePlace(byteOffset, envelope.time);
  return embedded.write(envelope.line, writer, place, REMARKS);
}

/** Where a line in an envelope stands: most have a time of their own, and this one is not asked for. */
export class EnvelopePlace implements LinePlace {
  readonly byteOffset: number;
  readonly thread = NO_THREAD;
  readonly #value: JsonValue | undefined;
  #time: Time | null = null;

  constructor(byteOffset: number, time: JsonValue | undefined) {
    this.byteOffset = byteOffset;
    this.#value = time;
  }

  get seconds(): number {
    return this.#read().seconds;
  }

  get nanoseconds(): number {
    return this.#read().nanoseconds;
  }

  #read(): Time {
    this.#time ??= timeOf(this.#value);
    return this.#time;
  }
}

/**
 * Writes what an answer of QMP says of a failure: the end of a migration, or a command's error.
 *
 *   {"return": {"status": "failed", "error-desc": "vfio_container_dma_unmap(...) = -7 (...)"}}
 *   {"error": {"class": "GenericError", "desc": "0000:41:00.2: VFIO migration is not supported in kernel"}}
 */
function writeAnswer(value: JsonObject, byteOffset: number, writer: BatchWriter): boolean {
  const { error, return: answer } = value;
  const told = isObject(answer) ? answer['error-desc'] : undefined;
  const { class: kind, desc } = isObject(error) ? error : {};
  const text = kind === undefined ? told : desc;
  if (typeof text !== 'string') return false;
  const bytes = Buffer.from(`"error-desc": "${text}"`).toString('latin1');
  const place = { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
  return writeMessage(bytes, writer, place, true);
}

/** Writes that something at this place could not be read. */
export function writeLoss(
  writer: BatchWriter,
  byteOffset: number,
  detail: string,
  kind: LossKind = 'unreadable',
): void {
  writer.addString(beginLoss(writer, kind), detail.slice(0, DETAIL_LENGTH));
  writer.commit(byteOffset, 0, NO_TIME, NO_THREAD);
}

/** A shape as JSON can have it: by the names of its arguments, those that are not kept as `_`. */
interface Form {
  readonly names: readonly string[];
  readonly kept: readonly string[];
  readonly sets: Readonly<Record<string, number>>;
}

function formsOf({ shapes }: EventDeclaration): readonly Form[] {
  return shapes.map(({ text, sets = {} }: Shape) => {
    const names = [...text.matchAll(/\{(\w+):/g)].map(([, argument]) => argument ?? '_');
    return { names, kept: names.filter((name) => name !== '_'), sets };
  });
}

const FORMS: ReadonlyMap<EventName, readonly Form[]> = new Map(
  eventNames.map((name) => [name, formsOf(catalogue[name])]),
);
const ZERO: Readonly<Record<ArgumentType, JsonValue>> = { u32: 0, i32: 0, u64: 0, text: '' };
const NO_FORM: Form = { names: [], kept: [], sets: {} };

/** Where the arguments of each event are. */
const LAYOUTS: ReadonlyMap<EventName, readonly ArgumentPlace[]> = new Map(
  eventNames.map((name) => {
    const { args }: EventDeclaration = catalogue[name];
    const offsets: Readonly<Record<string, number>> = offsetsOf(name);
    const places = Object.entries(args).map(([argument, type]) => ({
      argument,
      type,
      offset: offsets[argument] as number,
    }));
    return [name, places];
  }),
);

interface ArgumentPlace {
  readonly argument: string;
  readonly type: ArgumentType;
  readonly offset: number;
}

function writeArguments(name: EventName, args: JsonValue, writer: BatchWriter): void {
  const base = writer.begin(kindOf(name));
  const form = formOf(FORMS.get(name) ?? [], args);
  for (const { argument, offset, type } of LAYOUTS.get(name) ?? []) {
    const value = argumentIn(argument, args, form);
    // What another version prints is not missing: it reads as in a log of this one.
    const isForeign = value === undefined && !form.names.includes(argument);
    writeArgument(writer, base + offset, type, argument, isForeign ? ZERO[type] : value);
  }
}

/** The numbers of an event: under which key, and where in its record; null where it has texts. */
export function argumentKeys(name: string, args: JsonObject) {
  const form = formOf(FORMS.get(name as EventName) ?? [], args);
  const found: { readonly key: string; readonly offset: number; readonly isWide: boolean }[] = [];
  for (const { argument, offset, type } of LAYOUTS.get(name as EventName) ?? []) {
    if (type === 'text') return null;
    if (argument === 'op' || form.sets[argument] !== undefined) continue;
    const keys = [argument, ...(argumentAliases[argument] ?? [])];
    const key = keys.find((one) => args[one] !== undefined);
    if (key !== undefined) found.push({ key, offset, isWide: type === 'u64' });
  }
  return found;
}

/** The form in which these arguments were printed: of those that fit, the one that keeps most. */
function formOf(forms: readonly Form[], args: JsonValue): Form {
  const last = forms.at(-1) ?? NO_FORM;
  if (forms.length < 2) return last;
  if (Array.isArray(args)) {
    return forms.findLast(({ names }) => names.length === args.length) ?? last;
  }
  // Two versions keep the same of a bitmap's query; only the older has a descriptor.
  const isOld = isObject(args) && 'fd' in args;
  const fitting = forms.filter(
    (form) =>
      (!('old' in form.sets) || isOld) &&
      form.kept.every((name) => argumentIn(name, args, form) !== undefined),
  );
  const most = Math.max(...fitting.map(({ kept }) => kept.length));
  return fitting.find(({ kept }) => kept.length === most) ?? last;
}

function argumentIn(argument: string, args: JsonValue, form: Form): JsonValue | undefined {
  const set = form.sets[argument];
  if (set !== undefined) return set;
  if (Array.isArray(args)) {
    const position = form.names.indexOf(argument);
    return position < 0 ? undefined : (args as readonly JsonValue[])[position];
  }
  if (!isObject(args)) return undefined;
  return pick(args, [argument, ...(argumentAliases[argument] ?? [])]);
}

/** A text; a number is its digits, as in one of the two JSON formats it is already. */
function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function writeArgument(
  writer: BatchWriter,
  at: number,
  type: ArgumentType,
  argument: string,
  value: JsonValue | undefined,
): void {
  if (type === 'text') {
    writer.addString(at, textOf(value));
    return;
  }
  const small = argument === 'op' ? null : smallInteger(value);
  if (small !== null && (type === 'u64' || small < 2 ** 32)) {
    // What does not fit into a word is cut off where it is stored.
    if (type === 'u64') writer.words[at] = small / 2 ** 32;
    writer.words[type === 'u64' ? at + 1 : at] = small;
    return;
  }
  const number = argument === 'op' ? operation(value) : integerOf(value, argument);
  if (type === 'u64') {
    if (number < 0n || number >= 1n << 64n) throw new BadArgument(`${argument} is out of range`);
    writeU64(writer, at, number);
    return;
  }
  if (number >= 1n << 32n || number < -(1n << 31n))
    throw new BadArgument(`${argument} is out of range`);
  writer.words[at] = Number(number);
}

function operation(value: JsonValue | undefined): bigint {
  const index = OPS.indexOf(String(value).toUpperCase());
  if (index < 0) throw new BadArgument(`op is ${JSON.stringify(value)}, expected MAP or UNMAP`);
  return BigInt(index);
}

const SMALL = /^(?:0x[0-9a-f]{1,13}|\d{1,15})$/i;

/** What most numbers are: one that a double holds exactly, in its plainest spellings; else null. */
function smallInteger(value: JsonValue | undefined): number | null {
  if (typeof value === 'number') return value >= 0 && Number.isSafeInteger(value) ? value : null;
  return typeof value === 'string' && SMALL.test(value) ? Number(value) : null;
}

/** What writers without integers print of one that a double holds exactly is one, too. */
const INTEGER = /^(-?)(?:(0x[0-9a-f]{1,32}|\d{1,32})|(\d{1,15})\.0{1,32})$/i;

function integerOf(value: JsonValue | undefined, argument: string): bigint {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new BadArgument(`${argument} has lost digits`);
    return BigInt(value);
  }
  if (typeof value !== 'string') throw new BadArgument(`${argument} is missing`);
  const text = value.trim();
  if (text === '(nil)') return 0n;
  // A number of JSON arrives as its digits; with an exponent or a point it went through a double.
  const [, sign, integer, whole] = INTEGER.exec(text) ?? [];
  const digits = integer ?? whole;
  if (digits === undefined)
    throw new BadArgument(`${argument} is ${JSON.stringify(value).slice(0, 40)}`);
  const number = BigInt(digits.toLowerCase());
  return sign === '-' ? -number : number;
}

function threadOf(value: JsonValue | undefined): number {
  const number = typeof value === 'string' && /^\d{1,10}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && number >= 0 && number <= LAST_THREAD ? number : NO_THREAD;
}

/** Integer digits by magnitude (ns, us, ms or s), a decimal in seconds, or ISO 8601. */
export function timeOf(value: JsonValue | undefined): Time {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return NO_TIME_AT_ALL;
  const [, whole, fraction = ''] = /^(\d{1,20})(?:\.(\d{1,9})\d*)?$/.exec(text) ?? [];
  if (whole === undefined) return isoTime(text);
  if (fraction !== '') return secondsAnd(Number(whole), fraction);
  const digits = whole.replace(/^0+(?=\d)/, '');
  // At least 10^17, 10^14, 10^11.
  const places = digits.length >= 18 ? 9 : digits.length >= 15 ? 6 : digits.length >= 12 ? 3 : 0;
  const point = digits.length - places;
  return secondsAnd(Number(digits.slice(0, point)), digits.slice(point));
}

function secondsAnd(seconds: number, fraction: string): Time {
  if (seconds > LAST_SECOND) return NO_TIME_AT_ALL;
  return { seconds, nanoseconds: Number(fraction.padEnd(9, '0')) };
}

/** Without a zone it is in UTC. */
const ISO = new RegExp(`^${ISO_TIME}?$`);

function isoTime(text: string): Time {
  const [, toSeconds, fraction = '', zone = 'Z'] = ISO.exec(text) ?? [];
  return toSeconds === undefined ? NO_TIME_AT_ALL : timeOfIso(toSeconds, fraction, zone);
}
