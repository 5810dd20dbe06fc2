import { NO_TIME } from '../../../base/place.ts';
import { LineBlocks } from '../../../bytes/lines.ts';
import { type EventBatch, NO_THREAD } from '../../../events/batch.ts';
import { type EventKind, type EventName, kindOfName } from '../../../events/catalogue/index.ts';
import { BatchWriter } from '../../../events/writer.ts';
import { holdsMessage } from '../../commit-event.ts';
import type { StreamDecoder, StreamFormat } from '../../format.ts';
import { writeMessage } from '../../messages.ts';
import { type LinePlace, writeLoss, writeLossBefore, writeU64 } from '../../notes.ts';
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
const NUMBER = /^0x([0-9a-f]{1,16})$/;
const NAMED = /^([A-Za-z_]\w{0,63})=/;
const DROPPED = 'Dropped_Event';
/** Argument of the form that only QEMU 7.2 prints. */
const NOT_IN_OLD = 'iova';
/** Lines that are looked at. */
const SAMPLE = 64;
const LF = 0x0a;

/** An argument as it is printed: digits, or the bytes of a string. */
type Value = bigint | Buffer;

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
  open: async (emit) => new SimpleTextDecoder(emit),
};

/** Times are told one by one from the other, so that lines are read from the first. */
class SimpleTextDecoder implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #blocks = new LineBlocks();
  readonly #writer = new BatchWriter();
  readonly #layouts = new Map<EventName, readonly Layout[]>();
  /** Since the first event. */
  #nanoseconds = 0;

  constructor(emit: (batch: EventBatch) => void) {
    this.#emit = emit;
  }

  push(chunk: Uint8Array): void {
    for (const block of this.#blocks.push(chunk)) this.#block(block);
  }

  end(): void {
    const last = this.#blocks.end();
    if (last !== null) this.#block(last);
  }

  #block({
    bytes,
    byteOffset,
    byteLength,
  }: {
    bytes: Uint8Array;
    byteOffset: number;
    byteLength: number;
  }): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let line = 0;
    for (let at = 0; at < text.length; line += 1) {
      const lf = text.indexOf(LF, at);
      this.#writer.line = line;
      this.#line(
        text.toString('latin1', at, lf < 0 ? text.length : lf).replace(/\r$/, ''),
        at,
        lf >= 0,
      );
      at = lf < 0 ? text.length : lf + 1;
    }
    this.#emit({ ...this.#writer.finish(bytes, byteOffset, line), byteLength });
  }

  #line(text: string, at: number, isWhole: boolean): void {
    const [header, name, microseconds = '', thousandths = ''] = LINE.exec(text) ?? [];
    const writer = this.#writer;
    if (name === undefined || !isWhole) {
      if (isWhole || text.trim() === '') writer.foreignLines += 1;
      else writeLoss(writer, this.#place(at), 'torn', text);
      return;
    }
    this.#nanoseconds += Number(`${microseconds}${thousandths}`);
    const place = this.#place(at);
    const kind = kindOfName(name);
    if (name !== DROPPED && (kind === undefined || name.includes(':'))) {
      writer.skip(name);
      return;
    }
    const values = valuesOf(text.slice(header?.length ?? 0).trim());
    const isWritten =
      values !== null &&
      (kind === undefined
        ? this.#dropped(values, place)
        : this.#event(name as EventName, kind, values, place));
    if (!isWritten) writeLoss(writer, place, 'torn', text);
  }

  #place(byteOffset: number): LinePlace {
    const seconds = Math.floor(this.#nanoseconds / 1e9);
    const isTime = seconds >= 0 && seconds < 2 ** 31;
    return {
      byteOffset,
      seconds: isTime ? seconds : 0,
      nanoseconds: isTime ? this.#nanoseconds - seconds * 1e9 : NO_TIME,
      thread: NO_THREAD,
    };
  }

  #layoutsOf(name: EventName): readonly Layout[] {
    const layouts = this.#layouts.get(name) ?? layoutsOf(name);
    this.#layouts.set(name, layouts);
    return layouts;
  }

  #dropped(values: ReadonlyMap<string, Value>, place: LinePlace): boolean {
    const [count] = values.values();
    if (typeof count !== 'bigint') return false;
    const text = `QEMU dropped ${count} events, as its trace buffer was full`;
    writeLossBefore(this.#writer, place, 'dropped', text, Number(count));
    return true;
  }

  #event(
    name: EventName,
    kind: EventKind,
    values: ReadonlyMap<string, Value>,
    place: LinePlace,
  ): boolean {
    const inOrder = [...values.values()];
    const [first = ''] = values.keys();
    for (const layout of this.#layoutsOf(name)) {
      if (layout.isOld && first === NOT_IN_OLD) continue;
      if (!write(layout, kind, inOrder, this.#writer)) continue;
      this.#writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
      const [error] = inOrder;
      if (holdsMessage(kind) && Buffer.isBuffer(error)) {
        writeMessage(error.toString('latin1'), this.#writer, place, true);
      }
      return true;
    }
    return false;
  }
}

/** Writes arguments of this layout, without committing them; false where they are of another. */
function write(
  { steps, texts, hasMore, presets }: Layout,
  kind: EventKind,
  values: readonly Value[],
  writer: BatchWriter,
): boolean {
  const count = steps.length / 2;
  if (hasMore ? values.length < count : values.length !== count) return false;
  const base = writer.begin(kind);
  for (let index = 0; index < presets.length; index += 2) {
    writer.words[base + (presets[index] as number)] = presets[index + 1] as number;
  }
  let text = 0;
  for (let index = 0; index < count; index += 1) {
    const what = steps[index * 2] as number;
    const at = base + (steps[index * 2 + 1] as number);
    const value = values[index];
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

/** The arguments of a line by their names, in their order; null where they are none. */
function valuesOf(text: string): ReadonlyMap<string, Value> | null {
  const values = new Map<string, Value>();
  let at = 0;
  while (at < text.length) {
    const [named, name = ''] = NAMED.exec(text.slice(at, at + 80)) ?? [];
    if (named === undefined) return null;
    at += named.length;
    const end = text[at] === 'b' ? endOfLiteral(text, at) : endOfWord(text, at);
    const value = end < 0 ? null : parsedValue(text.slice(at, end));
    if (value === null) return null;
    values.set(name, value);
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

function parsedValue(text: string): Value | null {
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
