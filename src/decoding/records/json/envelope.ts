import { isObject, type JsonObject, type JsonValue } from './value.ts';

/*
 * What puts a line of another program into an object of its own: `journalctl -o json`, Docker's
 * json-file, Fluent Bit, Vector and their like. The line is in one field, its time and its writer in
 * others.
 */

/** In this order: a journal's object has more fields than its MESSAGE. */
const LINE_KEYS = [
  'MESSAGE',
  'message',
  'msg',
  'log',
  'line',
  'raw',
  '_raw',
  'text',
  'body',
  'data',
  'textPayload',
  'event.original',
  // Of a collector that calls every line an event; QEMU's events have no blanks in their names.
  'event',
] as const;
const TIME_KEYS = [
  '__REALTIME_TIMESTAMP',
  '_SOURCE_REALTIME_TIMESTAMP',
  'timestamp',
  '@timestamp',
  'time',
  'ts',
  'date',
  '_time',
] as const;

/** Objects that log stores print hold the object that they were given in one of these. */
const INNER_KEYS = ['_source', 'result'] as const;

/** A line of a program in an object. */
export interface Envelope {
  readonly line: Buffer;
  /** As it stands there, for the reader of times. */
  readonly time: JsonValue | undefined;
  /** Who wrote the line, or ''. */
  readonly source: string;
}

/** The line that an object holds, itself or in an object in it, if it holds one. */
export function envelopeOf(object: JsonObject): Envelope | undefined {
  const outer = envelopeAround(object);
  if (outer !== undefined) return outer;
  const inner = INNER_KEYS.map((key) => object[key]).find(isObject);
  return inner === undefined ? undefined : envelopeAround(inner);
}

function envelopeAround(object: JsonObject): Envelope | undefined {
  for (const key of LINE_KEYS) {
    const line = bytesOf(object[key]);
    if (line === undefined) continue;
    const time = TIME_KEYS.map((name) => object[name]).find((value) => value !== undefined);
    return { line, time, source: sourceOf(object) };
  }
  return undefined;
}

/** The keys under which an object itself has its line and its time. */
export function envelopeKeys(object: JsonObject) {
  const line = LINE_KEYS.find((key) => bytesOf(object[key]) !== undefined);
  const time = TIME_KEYS.find((key) => object[key] !== undefined) ?? null;
  return line === undefined ? null : { line, time };
}

/** A text, or the bytes that a journal prints of what is no UTF-8; without the line's end. */
function bytesOf(value: JsonValue | undefined): Buffer | undefined {
  let bytes: Buffer;
  if (typeof value === 'string') bytes = Buffer.from(value);
  else if (Array.isArray(value) && value.length > 0) {
    const numbers = (value as readonly JsonValue[]).map(Number);
    if (!numbers.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255))
      return undefined;
    bytes = Buffer.from(numbers);
  } else return undefined;
  const text = bytes.toString('latin1');
  return bytes.subarray(0, text.trimEnd().length);
}

/** Keys under which a journal says who wrote a line. */
export const SOURCE_KEYS: ReadonlySet<string> = new Set([
  'SYSLOG_IDENTIFIER',
  '_COMM',
  '_PID',
  'SYSLOG_PID',
  '_HOSTNAME',
]);

/** What a journal says of the process; other envelopes name none. */
function sourceOf(object: JsonObject): string {
  const text = (key: string) => {
    const value = object[key];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  };
  const ident = text('SYSLOG_IDENTIFIER') || text('_COMM');
  const process = text('_PID') || text('SYSLOG_PID');
  // What the journal itself says of losses is about everybody's lines.
  if (process === '' || ident.includes('journal')) return '';
  return `${text('_HOSTNAME')} ${ident}[${process}]`.trim();
}
