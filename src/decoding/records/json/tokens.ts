import { getManyValues, isMany, type Many, none, stop } from 'stream-chain/defs.js';
import { jsonParser, type Token } from 'stream-json/core/parser.js';
import { streamArray } from 'stream-json/streamers/stream-array.js';
import { isLongNumber } from './digits.ts';
import type { JsonValue } from './value.ts';

/*
 * JSON by the tokens of stream-json. Its steps are called and not piped: its streams wait for each other at
 * each token, which takes as long as all the rest.
 */

const NOTHING: readonly never[] = [];

/** What a step of stream-json gives: nothing, one thing or several. */
export function each<Value>(
  given: Value | Many<Value> | typeof none | typeof stop,
): readonly Value[] {
  if (given === none || given === stop) return NOTHING;
  return isMany(given) ? (getManyValues(given) as readonly Value[]) : [given as Value];
}

/** Reads text, a piece at a time, or with `none` the end of a document. @throws where it is no JSON, or ends early. */
export function newParser() {
  const parse = jsonParser({ streamKeys: false, streamStrings: false, streamNumbers: false });
  // Its types leave out how a document is ended.
  return (text: string | typeof none) => each(parse(text as string));
}

/** A number that a double may not hold as its digits; any other token as it is. */
function withDigits(token: Token): Token {
  if (token.name !== 'numberValue' || !isLongNumber(token.value)) return token;
  return { name: 'stringValue', value: token.value };
}

/** The elements of an array, long numbers as their digits, as `parseJson` has them; null where it is no JSON. */
export function elementsOf(text: string): readonly JsonValue[] | null {
  const parse = newParser();
  const elementAt = streamArray<JsonValue>();
  const elements: JsonValue[] = [];
  try {
    for (const token of parse(text)) {
      for (const { value } of each(elementAt(withDigits(token)))) elements.push(value);
    }
    parse(none);
  } catch {
    // The caller reads each of them by itself, or counts it.
    return null;
  }
  return elements;
}
