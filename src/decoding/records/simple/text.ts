import { NO_TIME } from '../../../base/place.ts';
import { HEADER_WORDS, NO_SOURCE, NO_THREAD } from '../../../events/batch.ts';
import { type EventKind, type EventName, kindOfName } from '../../../events/catalogue/index.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { holdsMessage } from '../../commit-event.ts';
import type { StreamFormat } from '../../format.ts';
import {
  type FormedLines,
  type LineForm,
  type PiecePlace,
  piecesOf,
  shifted,
} from '../../formed-lines.ts';
import { newFormedDecoder } from '../../kernels.ts';
import { writeMessage } from '../../messages.ts';
import { type LinePlace, writeLoss, writeLossBefore, writeU64 } from '../../notes.ts';
import { OrderedLines } from '../../ordered-lines.ts';
import { act, type Layout, layoutsOf } from './layout.ts';

/*
 * What QEMU's `simpletrace.py` prints of the records of the `simple` backend (scripts/simpletrace.py
 * 10.2.2): the microseconds since the event before it, the process, and each argument by its name, a
 * number in hexadecimal digits, a string as a `bytes` literal of Python.
 *
 *   vfio_iommu_map_notify 1.492 pid=13103 op=b'MAP' iova_start=0xfffae000 iova_end=0xfffaefff
 *   Dropped_Event 2485897.948 pid=13103 num_events_dropped=0x1b64
 */

const LINE = /^([A-Za-z_]\w{0,255}) (-?\d{1,16})\.(\d{3}) pid=\d{1,10}(?: |$)/;
const NUMBER = /^0x([0-9a-f]{1,16})$/i;
const NAMED = /^([A-Za-z_]\w{0,63})=/;
const DROPPED = 'Dropped_Event';
/** Argument of the form that only QEMU 7.2 prints. */
const NOT_IN_OLD = 'iova';
/** Lines that are looked at. */
const SAMPLE = 64;

/** An argument: a number, or the bytes of a string; and where in its line it stands. */
interface Argument {
  readonly name: string;
  readonly value: bigint | Buffer;
  readonly from: number;
  readonly to: number;
}

export const simpleText: StreamFormat = {
  kind: 'stream',
  name: 'simpletrace-text',
  title: 'text of simpletrace.py',
  clock: 'monotonic',
  stampsTellVersion: false,
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    const lines = text.split('\n', SAMPLE).filter((line) => line.trim() !== '');
    return (
      lines.length > 0 && lines.filter((line) => LINE.test(line)).length * 4 > lines.length * 3
    );
  },
  open: async (emit) => new OrderedLines(emit, newFormedDecoder(new SimpleTextLines())),
};

/** What lines like one have in common with it, where it is of an event that is written or counted. */
interface Formed {
  readonly bytes: Buffer;
  readonly at: number;
  readonly lf: number;
  readonly places: readonly PiecePlace[];
  /** The event's name, where it is only counted. */
  readonly counted: string | null;
  readonly writer: BatchWriter;
}

/** Times are told one by one from the other, so that lines are read from the first. */
export class SimpleTextLines implements FormedLines {
  readonly #layouts = new Map<EventName, readonly Layout[]>();
  /** Since the first event. */
  clock = 0;
  #formed: Formed | null = null;

  /** Nobody else counts times before the first one, or those that doubles do not know exactly. */
  get isOpen(): boolean {
    return this.clock < 0 || this.clock > Number.MAX_SAFE_INTEGER;
  }

  form(): LineForm | null {
    if (this.#formed === null) return null;
    const { at, bytes, counted, lf, places, writer } = this.#formed;
    return {
      pieces: piecesOf(bytes, at, lf, shifted(places, at)),
      seconds: 0,
      nanoseconds: NO_TIME,
      thread: NO_THREAD,
      source: NO_SOURCE,
      record: counted === null ? Uint32Array.from(writer.newest) : null,
      ...(counted !== null && { counted }),
    };
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    this.#formed = null;
    const line = bytes.toString('latin1', at, lf).replace(/\r$/, '');
    const [header = '', name, microseconds = '', thousandths = ''] = LINE.exec(line) ?? [];
    if (name === undefined) {
      writer.foreignLines += 1;
      return;
    }
    this.clock += Number(`${microseconds}${thousandths}`);
    const place = this.#place(at);
    const from = name.length + 1;
    const to = from + `${microseconds}.${thousandths}`.length;
    const elapsed: PiecePlace = { from, to, piece: { is: 'elapsed' } };
    const kind = kindOfName(name);
    if (name !== DROPPED && (kind === undefined || name.includes(':'))) {
      writer.skip(name);
      const rest: PiecePlace = { from: header.length, to: lf - at, piece: { is: 'any' } };
      const places = header.endsWith(' ') ? [elapsed, rest] : [elapsed];
      this.#formed = { bytes, at, lf, places, counted: name, writer };
      return;
    }
    const values = valuesOf(line, header.length);
    if (values !== null && kind === undefined) {
      if (dropped(values, writer, place)) return;
    } else if (values !== null && kind !== undefined) {
      const written = this.#event(name as EventName, kind, values, writer, place);
      if (written !== null) {
        const places = written.places === null ? null : [elapsed, ...written.places];
        if (places !== null) this.#formed = { bytes, at, lf, places, counted: null, writer };
        return;
      }
    }
    writeLoss(writer, place, 'torn', line);
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    const line = bytes.toString('latin1', at).replace(/\r$/, '');
    if (line.trim() === '') writer.foreignLines += 1;
    else writeLoss(writer, this.#place(at), 'torn', line);
  }

  takeCounts(): void {}

  #place(byteOffset: number): LinePlace {
    const seconds = Math.floor(this.clock / 1e9);
    const isTime = seconds >= 0 && seconds < 2 ** 31;
    return {
      byteOffset,
      seconds: isTime ? seconds : 0,
      nanoseconds: isTime ? this.clock - seconds * 1e9 : NO_TIME,
      thread: NO_THREAD,
    };
  }

  #layoutsOf(name: EventName): readonly Layout[] {
    const layouts = this.#layouts.get(name) ?? layoutsOf(name);
    this.#layouts.set(name, layouts);
    return layouts;
  }

