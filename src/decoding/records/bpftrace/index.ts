import { NO_TIME } from '../../../base/place.ts';
import { NO_THREAD } from '../../../events/batch.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import type { LineFormat } from '../../format.ts';
import type { FormedLines, LineForm, Piece } from '../../formed-lines.ts';
import { newFormedDecoder } from '../../kernels.ts';
import { writeLoss } from '../../notes.ts';
import { textOf } from '../../ordered-lines.ts';
import { BpftraceLines, isBpftraceLine } from './line.ts';

/** Lines that are looked at. */
const SAMPLE = 200;

/** What a script of bpftrace prints of QEMU's probes. */
export const bpftraceText: LineFormat = {
  kind: 'lines',
  name: 'bpftrace',
  title: "QEMU's probes (USDT), as a script of bpftrace prints them",
  clock: 'monotonic',
  stampsTellVersion: false,
  recognises: (head) => firstLines(head).some(isBpftraceLine),
  decoder: () => ({ decode: newFormedDecoder(new TextLines()) }),
};

/** The same with `-f json`: an object on each line, with what the script printed in `data`. */
export const bpftraceJson: LineFormat = {
  kind: 'lines',
  name: 'bpftrace-json',
  title: "QEMU's probes (USDT), as JSON of bpftrace",
  clock: 'monotonic',
  stampsTellVersion: false,
  recognises: (head) =>
    firstLines(head).some((line) => {
      const { type, data } = objectIn(line) ?? {};
      return type === 'printf' && linesIn(data).some(isBpftraceLine);
    }),
  decoder: () => ({ decode: newFormedDecoder(new ObjectLines()) }),
};

function firstLines(head: Uint8Array): readonly string[] {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
  return text.split('\n', SAMPLE);
}

/** Reads the lines of a script. */
export class TextLines implements FormedLines {
  readonly isOpen = false;
  readonly #lines = new BpftraceLines();
  #last: { bytes: Buffer; at: number; lf: number; writer: BatchWriter } | null = null;

  form(): LineForm | null {
    if (this.#last === null) return null;
    const { at, bytes, lf, writer } = this.#last;
    return this.#lines.form(bytes, at, lf, writer);
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    this.#last = { bytes, at, lf, writer };
    this.#lines.decode(textOf(bytes, at, lf), at, writer);
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    const text = textOf(bytes, at, bytes.length);
    if (text.trim() !== '') writeTorn(text, at, writer);
  }

  takeCounts(writer: BatchWriter): void {
    this.#lines.takeCounts(writer);
  }
}

/** What is before and behind a line that a script printed, in an object with nothing else. */
const FRONT = /^\{"type": ?"printf", ?"data": ?"/;
const END = '\\n"}';

/** Reads the objects of a script. */
export class ObjectLines implements FormedLines {
  readonly isOpen = false;
  readonly #lines = new BpftraceLines();
  #last: { bytes: Buffer; at: number; lf: number; writer: BatchWriter } | null = null;

  form(): LineForm | null {
    if (this.#last === null) return null;
    const { at, bytes, lf, writer } = this.#last;
    const text = textOf(bytes, at, lf);
    const [front] = FRONT.exec(text) ?? [];
    if (front === undefined || !text.endsWith(END)) return null;
    const from = at + front.length;
    const to = at + text.length - END.length;
    // An escape or a quote would be something else than what was printed.
    if (/["\\]/.test(bytes.toString('latin1', from, to))) return null;
    const form = this.#lines.form(bytes, from, to, writer);
    if (form === null) return null;
    const literal = (start: number, end: number): Piece => ({
      is: 'literal',
      bytes: bytes.subarray(start, end),
    });
    return { ...form, pieces: [literal(at, from), ...form.pieces, literal(to, lf)] };
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    this.#last = { bytes, at, lf, writer };
    this.#object(textOf(bytes, at, lf), at, writer);
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    this.#object(textOf(bytes, at, bytes.length), at, writer);
  }

  takeCounts(writer: BatchWriter): void {
    this.#lines.takeCounts(writer);
  }

  #object(text: string, byteOffset: number, writer: BatchWriter): void {
    // An error that JSON.parse throws takes as long as fifty lines.
    if (text.trim() === '') return;
    const object = objectIn(text);
    if (object === null) {
      writeTorn(text, byteOffset, writer);
      return;
    }
    const { type, data } = object;
    const lost = lostIn(type, data);
    if (lost > 0) writeLoss(writer, placeAt(byteOffset), 'dropped', text, lost);
    else if (type !== 'printf') writer.foreignLines += 1;
    for (const line of type === 'printf' ? linesIn(data) : []) {
      this.#lines.decode(line, byteOffset, writer);
    }
  }
}

function writeTorn(text: string, byteOffset: number, writer: BatchWriter): void {
  writeLoss(writer, placeAt(byteOffset), 'torn', text);
}

function placeAt(byteOffset: number) {
  return { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
}

/** An object of bpftrace's, or null. Its numbers are counts: those of events are in texts. */
function objectIn(line: string): { readonly type?: unknown; readonly data?: unknown } | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(line, 'latin1').toString());
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}

/** The lines in what a script printed at once, a character for each byte. */
function linesIn(data: unknown): readonly string[] {
  if (typeof data !== 'string') return [];
  const lines = Buffer.from(data).toString('latin1').split('\n');
  return lines.filter((line) => line !== '');
}

/** `{"type": "lost_events", "data": {"events": 12}}` */
function lostIn(type: unknown, data: unknown): number {
  if (type !== 'lost_events') return 0;
  const count = typeof data === 'object' && data !== null && 'events' in data ? data.events : 1;
  return Number.isSafeInteger(count) && Number(count) > 0 ? Number(count) : 1;
}
