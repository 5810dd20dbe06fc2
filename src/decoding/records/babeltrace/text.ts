import { NO_TIME } from '../../../base/place.ts';
import { NO_SOURCE } from '../../../events/batch.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { EventValues, type ValueToken } from '../../event-values.ts';
import type { LineFormat } from '../../format.ts';
import {
  type FormedLines,
  type LineForm,
  numberPlace,
  type Piece,
  type PiecePlace,
} from '../../formed-lines.ts';
import { LAST_SECOND, NO_TIME_AT_ALL, type Time, timeOfIso } from '../../iso-time.ts';
import { newFormedDecoder, newLineReader } from '../../kernels.ts';
import { writeLoss } from '../../notes.ts';
import { textOf } from '../../ordered-lines.ts';
import { PROVIDER, sourceIn, threadIn, timeless, writeDiscarded } from './fields.ts';

/*
 * QEMU's `ust` trace backend: an LTTng trace as `babeltrace2` prints it (2.0.4; `sink.text.pretty`), an
 * event on each line, with its arguments by their names in the order of QEMU's declaration:
 *
 *   [07:35:47.845867354] (+0.000341940) vm qemu:vtd_switch_address_space: { cpu_id = 0 }, { vpid = 7329,
 *     vtid = 7329, procname = "qemu-system-x86" }, { bus = 0x0, slot = 0x0, fn = 0x0, on = 0 }
 *   [2026-11-22 07:35:47.845867354] vm qemu:...                        --clock-gmt --clock-date --no-delta
 *   timestamp = 1795332947.845867354, ..., name = qemu:vtd_switch_address_space, stream.packet.context = {
 *     cpu_id = 0 }, ..., event.fields = { bus = 0x0, ... }             --clock-seconds --names=all --fields=all
 *
 * A date is taken for one in UTC. Without it, and with --clock-cycles, there are no times; without
 * the contexts vtid and vpid, no threads and processes.
 */

const TIME = String.raw`(?:(\d{4}-\d\d-\d\d) )?(?:(\d\d:\d\d:\d\d)|(\d{1,20}))(?:\.(\d{9}))?`;
/** Date, time of the day, seconds or cycles, fraction. */
const HEADER = new RegExp(String.raw`^(?:\[|timestamp = )${TIME}(?:\] |, )`);
const NAME = /qemu:(\w{1,256})(?:: |, )/y;
const OPEN = /(?:[\w.]{1,64} = )?\{ ?/y;
const FIELD = /(\w{1,128}) = (?:(-?(?:0x)?[0-9A-Fa-f]{1,20})|"((?:[^"\\]|\\.)*)")(?:, | (?=\}))/y;
const CLOSE = /\}(?:, |\s*$)/y;
/** In the context of a packet. */
const CPU = 'cpu_id';
/** Lines that are looked at. */
const SAMPLE = 200;

/** A line of QEMU's event. */
interface TextEvent {
  readonly name: string;
  readonly time: Time;
  readonly context: readonly ValueToken[];
  readonly values: readonly ValueToken[];
  /** Digits before them, of which another line may have others. */
  readonly digits: readonly PiecePlace[];
}

interface LastLine {
  readonly bytes: Buffer;
  readonly at: number;
  readonly lf: number;
  readonly event: TextEvent;
  readonly writer: BatchWriter;
}

/** Events of LTTng as text of babeltrace, one on each line. */
export const babeltraceText: LineFormat = {
  kind: 'lines',
  name: 'babeltrace',
  title: "QEMU's events in LTTng, as text of babeltrace",
  clock: 'wall',
  stampsTellVersion: false,
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    return text.split('\n', SAMPLE).some((line) => HEADER.test(line) && eventOf(line) !== null);
  },
  decoder: () => ({ decode: newFormedDecoder(new BabeltraceLines()) }),
};

/** Reads lines of babeltrace. */
export class BabeltraceLines implements FormedLines {
  readonly isOpen = false;
  readonly #values = new EventValues(newLineReader());
  /** The line that was read last, if it is one of QEMU's event. */
  #last: LastLine | null = null;

  form(): LineForm | null {
    if (this.#last === null) return null;
    const { at, bytes, event, lf, writer } = this.#last;
    return this.#values.form(event.name, bytes, at, lf, event.values, event.digits, writer);
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    const event = this.#line(textOf(bytes, at, lf), at, true, writer);
    this.#last = event === null ? null : { bytes, at, lf, event, writer };
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    this.#line(textOf(bytes, at, bytes.length), at, false, writer);
  }

  takeCounts(): void {}

  #line(text: string, at: number, isWhole: boolean, writer: BatchWriter): TextEvent | null {
    writer.source = NO_SOURCE;
    const event = isWhole ? eventOf(text) : null;
    if (event === null) {
      this.#other(text, at, isWhole, writer);
      return null;
    }
    const { context, name, time, values } = event;
    writer.source = sourceIn(context, writer);
    const place = { byteOffset: at, ...time, thread: threadIn(context) };
    const written = this.#values.write(name, values, true, writer, place);
    if (written === 'unreadable') writeLoss(writer, place, 'unreadable', text);
    return event;
  }

