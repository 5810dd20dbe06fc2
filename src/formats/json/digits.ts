/** An integer literal with so many digits that a double may not hold it, or a large power of ten. */
const LONG_NUMBER = /\d{16}|\d[eE][+-]?\d/;

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
    if (char === 0x22) {
      at = endOfString(json, at);
      continue;
    }
    const isNumber = char === 0x2d || (char >= 0x30 && char <= 0x39);
    if (!isNumber) continue;
    let end = at + 1;
    while (end < json.length && /[0-9.eE+-]/.test(json[end] as string)) end += 1;
    const literal = json.slice(at, end);
    if (LONG_NUMBER.test(literal)) {
      result += `${json.slice(copied, at)}"${literal}"`;
      copied = end;
    }
    at = end - 1;
  }
  return result + json.slice(copied);
}

/** Index of the quote that ends the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  for (let at = start + 1; at < json.length; at += 1) {
    const char = json.charCodeAt(at);
    if (char === 0x5c) at += 1;
    else if (char === 0x22) return at;
  }
  return json.length;
}
