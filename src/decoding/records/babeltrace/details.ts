import { NO_TIME } from '../../../base/place.ts';
import { type EventBatch, NO_SOURCE } from '../../../events/batch.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { EventValues, type ValueToken } from '../../event-values.ts';
import type { StreamDecoder, StreamFormat } from '../../format.ts';
import {
  BLANK_LINE,
  countOf,
  type FormedLines,
  type LineForm,
  numberPlace,
  type PiecePlace,
} from '../../formed-lines.ts';
import { NO_TIME_AT_ALL, type Time } from '../../iso-time.ts';
import { newFormedDecoder, newLineReader } from '../../kernels.ts';
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
const HEADER =
  /^(?:Trace class:|Stream class \(ID|\{Trace \d{1,9}, Stream|\[(?:[\d,]{1,32} cycles|Unknown))/;
/** A paragraph longer than this is none of a message; what would follow is looked for all the same. */
const LONGEST = 1024 * 1024;
const TIME = /^\[(?:[\d,]{1,32} cycles, )?([\d,]{1,32}) ns from origin\]$/;
const EVENT = /^Event `([\w-]{1,128}:)(\w{1,256})`/;
/** A time in groups, of which the last three are the fraction of the second. */
const TIMED =
  /^(?<front>\[(?:(?<cycles>[\d,]{1,32}) cycles, )?[\d,]{1,18},)(?<fraction>\d{3},\d{3},\d{3}) ns from origin\]$/;
const STREAM =
  /^(?<head>\{Trace \d{1,9}, Stream class ID \d{1,9}, Stream ID )(?<digits>\d{1,9})\}$/;
const SECTION = /^ {2}([A-Z][\w ]{1,64}):(?: Empty)?$/;
const FIELD = /^ {4}(\w{1,128}): ?(.*)$/s;
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
  readonly #paragraphs = new DetailsParagraphs();
  readonly #decodeParagraphs = newFormedDecoder(this.#paragraphs);
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
    this.#paragraphs.areWhole = areWhole;
    const lines = this.#decodeParagraphs(block, this.#writer);
    this.#emit(this.#writer.finish(block, this.#at, lines));
    this.#bytes = Buffer.from(this.#bytes.subarray(end));
    this.#at += end;
  }
}

/** A paragraph of an event of QEMU's, its places in the order of its text. */
interface DetailsEvent {
  readonly name: string;
  readonly values: readonly ValueToken[];
  /** What of its head may be other digits; null where a time cannot be told from them. */
  readonly places: readonly PiecePlace[] | null;
}

interface LastParagraph {
  readonly bytes: Buffer;
  readonly at: number;
  readonly lf: number;
  readonly event: DetailsEvent;
  readonly writer: BatchWriter;
}

/** Reads paragraphs of details. */
export class DetailsParagraphs implements FormedLines {
  readonly areParagraphs = true;
  readonly isOpen = false;
  readonly #values = new EventValues(newLineReader(), true);
  /** The last one of a block cannot go on, even where no blank line is behind it. */
  areWhole = false;
  /** The event that was read last, and how many paragraphs there were with it. */
  #event: DetailsEvent | null = null;
  #count = 0;
  #last: LastParagraph | null = null;

  form(): LineForm | null {
    if (this.#last === null) return null;
    const { at, bytes, event, lf, writer } = this.#last;
    const { name, places, values } = event;
    if (places === null) return null;
    const form = this.#values.form(name, bytes, at, lf, values, places, writer);
    return form === null ? null : { ...form, lines: countOf(this, bytes, at, lf + 1) };
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    this.#event = null;
    this.#count = 0;
    this.#read(bytes, at, lf, true, writer);
    const isForm = this.#event !== null && this.#count === 1 && bytes[at] !== LF;
    this.#last =
      isForm && this.#event !== null ? { bytes, at, lf, event: this.#event, writer } : null;
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    this.#read(bytes, at, bytes.length, this.areWhole, writer);
  }

  takeCounts(): void {}

  /**
   * Reads the paragraphs at `from .. to`: several where the lines between them are not empty, but blank.
   * `areWhole`: the last one cannot go on.
   */
  #read(bytes: Buffer, from: number, to: number, areWhole: boolean, writer: BatchWriter): void {
    const lines = bytes.toString('latin1', from, to).split('\n');
    if (lines.at(-1) === '') lines.pop();
    const firstLine = writer.line;
    let paragraph: string[] = [];
    let [first, byteOffset, at] = [firstLine, from, from];
    for (const [index, line] of lines.entries()) {
      if (line.trim() === '') {
        this.#paragraph(paragraph, first, byteOffset, true, writer);
        paragraph = [];
      } else {
        if (paragraph.length === 0) [first, byteOffset] = [firstLine + index, at];
        paragraph.push(line.endsWith('\r') ? line.slice(0, -1) : line);
      }
      at += line.length + 1;
    }
    this.#paragraph(paragraph, first, byteOffset, areWhole, writer);
  }

  #paragraph(
    lines: readonly string[],
    line: number,
    byteOffset: number,
    isWhole: boolean,
    writer: BatchWriter,
  ): void {
    if (lines.length === 0) return;
    this.#count += 1;
    writer.line = line;
    writer.source = NO_SOURCE;
    const at = lines.findIndex((text) => EVENT.test(text));
    const [, provider, name = ''] = EVENT.exec(lines[at] ?? '') ?? [];
    if (!isWhole) {
      writeLoss(writer, timeless(byteOffset), 'torn', lines.join(' '));
    } else if (provider === PROVIDER) {
      this.#writeEvent(name, lines, at, byteOffset, writer);
    } else if (!lines.some((text) => writeDiscarded(text, writer, byteOffset))) {
      const isDamaged =
        provider === undefined && lines.some((text) => text.includes(PAYLOAD)) && lines.length < 64;
      if (isDamaged) writeLoss(writer, timeless(byteOffset), 'torn', lines.join(' '));
      else writer.foreignLines += lines.length;
    }
  }

  #writeEvent(
    name: string,
    lines: readonly string[],
    at: number,
    byteOffset: number,
    writer: BatchWriter,
  ): void {
    const sections = new Map<string, ValueToken[]>();
    let section: ValueToken[] = [];
    let isDamaged = false;
    let end = lines.slice(0, at + 1).reduce((sum, text) => sum + text.length + 1, 0);
    for (const text of lines.slice(at + 1)) {
      end += text.length + 1;
      const [, title] = SECTION.exec(text) ?? [];
      const [, field = '', value = ''] = FIELD.exec(text) ?? [];
      if (title !== undefined) {
        section = [];
        sections.set(title, section);
      } else if (field !== '') {
        section.push({ name: field, text: value, at: end - 1 - value.length });
      } else isDamaged = true;
    }
    const context = [...sections].filter(([title]) => title !== PAYLOAD).flatMap(([, all]) => all);
    writer.source = sourceIn(context, writer);
    const place = { byteOffset, ...timeIn(lines), thread: threadIn(context) };
    const values = sections.get(PAYLOAD);
    if (isDamaged || values === undefined) {
      writeLoss(writer, place, 'unreadable', lines.slice(at).join(' '));
      return;
    }
    const written = this.#values.write(name, values, true, writer, place);
    if (written === 'unreadable') {
      writeLoss(writer, place, 'unreadable', lines.slice(at).join(' '));
    }
    const isTimed = place.nanoseconds !== NO_TIME;
    this.#event = { name, values, places: isTimed ? headPlaces(lines) : null };
  }
}

/** The digits that events differ in before their name; null where they are not as babeltrace prints them. */
function headPlaces([time = '', stream = '']: readonly string[]): readonly PiecePlace[] | null {
  const { cycles, fraction, front = '' } = TIMED.exec(time)?.groups ?? {};
  const { digits, head = '' } = STREAM.exec(stream)?.groups ?? {};
  if (fraction === undefined || digits === undefined) return null;
  const places = [0, 4, 8].map((at): PiecePlace => {
    const from = front.length + at;
    return { from, to: from + 3, piece: { is: 'fraction', digits: 3 } };
  });
  const count = cycles === undefined ? null : numberPlace(cycles, 1, null, true, true);
  const from = time.length + 1 + head.length;
  const to = from + digits.length;
  return [...(count === null ? [] : [count]), ...places, { from, to, piece: { is: 'digits' } }];
}

function timeIn(lines: readonly string[]): Time {
  const [, nanoseconds] = TIME.exec(lines[0] ?? '') ?? [];
  if (nanoseconds === undefined) return NO_TIME_AT_ALL;
  return timeOfNanoseconds(BigInt(nanoseconds.replaceAll(',', '')));
}