  /** A line that is no event of QEMU's: what babeltrace says, another program's event, or a damaged one. */
  #other(text: string, at: number, isWhole: boolean, writer: BatchWriter): void {
    if (isWhole && writeDiscarded(text, writer, at)) return;
    const isOthers = HEADER.test(text) && !text.includes(PROVIDER);
    if (text.includes('{') && !(isWhole && isOthers)) writeLoss(writer, timeless(at), 'torn', text);
    else if (!isWhole && text.trim() !== '') writeLoss(writer, timeless(at), 'torn', text);
    else if (text.trim() !== '') writer.foreignLines += 1;
  }
}

/** The event of a line; null where it is none, or is damaged. */
function eventOf(text: string): TextEvent | null {
  const header = HEADER.exec(text);
  if (header === null) return null;
  NAME.lastIndex = text.indexOf(PROVIDER, header[0].length);
  const [, name] = NAME.lastIndex < 0 ? [] : (NAME.exec(text) ?? []);
  if (name === undefined) return null;
  const groups = groupsOf(text, NAME.lastIndex);
  const values = groups?.pop();
  if (groups === null || values === undefined) return null;
  const time = timeOf(header);
  const context = groups.flat();
  const digits = digitsIn(text, header[0].length, NAME.lastIndex, time);
  return { name, time, context, values, digits: [...digits, ...cpuIn(context)] };
}

/** The number of the processor, which nobody reads. */
function cpuIn(context: readonly ValueToken[]): readonly PiecePlace[] {
  return context
    .filter(({ name }) => name === CPU)
    .flatMap(({ at, text }) => numberPlace(text, at, null, true) ?? []);
}

/** Of a delta, the digits behind its point. */
const DELTA = /\+\d{1,10}\.(\d{9})/g;

/** The fraction of the second in a header of such a length; and of the delta behind it, before `to`. */
function digitsIn(
  text: string,
  headerLength: number,
  to: number,
  time: Time,
): readonly PiecePlace[] {
  const places: PiecePlace[] = [];
  const point = text.indexOf('.');
  if (point > 0 && point < headerLength) {
    const piece: Piece =
      time.nanoseconds === NO_TIME ? { is: 'figures', digits: 9 } : { is: 'fraction', digits: 9 };
    places.push({ from: point + 1, to: point + 1 + 9, piece });
  }
  DELTA.lastIndex = headerLength;
  const end = DELTA.test(text) ? DELTA.lastIndex : to;
  if (end < to) places.push({ from: end - 9, to: end, piece: { is: 'figures', digits: 9 } });
  return places;
}

function timeOf([, date, hours, seconds, fraction]: readonly (string | undefined)[]): Time {
  if (fraction === undefined) return NO_TIME_AT_ALL;
  if (date !== undefined && hours !== undefined)
    return timeOfIso(`${date}T${hours}`, fraction, 'Z');
  if (seconds === undefined || Number(seconds) > LAST_SECOND) return NO_TIME_AT_ALL;
  return { seconds: Number(seconds), nanoseconds: Number(fraction) };
}

/** The fields in each pair of braces, up to the end of the line; null where they do not end there. */
function groupsOf(text: string, from: number): (readonly ValueToken[])[] | null {
  const groups: (readonly ValueToken[])[] = [];
  let at = from;
  while (at < text.length) {
    OPEN.lastIndex = at;
    if (!OPEN.test(text)) return null;
    at = OPEN.lastIndex;
    const fields: ValueToken[] = [];
    for (;;) {
      FIELD.lastIndex = at;
      const found = FIELD.exec(text);
      if (found === null) break;
      const [, name = '', number, quoted = ''] = found;
      const valueAt = at + name.length + ' = '.length;
      fields.push({ name, text: number ?? unescaped(quoted), at: valueAt });
      at = FIELD.lastIndex;
    }
    CLOSE.lastIndex = at;
    if (!CLOSE.test(text)) return null;
    at = CLOSE.lastIndex;
    groups.push(fields);
  }
  return groups;
}

function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\([ntr"\\])/g, (_, char: string) => ESCAPES[char] ?? char)
    : text;
}
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
