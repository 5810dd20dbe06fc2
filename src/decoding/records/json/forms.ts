import { NO_TIME } from '../../../base/place.ts';
import { HEADER_WORDS, KIND, LINE, NO_THREAD, THREAD } from '../../../events/batch.ts';
import { kindOfName } from '../../../events/catalogue/index.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import {
  type LineForm,
  numberPlace,
  type PiecePlace,
  piecesOf,
  shifted,
} from '../../formed-lines.ts';
import { envelopeKeys, SOURCE_KEYS } from './envelope.ts';
import { argumentKeys, eventKeys, eventNameOf, READ_KEYS, timeOf } from './event.ts';
import { isObject, type JsonObject, type JsonValue } from './value.ts';

/*
 * The forms of objects on lines of their own: keys in the same order, and values that are the same, or
 * of the same kind where nobody reads them. Of an object with an escape in it, only QEMU's text may
 * have one, and that at its end.
 */

/** Bytes of a line of which there is a form. */
const LONGEST = 4096;

/** A value, from its first to behind its last character; a string's quotes do not count. */
interface Token {
  readonly from: number;
  readonly to: number;
  readonly is: 'string' | 'number' | 'other';
}

const KEY = /[ \t]*"([^"\\]*)"[ \t]*:[ \t]*/y;
const STRING = /"((?:[^"\\]|\\[ntr])*)"/y;
const NUMBER = /-?\d[\d.eE+-]*/y;
const BETWEEN = /[ \t]*([,}])/y;
/** An object or an array as a value, of which no more than two levels are known; or a word. */
const OTHER =
  /\{(?:[^{}[\]"\\]|"[^"\\]*"|\{(?:[^{}[\]"\\]|"[^"\\]*")*\}|\[(?:[^{}[\]"\\]|"[^"\\]*")*\])*\}|\[(?:[^{}[\]"\\]|"[^"\\]*")*\]|[a-z]{4,5}/y;

/** The values of the object at `from` by their keys; null where it is not as plain as forms are. */
function tokensOf(text: string, from: number): ReadonlyMap<string, Token> | null {
  const tokens = new Map<string, Token>();
  let at = from + 1;
  for (;;) {
    KEY.lastIndex = at;
    const key = KEY.exec(text)?.[1];
    if (key === undefined || tokens.has(key)) return null;
    const token = tokenAt(text, KEY.lastIndex);
    if (token === null) return null;
    tokens.set(key, token);
    BETWEEN.lastIndex = token.is === 'string' ? token.to + 1 : token.to;
    const between = BETWEEN.exec(text)?.[1];
    if (between === undefined) return null;
    if (between === '}') return tokens;
    at = BETWEEN.lastIndex;
  }
}

function tokenAt(text: string, at: number): Token | null {
  for (const [is, pattern] of [
    ['string', STRING],
    ['number', NUMBER],
    ['other', OTHER],
  ] as const) {
    pattern.lastIndex = at;
    if (!pattern.test(text)) continue;
    const quote = is === 'string' ? 1 : 0;
    return { is, from: at + quote, to: pattern.lastIndex - quote };
  }
  return null;
}

/** The line at `from .. to`, and what it holds. */
export interface ObjectLine {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly value: JsonObject;
}

/** The form of an object that was just written, or null. */
export function formOfObject(line: ObjectLine, writer: BatchWriter): LineForm | null {
  if (line.to - line.from > LONGEST) return null;
  const text = line.bytes.toString('latin1', line.from, line.to);
  if (!text.startsWith('{') || !text.endsWith('}')) return null;
  const tokens = tokensOf(text, 0);
  if (tokens === null) return null;
  const name = eventNameOf(line.value);
  if (name === undefined) return envelopeForm(line, text, tokens, writer);
  return kindOfName(name) === undefined ? null : eventForm(line, text, tokens, name, writer);
}

function envelopeForm(
  line: ObjectLine,
  text: string,
  tokens: ReadonlyMap<string, Token>,
  writer: BatchWriter,
): LineForm | null {
  const keys = envelopeKeys(line.value);
  const token = keys === null ? undefined : tokens.get(keys.line);
  // A line in a field that may be an event's name, where it is one word, or the bytes of one.
  if (keys === null || token?.is !== 'string' || READ_KEYS.has(keys.line)) return null;
  const [end = ''] = /(?:\\[nrt])*$/.exec(text.slice(token.from, token.to)) ?? [];
  const textEnd = token.to - end.length;
  if (text.slice(token.from, textEnd).includes('\\')) return null;
  const places: PiecePlace[] = [{ from: token.from, to: textEnd, piece: { is: 'text' } }];
  const isRead = (key: string) =>
    key === keys.line || key === keys.time || READ_KEYS.has(key) || SOURCE_KEYS.has(key);
  places.push(...unreadPlaces(text, tokens, isRead));
  return {
    ...timedPieces(line, places, text, tokens, keys.time),
    thread: NO_THREAD,
    source: writer.source,
    record: null,
  };
}

function eventForm(
  line: ObjectLine,
  text: string,
  tokens: ReadonlyMap<string, Token>,
  name: string,
  writer: BatchWriter,
): LineForm | null {
  const record = Uint32Array.from(writer.newest);
  if (record[KIND] !== kindOfName(name) || record[LINE] !== writer.line) return null;
  const { value } = line;
  const keys = eventKeys(value);
  const args = keys.args === null ? undefined : value[keys.args];
  const argumentsToken = keys.args === null ? undefined : tokens.get(keys.args);
  if (!isObject(args) || argumentsToken === undefined) return null;
  const argumentTokens = tokensOf(text, argumentsToken.from);
  const found = argumentKeys(name, args);
  if (argumentTokens === null || found === null) return null;
  const places: PiecePlace[] = [];
  for (const { key, offset, isWide } of found) {
    const token = argumentTokens.get(key);
    if (token === undefined || token.is === 'other') continue;
    const number = text.slice(token.from, token.to);
    const place = numberPlace(number, token.from, HEADER_WORDS + offset, isWide);
    if (place !== null) places.push(place);
  }
  places.push(...unreadPlaces(text, tokens, (key) => key === keys.time || READ_KEYS.has(key)));
  return {
    ...timedPieces(line, places, text, tokens, keys.time),
    thread: record[THREAD] as number,
    source: writer.source,
    record,
  };
}

/** The pieces of a line with these places, and with that of its time. `key`: whose value its time is. */
function timedPieces(
  { bytes, from, to, value }: ObjectLine,
  places: readonly PiecePlace[],
  text: string,
  tokens: ReadonlyMap<string, Token>,
  key: string | null,
): Pick<LineForm, 'pieces' | 'seconds' | 'nanoseconds'> {
  const time = key === null ? null : timeIn(text, tokens.get(key), value[key]);
  const all = time?.place === undefined ? places : [...places, time.place];
  return {
    pieces: piecesOf(bytes, from, to, shifted(all, from)),
    seconds: time?.seconds ?? 0,
    nanoseconds: time?.nanoseconds ?? NO_TIME,
  };
}

/** Values that nobody reads, which may be others. */
function unreadPlaces(
  text: string,
  tokens: ReadonlyMap<string, Token>,
  isRead: (key: string) => boolean,
): readonly PiecePlace[] {
  const places: PiecePlace[] = [];
  for (const [key, { from, to, is }] of tokens) {
    if (isRead(key)) continue;
    const value = text.slice(from, to);
    if (is === 'string' && !value.includes('\\'))
      places.push({ from, to, piece: { is: 'string' } });
    if (is === 'number' && /^\d+$/.test(value)) places.push({ from, to, piece: { is: 'digits' } });
  }
  return places;
}

/** A time, and where the fraction of its second lies, if it has one. */
function timeIn(text: string, token: Token | undefined, value: JsonValue | undefined) {
  const { seconds, nanoseconds } = timeOf(value);
  const place = token === undefined || nanoseconds === NO_TIME ? null : fractionIn(text, token);
  return { seconds, nanoseconds, ...(place !== null && { place }) };
}

/** Characters of a number that `parseJson` keeps as they are. */
const LONG_NUMBER = 16;
/** A time as `timeOf` reads it: a decimal, or ISO 8601; or integer digits of which so many are a fraction. */
const FRACTION = /^(?:\d+|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)[.,](\d{1,9})/;
const FRACTIONS = [
  [18, 9],
  [15, 6],
  [12, 3],
] as const;

function fractionIn(text: string, { from, to, is }: Token): PiecePlace | null {
  const value = text.slice(from, to);
  const [front = '', digits] = FRACTION.exec(value) ?? [];
  if (digits !== undefined) {
    // A short number passes through a double, which knows no zeros at its end.
    if (is === 'number' && value.length < LONG_NUMBER) return null;
    const end = from + front.length;
    return {
      from: end - digits.length,
      to: end,
      piece: { is: 'fraction', digits: digits.length },
    };
  }
  if (!/^[1-9]\d+$/.test(value)) return null;
  const places = FRACTIONS.find(([fewest]) => value.length >= fewest)?.[1];
  return places === undefined
    ? null
    : { from: to - places, to, piece: { is: 'fraction', digits: places } };
}
