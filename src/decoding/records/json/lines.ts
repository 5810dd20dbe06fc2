import type { BatchWriter } from '../../../events/writer.ts';
import { EmbeddedLine } from '../../embedded-line.ts';
import type { LineDecoder, LineFormat } from '../../format.ts';
import { newLineReader } from '../../kernels.ts';
import { holdsLine, isEvent, writeEvent, writeLoss } from './event.ts';
import { parseJson } from './parse.ts';
import { isObject, type JsonValue } from './value.ts';

const LF = 0x0a;
/** Before the records of a JSON text sequence (RFC 7464). */
const RS = '\u001e';
/** Between records where others write them. */
const NUL = '\0';

/** The records of a line: one, but for those who separate them otherwise. */
function recordsOf(line: string): readonly string[] {
  if (!line.includes(RS) && !line.includes(NUL)) return [line];
  return line.replaceAll(RS, NUL).split(NUL);
}

/** Records that are looked at to recognise the format. */
const SAMPLE = 64;

/** Blanks, separators and the byte order mark, which get in between. */
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

/** What a record holds; some writers put a comma behind each. */
function parsed(record: string): JsonValue | undefined {
  return parseJson(record.endsWith(',') ? record.slice(0, -1) : record);
}

class JsonLinesDecoder implements LineDecoder {
  readonly #embedded = new EmbeddedLine(newLineReader());

  decode(block: Uint8Array, writer: BatchWriter): number {
    let line = 0;
    for (let at = 0; at < block.length; line += 1) {
      const lf = block.indexOf(LF, at);
      const end = lf < 0 ? block.length : lf;
      writer.line = line;
      this.#line(block, at, end, writer);
      at = end + 1;
    }
    this.#embedded.takeCounts(writer);
    return line;
  }

  #line(block: Uint8Array, from: number, to: number, writer: BatchWriter): void {
    const line = Buffer.from(block.buffer, block.byteOffset + from, to - from).toString('utf8');
    for (const record of recordsOf(line)) {
      const text = trimmed(record);
      if (text !== '') this.#record(text, from, writer);
    }
  }

  #record(text: string, byteOffset: number, writer: BatchWriter): void {
    const value = parsed(text);
    if (value !== undefined) writeEvent(value, byteOffset, writer, this.#embedded);
    else if (text.startsWith('{')) writeLoss(writer, byteOffset, text);
    else writer.foreignLines += 1;
  }
}

/** One JSON object per line, each an event or around a line of QEMU's. */
export const jsonLines: LineFormat = {
  kind: 'lines',
  name: 'json-lines',
  title: 'JSON, one event or one line of a log per object',
  clock: 'wall',
  stampsTellVersion: false,
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('utf8');
    const records = text
      .split('\n', SAMPLE)
      .flatMap(recordsOf)
      .map(trimmed)
      .filter((record) => record !== '');
    if (records[0]?.startsWith('{') !== true) return false;
    const first = parsed(records[0]);
    return (
      isObject(first) && (isEvent(first) || records.some((record) => holdsLine(parsed(record))))
    );
  },
  decoder: () => new JsonLinesDecoder(),
};
