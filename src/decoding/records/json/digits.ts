/** A number literal that a double may not hold: of many digits, or with a power of ten. */
const LONG_NUMBER = /[\d.]{16}|\d[eE][+-]?\d/;
const LONG_NUMBERS = /-?\d[\d.eE+-]*/g;

const BACKSLASH = 0x5c;

/**
 * JSON text with its long number literals as strings, so that `JSON.parse` does not take them
 * through a double. Text inside strings stays as it is. Node 20 gives a reviver no source text,
 * which would do without this.
 */
export function keepDigits(json: string): string {
  let result = '';
  let copied = 0;
  for (let at = 0; at < json.length; ) {
    const quote = json.indexOf('"', at);
    const end = quote < 0 ? json.length : quote;
    // Between strings there are some marks and one number at most, or an array of numbers.
    if (end - at >= SHORTEST && LONG_NUMBER.test(json.slice(at, end))) {
      result += json.slice(copied, at) + quoted(json.slice(at, end));
      copied = end;
    }
    at = end === json.length ? end : endOfString(json, end) + 1;
  }
  return copied === 0 ? json : result + json.slice(copied);
}

/** Whether a double may not hold a number literal. */
export function isLongNumber(literal: string): boolean {
  return literal.length >= SHORTEST && LONG_NUMBER.test(literal);
}

/** Characters of the shortest literal that is long, `1e1`. */
const SHORTEST = 3;

function quoted(outside: string): string {
  return outside.replace(LONG_NUMBERS, (literal) =>
    LONG_NUMBER.test(literal) ? `"${literal}"` : literal,
  );
}

/** Index of the quote that ends the string that begins at `start`. */
export function endOfString(json: string, start: number): number {
  for (let quote = json.indexOf('"', start + 1); quote >= 0; ) {
    let before = quote - 1;
    while (json.charCodeAt(before) === BACKSLASH) before -= 1;
    // An even number of backslashes escape each other.
    if ((quote - before) % 2 === 1) return quote;
    quote = json.indexOf('"', quote + 1);
  }
  return json.length;
}