  /**
   * Writes an event; null where its arguments are none of its. `places`: its numbers, or null where a line like
   * it may be another event.
   */
  #event(
    name: EventName,
    kind: EventKind,
    values: readonly Argument[],
    writer: BatchWriter,
    place: LinePlace,
  ): { readonly places: readonly PiecePlace[] | null } | null {
    const [first] = values;
    const fitting = this.#layoutsOf(name).filter(
      ({ hasMore, isOld, steps }) =>
        !(isOld && first?.name === NOT_IN_OLD) &&
        (hasMore ? values.length >= steps.length / 2 : values.length === steps.length / 2),
    );
    const layout = fitting.find((one) => write(one, kind, values, writer));
    if (layout === undefined) return null;
    writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
    if (holdsMessage(kind) && first !== undefined && typeof first.value !== 'bigint') {
      writeMessage(first.value.toString('latin1'), writer, place, true);
    }
    return { places: layout === fitting[0] ? placesOf(layout, values) : null };
  }
}

/** Writes that QEMU has dropped events; false where it is not said how many. */
function dropped(values: readonly Argument[], writer: BatchWriter, place: LinePlace): boolean {
  const count = values[0]?.value;
  if (typeof count !== 'bigint') return false;
  const text = `QEMU dropped ${count} events, as its trace buffer was full`;
  writeLossBefore(writer, place, 'dropped', text, Number(count));
  return true;
}

/** The numbers of an event that was written; null where a text of it is kept. */
function placesOf(
  { hasMore, steps, texts }: Layout,
  values: readonly Argument[],
): readonly PiecePlace[] | null {
  if (hasMore || texts.some(({ words }) => words === null)) return null;
  return values.flatMap(({ from, to, value }, index) => {
    const what = steps[index * 2] as number;
    if (typeof value !== 'bigint') return [];
    const word = what === act.pass ? null : HEADER_WORDS + (steps[index * 2 + 1] as number);
    const piece = { is: 'hex', word, isWide: what !== act.word } as const;
    return { from: from + '0x'.length, to, piece };
  });
}

/** Writes arguments, as many as are of this layout, without committing them; false where they are of another. */
function write(
  { steps, texts, presets }: Layout,
  kind: EventKind,
  values: readonly Argument[],
  writer: BatchWriter,
): boolean {
  const count = steps.length / 2;
  const base = writer.begin(kind);
  for (let index = 0; index < presets.length; index += 2) {
    writer.words[base + (presets[index] as number)] = presets[index + 1] as number;
  }
  let text = 0;
  for (let index = 0; index < count; index += 1) {
    const what = steps[index * 2] as number;
    const at = base + (steps[index * 2 + 1] as number);
    const value = values[index]?.value;
    if (what >= act.passText !== Buffer.isBuffer(value)) return false;
    if (typeof value === 'bigint') {
      if (what === act.u64) writeU64(writer, at, value);
      else if (what === act.word) {
        const high = value >> 32n;
        if (high !== 0n && high !== 0xffff_ffffn) return false;
        writer.words[at] = Number(value & 0xffff_ffffn);
      }
    } else if (what === act.text && value !== undefined) {
      const { words, pattern } = texts[text] ?? { words: null, pattern: null };
      text += 1;
      const position = words?.findIndex((word) => value.equals(word)) ?? 0;
      if (position < 0 || pattern?.test(value.toString('latin1')) === false) return false;
      if (words === null) writer.addText(at, value, 0, value.length);
      else writer.words[at] = position;
    }
  }
  return true;
}

/** The arguments of a line from `from` on, in their order; null where they are none. */
function valuesOf(line: string, from: number): readonly Argument[] | null {
  const text = line.trimEnd();
  const values: Argument[] = [];
  let at = text.length - text.slice(from).trimStart().length;
  while (at < text.length) {
    const [named, name = ''] = NAMED.exec(text.slice(at, at + 80)) ?? [];
    if (named === undefined) return null;
    at += named.length;
    const end = text[at] === 'b' ? endOfLiteral(text, at) : endOfWord(text, at);
    const value = end < 0 ? null : parsedValue(text.slice(at, end));
    if (value === null) return null;
    values.push({ name, value, from: at, to: end });
    at = end + 1;
  }
  return values;
}

function endOfWord(text: string, at: number): number {
  const space = text.indexOf(' ', at);
  return space < 0 ? text.length : space;
}

/** Where the literal that begins at `at` ends, behind its quote; -1 where it does not. */
function endOfLiteral(text: string, at: number): number {
  const quote = text[at + 1];
  if (quote !== "'" && quote !== '"') return -1;
  for (let end = at + 2; end < text.length; end += 1) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === quote) return end + 1;
  }
  return -1;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function parsedValue(text: string): bigint | Buffer | null {
  if (!text.startsWith('b')) {
    const [, digits] = NUMBER.exec(text) ?? [];
    return digits === undefined ? null : BigInt(`0x${digits}`);
  }
  const plain = text
    .slice(2, -1)
    .replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, byte?: string, other = '') =>
      byte === undefined
        ? (ESCAPES[other] ?? other)
        : String.fromCharCode(Number.parseInt(byte, 16)),
    );
  return Buffer.from(plain, 'latin1');
}
