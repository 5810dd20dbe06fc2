import { NO_SOURCE } from '../../../events/batch.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { CarriedLine } from '../../carried-line.ts';
import type { LineFormat } from '../../format.ts';
import type { FormedLines, LineForm } from '../../formed-lines.ts';
import { newFormedDecoder, newLineReader } from '../../kernels.ts';
import { holdsLine, isEvent, writeEvent, writeLoss } from './event.ts';
import { formOfObject, type ObjectLine } from './forms.ts';
import { parseJson } from './parse.ts';
import { isObject, type JsonValue } from './value.ts';

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

/** Reads lines that hold objects. */
export class JsonLines implements FormedLines {
  readonly isOpen = false;
  readonly #embedded = new CarriedLine(newLineReader());
  /** The line that was read last, and who reads of it what; null where it holds no object, or several. */
  #last: ObjectLine | null = null;
  #writer: BatchWriter | null = null;

  form(): LineForm | null {
    return this.#last === null || this.#writer === null
      ? null
      : formOfObject(this.#last, this.#writer);
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    this.#last = null;
    this.#writer = writer;
    writer.source = NO_SOURCE;
    const records = recordsOf(bytes.toString('utf8', at, lf));
    for (const record of records) {
      const text = trimmed(record);
      const value = text === '' ? undefined : this.#record(text, at, writer);
      if (records.length === 1 && isObject(value)) {
        this.#last = { bytes, from: at, to: lf, value };
      }
    }
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    this.line(bytes, at, bytes.length, writer);
  }

  takeCounts(writer: BatchWriter): void {
    this.#embedded.takeCounts(writer);
  }

  #record(text: string, byteOffset: number, writer: BatchWriter): JsonValue | undefined {
    const value = parsed(text);
    if (value !== undefined) writeEvent(value, byteOffset, writer, this.#embedded);
    else if (text.startsWith('{')) writeLoss(writer, byteOffset, text);
    else writer.foreignLines += 1;
    return value;
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
  decoder: () => ({ decode: newFormedDecoder(new JsonLines()) }),
};
