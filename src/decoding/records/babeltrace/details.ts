import { type EventBatch, NO_SOURCE } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { EventValues, type Value } from '../../event-values.ts';
import type { StreamDecoder, StreamFormat } from '../../format.ts';
import { NO_TIME_AT_ALL, type Time } from '../../iso-time.ts';
import { newLineReader } from '../../kernels.ts';
import { writeLoss } from '../../notes.ts';
import {
  PROVIDER,
  sourceIn,
  threadIn,
  timeless,
  timeOfNanoseconds,
  writeDiscarded,
} from './fields.ts';

/*
 * An LTTng trace as babeltrace2's `sink.text.details` prints it (2.0.4): the trace's classes first, then
 * a paragraph for each message, with a blank line between them. Numbers have marks between their digits.
 *
 *   [1,915,222,289,900 cycles, 1,795,332,947,845,867,354 ns from origin]
 *   {Trace 0, Stream class ID 0, Stream ID 0}
 *   Event `qemu:vtd_switch_address_space` (Class ID 210):
 *     Common context:
 *       vpid: 7329
 *       vtid: 7329
 *       procname: qemu-system-x86
 *     Payload:
 *       bus: 0x0
 *       slot: 0x5
 */

const LF = 0x0a;
const BLANK_LINE = Buffer.from('\n\n');
const HEADER =
  /^(?:Trace class:|Stream class \(ID|\{Trace \d{1,9}, Stream|\[(?:[\d,]{1,32} cycles|Unknown))/;
/** A paragraph longer than this is none of a message; what would follow is looked for all the same. */
const LONGEST = 1024 * 1024;
const TIME = /^\[(?:[\d,]{1,32} cycles, )?([\d,]{1,32}) ns from origin\]$/;
const EVENT = /^Event `([\w-]{1,128}:)(\w{1,256})`/;
const SECTION = /^ {2}([A-Z][\w ]{1,64}):(?: Empty)?$/;
const FIELD = /^ {4}(\w{1,128}): ?(.{0,4096})$/s;
const PAYLOAD = 'Payload';

/** Events of LTTng as babeltrace's details, a paragraph for each. */
export const babeltraceDetails: StreamFormat = {
  kind: 'stream',
  name: 'babeltrace-details',
  title: "QEMU's events in LTTng, as babeltrace's details",
  clock: 'wall',
  stampsTellVersion: false,
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    return (
      HEADER.test(text) && (text.includes(`\`${PROVIDER}`) || text.includes('Stream class ID'))
    );
  },
  open: async (emit) => new DetailsDecoder(emit),
};

class DetailsDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #writer = new BatchWriter();
  readonly #values = new EventValues(newLineReader());
  /** What is not decoded yet, which begins at offset #at. */
  #bytes = Buffer.alloc(0);
  #at = 0;

  constructor(emit: (batch: EventBatch) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const blank = this.#bytes.lastIndexOf(BLANK_LINE);
    if (blank >= 0) this.#decode(blank + BLANK_LINE.length, true);
    else if (this.#bytes.length > LONGEST) this.#decode(this.#bytes.lastIndexOf(LF) + 1, true);
  }

  end(): void {
    if (this.#bytes.length > 0) this.#decode(this.#bytes.length, false);
  }

  /** Decodes the paragraphs up to `end`. `areWhole`: the last one cannot go on. */
  #decode(end: number, areWhole: boolean): void {
    if (end === 0) return;
    const block = this.#bytes.subarray(0, end);
    const lines = block.toString('latin1').split('\n');
    if (lines.at(-1) === '') lines.pop();
    let paragraph: string[] = [];
    let [first, byteOffset, at] = [0, 0, 0];
    for (const [index, line] of lines.entries()) {
      if (line.trim() === '') {
        this.#paragraph(paragraph, first, byteOffset, true);
        paragraph = [];
      } else {
        if (paragraph.length === 0) [first, byteOffset] = [index, at];
        paragraph.push(line.endsWith('\r') ? line.slice(0, -1) : line);
      }
      at += line.length + 1;
    }
    this.#paragraph(paragraph, first, byteOffset, areWhole);
    this.#emit(this.#writer.finish(block, this.#at, lines.length));
    this.#bytes = Buffer.from(this.#bytes.subarray(end));
    this.#at += end;
  }

  #paragraph(lines: readonly string[], line: number, byteOffset: number, isWhole: boolean): void {
    if (lines.length === 0) return;
    const writer = this.#writer;
    writer.line = line;
    writer.source = NO_SOURCE;
    const at = lines.findIndex((text) => EVENT.test(text));
    const [, provider, name = ''] = EVENT.exec(lines[at] ?? '') ?? [];
    if (!isWhole) {
      writeLoss(writer, timeless(byteOffset), 'torn', lines.join(' '));
    } else if (provider === PROVIDER) {
      this.#event(name, lines, at, byteOffset);
    } else if (!lines.some((text) => writeDiscarded(text, writer, byteOffset))) {
      const isDamaged =
        provider === undefined && lines.some((text) => text.includes(PAYLOAD)) && lines.length < 64;
      if (isDamaged) writeLoss(writer, timeless(byteOffset), 'torn', lines.join(' '));
      else writer.foreignLines += lines.length;
    }
  }

  #event(name: string, lines: readonly string[], at: number, byteOffset: number): void {
    const writer = this.#writer;
    const sections = new Map<string, Value[]>();
    let section: Value[] = [];
    let isDamaged = false;
    for (const text of lines.slice(at + 1)) {
      const [, title] = SECTION.exec(text) ?? [];
      const [, field = '', value = ''] = FIELD.exec(text) ?? [];
      if (title !== undefined) {
        section = [];
        sections.set(title, section);
      } else if (field !== '') section.push({ name: field, text: value });
      else isDamaged = true;
    }
    const context = [...sections].filter(([title]) => title !== PAYLOAD).flatMap(([, all]) => all);
    writer.source = sourceIn(context, writer);
    const place = { byteOffset, ...timeIn(lines), thread: threadIn(context) };
    const values = sections.get(PAYLOAD);
    const written =
      isDamaged || values === undefined
        ? 'unreadable'
        : this.#values.write(name, values, true, writer, place);
    if (written === 'unreadable') writeLoss(writer, place, 'unreadable', lines.slice(at).join(' '));
  }
}

function timeIn(lines: readonly string[]): Time {
  const [, nanoseconds] = TIME.exec(lines[0] ?? '') ?? [];
  if (nanoseconds === undefined) return NO_TIME_AT_ALL;
  return timeOfNanoseconds(BigInt(nanoseconds.replaceAll(',', '')));
}
