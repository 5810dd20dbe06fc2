import type { BatchWriter } from '../../events/batch.ts';
import type { LineDecoder, LineFormat } from '../format.ts';
import { keepDigits } from './digits.ts';
import { eventNameOf, isObject, type JsonValue, writeEvent, writeLoss } from './event.ts';

const LF = 0x0a;
/** Deepest nesting that is parsed; events have three levels. */
const DEEPEST = 32;

/** Records of JSON text sequences (RFC 7464) begin with RS; NUL and the BOM get in between, too. */
function isPadding(char: number): boolean {
  return char <= 0x20 || char === 0xfeff;
}

/** The text without padding around it. By hand: a regular expression is slow on long blanks. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isPadding(text.charCodeAt(from))) from += 1;
  while (to > from && isPadding(text.charCodeAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

/** A line as JSON; undefined where it is none. */
export function parseLine(text: string): JsonValue | undefined {
  if (isTooDeep(text)) return undefined;
  try {
    return JSON.parse(keepDigits(text)) as JsonValue;
  } catch {
    // Not JSON: torn, or somebody else's line. The caller counts it.
    return undefined;
  }
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > DEEPEST) return true;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return false;
}

class JsonLinesDecoder implements LineDecoder {
  decode(block: Uint8Array, writer: BatchWriter): number {
    let line = 0;
    for (let at = 0; at < block.length; line += 1) {
      const lf = block.indexOf(LF, at);
      const end = lf < 0 ? block.length : lf;
      writer.line = line;
      this.#line(block, at, end, writer);
      at = end + 1;
    }
    return line;
  }

  #line(block: Uint8Array, from: number, to: number, writer: BatchWriter): void {
    const text = trimmed(
      Buffer.from(block.buffer, block.byteOffset + from, to - from).toString('utf8'),
    );
    if (text === '') return;
    const value = parseLine(text.replace(/,$/, ''));
    if (value === undefined && text.startsWith('{')) writeLoss(writer, from, text);
    else if (value === undefined) writer.foreignLines += 1;
    else writeEvent(value, from, writer);
  }
}

/** One JSON object per line, an event each. */
export const jsonLines: LineFormat = {
  kind: 'lines',
  name: 'json-lines',
  title: 'events as JSON, one object per line',
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('utf8');
    const first = text
      .split('\n', 16)
      .map(trimmed)
      .find((line) => line !== '');
    if (first === undefined || !first.startsWith('{')) return false;
    const value = parseLine(first);
    return isObject(value) && eventNameOf(value) !== undefined;
  },
  decoder: () => new JsonLinesDecoder(),
};
