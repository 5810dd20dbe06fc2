import { endOfString, keepDigits } from './digits.ts';
import type { JsonValue } from './value.ts';

/** Deepest nesting that is parsed; events have three levels. */
export const DEEPEST = 32;

/** A JSON text, with long numbers as their digits; undefined where it is none or nested too deep. */
export function parseJson(text: string): JsonValue | undefined {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(keepDigits(text)) as JsonValue;
  } catch {
    // Not JSON: torn, or somebody else's line. The caller counts it.
    return undefined;
  }
}

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

function isTooDeep(text: string): boolean {
  // Most have fewer brackets than that.
  if (count(text, '{') + count(text, '[') <= DEEPEST) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) at = endOfString(text, at);
    else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      depth += 1;
      if (depth > DEEPEST) return true;
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) depth -= 1;
  }
  return false;
}

/** How often a character is in a text, or some more than DEEPEST. */
function count(text: string, char: string): number {
  let found = 0;
  for (let at = text.indexOf(char); at >= 0 && found <= DEEPEST; at = text.indexOf(char, at + 1)) {
    found += 1;
  }
  return found;
}
