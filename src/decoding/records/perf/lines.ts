import { NO_TIME } from '../../../base/place.ts';
import { KIND, LINE, NO_SOURCE, NO_THREAD, RECORD_WORDS } from '../../../events/batch.ts';
import type { EventDeclaration } from '../../../events/catalogue/declaration.ts';
import { catalogue, eventNames } from '../../../events/catalogue/index.ts';
import type { BatchWriter } from '../../../events/writer.ts';
import { EventValues, type ValueToken } from '../../event-values.ts';
import {
  decodeFormed,
  type FormedDecoder,
  type FormedLines,
  type LineForm,
} from '../../formed-lines.ts';
import { newFormedDecoder, newLineReader } from '../../kernels.ts';
import { type LinePlace, writeLoss } from '../../notes.ts';
import { textOf } from '../../ordered-lines.ts';
import { digitsIn, GROUP, type PerfEvent, perfEventOf } from './event.ts';
import { Operations, standsBetween } from './operations.ts';

const LOST = /PERF_RECORD_LOST lost (\d{1,12})|\blost (\d{1,12}) (?:chunks|events|samples)\b/;

/** Events of which the replay needs a text, which is not there. */
const LACK_TEXT: ReadonlySet<string> = new Set(
  eventNames.filter((name) => {
    const { args }: EventDeclaration = catalogue[name];
    return Object.values(args).includes('text');
  }),
);

/** Decodes the lines of one trace, in their order. */
export function newPerfDecoder(): FormedDecoder {
  const lines = new PerfLines();
  const formed = newFormedDecoder(lines);
  return (block, writer) => {
    const before = lines.beginBlock();
    const count = formed(block, writer);
    if (lines.follow(writer)) return count;
    // A line contradicts what others were taken for: each is read again.
    writer.finish(block, 0, 0);
    lines.beginBlock(before);
    return decodeFormed(block, lines, writer);
  };
}

interface LastLine {
  readonly bytes: Buffer;
  readonly at: number;
  readonly lf: number;
  readonly event: PerfEvent;
  readonly writer: BatchWriter;
}

/** Reads lines of perf. */
export class PerfLines implements FormedLines {
  readonly isOpen = false;
  readonly #values = new EventValues(newLineReader());
  #operations = new Operations();
  /** Processes by their sources in this block. */
  readonly #processes = new Map<number, string>();
  /** Words of the records of this block that are followed. */
  #followed = 0;
  /** Lines that were counted since: of each its number, and its thread. */
  #counted: number[] = [];
  #isContradicted = false;
  /** The line that was read last, if lines like it are read by themselves. */
  #last: LastLine | null = null;

  /** Begins a block with what is known, which is returned; or with what was known before another one. */
  beginBlock(operations = this.#operations.copy()): Operations {
    this.#operations = operations;
    this.#processes.clear();
    this.#followed = 0;
    this.#counted = [];
    this.#isContradicted = false;
    return operations.copy();
  }

  counted(lines: Uint32Array): void {
    for (const one of lines) this.#counted.push(one);
  }

  /**
   * Takes note of the records that were written elsewhere since a line was read. False where one of them
   * contradicts others, so that what stands in this block's is not true.
   */
  follow(writer: BatchWriter): boolean {
    const words = writer.written;
    const processOf = (source: number) => this.#processes.get(source) ?? '';
    let at = 0;
    const forgetUpTo = (line: number) => {
      for (; at < this.#counted.length && (this.#counted[at] as number) < line; at += 2) {
        this.#operations.forget(this.#counted[at + 1] as number);
      }
    };
    while (this.#followed < words.length && !this.#isContradicted) {
      forgetUpTo(words[this.#followed + LINE] as number);
      if (!this.#operations.follow(words, this.#followed, processOf)) this.#isContradicted = true;
      this.#followed += RECORD_WORDS[words[this.#followed + KIND] as number] as number;
    }
    forgetUpTo(Number.POSITIVE_INFINITY);
    this.#counted = [];
    return !this.#isContradicted;
  }

  form(): LineForm | null {
    if (this.#last === null) return null;
    const { at, bytes, event, lf, writer } = this.#last;
    const { name, nanoseconds, thread, values } = event;
    const places = digitsIn(textOf(bytes, at, lf), nanoseconds);
    const isBetween = standsBetween(name);
    // Of whom it would take back what was announced, nobody would be told.
    if (!isBetween && thread === NO_THREAD) return null;
    return this.#values.form(
      name,
      bytes,
      at,
      lf,
      values,
      places,
      writer,
      isBetween ? NO_THREAD : thread,
    );
  }

  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void {
    this.follow(writer);
    const event = this.#line(textOf(bytes, at, lf), at, true, writer);
    this.#last = event === null ? null : { bytes, at, lf, event, writer };
    this.#followed = writer.written.length;
  }

  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void {
    this.follow(writer);
    this.#line(textOf(bytes, at, bytes.length), at, false, writer);
    this.#followed = writer.written.length;
  }

  takeCounts(): void {}

  /** Decodes a line; returns its event if that was written or counted by its values. */
  #line(text: string, byteOffset: number, isWhole: boolean, writer: BatchWriter): PerfEvent | null {
    writer.source = NO_SOURCE;
    const event = isWhole ? perfEventOf(text) : null;
    if (event === null) {
      this.#other(text, byteOffset, isWhole, writer);
      return null;
    }
    const { name, process, seconds, nanoseconds, thread, values } = event;
    if (process !== '') writer.source = writer.sourceOf(`process ${Number(process)}`);
    this.#processes.set(writer.source, process);
    const place = { byteOffset, seconds, nanoseconds, thread };
    if (LACK_TEXT.has(name) && !values.some((value) => value.text.startsWith('"'))) {
      writer.skip(name);
      return null;
    }
    const told = this.#operations.tell(event);
    const written = this.#values.write(name, told.map(unquoted), false, writer, place);
    if (written === 'unreadable') writeLoss(writer, place, 'unreadable', text.trim());
    return event;
  }

  #other(text: string, byteOffset: number, isWhole: boolean, writer: BatchWriter): void {
    const lost = LOST.exec(text);
    const place: LinePlace = { byteOffset, seconds: 0, nanoseconds: NO_TIME, thread: NO_THREAD };
    if (lost !== null) {
      const count = Number(lost[1] ?? lost[2]);
      if (count > 0) writeLoss(writer, place, 'dropped', text.trim(), count);
    } else if (text.includes(GROUP) || (!isWhole && text.trim() !== '')) {
      writeLoss(writer, place, 'torn', text.trim());
    } else if (text.trim() !== '') writer.foreignLines += 1;
  }
}

function unquoted(value: ValueToken): ValueToken {
  const { text } = value;
  return text.startsWith('"') ? { ...value, text: text.slice(1, -1) } : value;
}
