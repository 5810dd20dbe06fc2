import { HEADER_WORDS, KIND, LINE, NANOSECONDS, SECONDS } from '../events/batch.ts';
import { kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import type { LineReader } from './line-reader.ts';
import { FAMILY, LINE_START } from './patterns.ts';

/*
 * QEMU's messages of unmaps that fail, which come by the thousand: the same but for three numbers.
 *
 *   qemu-system-x86_64: vfio_container_dma_unmap(0x55d0c8b5a2c0, 0x8000000, 0x1000) = -22 (Invalid argument)
 */

const LF = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_A = 0x61;
const LETTER_F = 0x66;
/** Of a number. */
const MOST_DIGITS = 16;
const BETWEEN = Buffer.from(', 0x');

/** How a message of a call begins and ends around its numbers; printable ASCII. */
const MESSAGE =
  /^([ -~]{0,256}\bvfio_(?:container_)?dma_unmap\(0x)([0-9a-f]{1,16}), 0x([0-9a-f]{1,16}), 0x([0-9a-f]{1,16})(\) = -?\d{1,9}(?: \(([ -'*-~]{0,200})\))?[ -~]{0,256})$/;
/** Where the words of the error end in what is behind the numbers. */
const WORDS_END = /^\) = -?\d{1,9} \([^)]*/;
const ONE_NAME = new RegExp(FAMILY, 'g');
/** Beginnings that are remembered. */
const MOST_CALLS = 4;

const { kind, at: offset } = {
  kind: kindOf('message:dma-unmap-failed'),
  at: offsetsOf('message:dma-unmap-failed'),
};

interface KnownCall {
  readonly front: Uint8Array;
  readonly back: Uint8Array;
  /** Where the words of the error are in `back`. */
  readonly words: readonly [from: number, to: number];
  readonly errno: number;
  readonly era: number;
  readonly flags: number;
}

/** Reads messages of failing unmaps like those that were read before. */
export class KnownCalls {
  /** The newest one first. */
  #calls: readonly KnownCall[] = [];
  /** Where the number that was read last ends, and the number. */
  #end = 0;
  #high = 0;
  #low = 0;

  /**
   * Writes the message that begins at `textAt`, behind the stamp that `reader` has read, if it is like
   * one that is known; returns where its LF is, or -1.
   */
  line(
    bytes: Uint8Array,
    lineAt: number,
    textAt: number,
    reader: LineReader,
    writer: BatchWriter,
  ): number {
    for (const call of this.#calls) {
      if (!isAt(bytes, textAt, call.front)) continue;
      const end = this.#arguments(bytes, textAt + call.front.length, call, writer);
      if (end < 0) continue;
      writer.commit(lineAt, reader.seconds, reader.nanoseconds, reader.thread);
      return end;
    }
    return -1;
  }

  #arguments(bytes: Uint8Array, from: number, call: KnownCall, writer: BatchWriter): number {
    const base = writer.begin(kind);
    if (!this.#number(bytes, from)) return -1;
    this.#put(writer, base + offset.container);
    if (!isAt(bytes, this.#end, BETWEEN)) return -1;
    if (!this.#number(bytes, this.#end + BETWEEN.length)) return -1;
    this.#put(writer, base + offset.iova);
    if (!isAt(bytes, this.#end, BETWEEN)) return -1;
    if (!this.#number(bytes, this.#end + BETWEEN.length)) return -1;
    this.#put(writer, base + offset.size);
    const at = this.#end;
    const end = at + call.back.length;
    if (!isAt(bytes, at, call.back) || bytes[end] !== LF) return -1;
    const { words } = writer;
    words[base + offset.errno] = call.errno;
    words[base + offset.era] = call.era;
    words[base + offset.flags] = call.flags;
    writer.addText(base + offset.text, bytes, at + call.words[0], at + call.words[1]);
    return end;
  }

  #put(writer: BatchWriter, at: number): void {
    writer.words[at] = this.#high;
    writer.words[at + 1] = this.#low;
  }

  /** Reads hexadecimal digits; false where there are none, or too many. */
  #number(bytes: Uint8Array, from: number): boolean {
    let high = 0;
    let low = 0;
    let at = from;
    for (; ; at += 1) {
      const digit = digitOf(bytes[at] as number);
      if (digit < 0) break;
      high = ((high << 4) | (low >>> 28)) >>> 0;
      low = ((low << 4) | digit) >>> 0;
    }
    this.#high = high;
    this.#low = low;
    this.#end = at;
    return at > from && at - from <= MOST_DIGITS;
  }

  /**
   * Remembers what is around the numbers of a message: `text`, which is behind the line's stamp. Its
   * record is the writer's newest and the only one of its line, if it is one.
   */
  learn(text: string, reader: LineReader, writer: BatchWriter): void {
    const [, front = '', , , , back = '', errorWords = ''] = MESSAGE.exec(text) ?? [];
    if (front === '' || LINE_START.test(text)) return;
    // A second name might be an event's, glued on.
    if ((text.match(ONE_NAME) ?? []).length !== 1) return;
    if ((text.match(/vfio_/gi) ?? []).length !== 1) return;
    const record = writer.newest;
    const isOwn =
      record[KIND] === kind &&
      record[LINE] === writer.line &&
      record[SECONDS] === reader.seconds &&
      record[NANOSECONDS] === reader.nanoseconds;
    if (!isOwn) return;
    const end = WORDS_END.exec(back)?.[0].length ?? 0;
    const call: KnownCall = {
      front: Buffer.from(front, 'latin1'),
      back: Buffer.from(back, 'latin1'),
      words: [end - errorWords.length, end],
      errno: record[HEADER_WORDS + offset.errno] as number,
      era: record[HEADER_WORDS + offset.era] as number,
      flags: record[HEADER_WORDS + offset.flags] as number,
    };
    this.#calls = [call, ...this.#calls].slice(0, MOST_CALLS);
  }
}

function digitOf(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  return byte >= LETTER_A && byte <= LETTER_F ? byte - LETTER_A + 10 : -1;
}

function isAt(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text[index]) return false;
  }
  return true;
}
