/** A number literal that a double may not hold: of many digits, or with a power of ten. */
const LONG_NUMBER = /[\d.]{16}|\d[eE][+-]?\d/;

const QUOTE = 0x22;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_E = 0x45;
const SMALL_E = 0x65;
const BACKSLASH = 0x5c;

/**
 * JSON text with its long number literals as strings, so that `JSON.parse` does not take them
 * through a double. Text inside strings stays as it is. Node 20 gives a reviver no source text,
 * which would do without this.
 */
export function keepDigits(json: string): string {
  if (!LONG_NUMBER.test(json)) return json;
  let result = '';
  let copied = 0;
  for (let at = 0; at < json.length; at += 1) {
    const char = json.charCodeAt(at);
    if (char === QUOTE) {
      at = endOfString(json, at);
      continue;
    }
    if (char !== MINUS && !isDigit(char)) continue;
    let end = at + 1;
    while (end < json.length && isOfNumber(json.charCodeAt(end))) end += 1;
    const literal = json.slice(at, end);
    if (LONG_NUMBER.test(literal)) {
      result += `${json.slice(copied, at)}"${literal}"`;
      copied = end;
    }
    at = end - 1;
  }
  return result + json.slice(copied);
}

function isDigit(char: number): boolean {
  return char >= ZERO && char <= NINE;
}

function isOfNumber(char: number): boolean {
  return (
    isDigit(char) ||
    char === DOT ||
    char === PLUS ||
    char === MINUS ||
    char === LETTER_E ||
    char === SMALL_E
  );
}

/** Index of the quote that ends the string that begins at `start`. */
export function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at += 1) {
    const char = json.charCodeAt(at);
    if (char === BACKSLASH) at += 1;
    else if (char === QUOTE) return at;
  }
  return json.length;
}
