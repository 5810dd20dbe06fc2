import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import type { EventBatch } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import type { StreamDecoder } from './format.ts';

const LF = 0x0a;

/** A line of a trace. */
export interface OrderedLine {
  /** A character for each byte, without its end. */
  readonly text: string;
  /** In its batch. */
  readonly byteOffset: number;
  /** False for the last line of a trace that does not end with LF. */
  readonly isWhole: boolean;
}

/** Hands out the lines of a trace one by one, for formats in which one says what another means. */
export class OrderedLines implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #decode: (line: OrderedLine, writer: BatchWriter) => void;
  readonly #blocks = new LineBlocks();
  readonly #writer = new BatchWriter();

  constructor(
    emit: (batch: EventBatch) => void,
    decode: (line: OrderedLine, writer: BatchWriter) => void,
  ) {
    this.#emit = emit;
    this.#decode = decode;
  }

  push(chunk: Uint8Array): void {
    for (const block of this.#blocks.push(chunk)) this.#block(block);
  }

  end(): void {
    const last = this.#blocks.end();
    if (last !== null) this.#block(last);
  }

  #block({ bytes: block, byteOffset, byteLength }: LineBlock): void {
    // A copy: whoever made the chunk may use its buffer again while a batch is still quoted.
    const bytes = Buffer.from(block);
    const writer = this.#writer;
    const lines = eachLine(bytes, (line, index) => {
      writer.line = index;
      this.#decode(line, writer);
    });
    this.#emit({ ...writer.finish(bytes, byteOffset, lines), byteLength });
  }
}

/** Calls `decode` with each line of a block and its number in it; returns how many there are. */
function eachLine(block: Uint8Array, decode: (line: OrderedLine, index: number) => void): number {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
  let index = 0;
  for (let at = 0; at < bytes.length; index += 1) {
    const lf = bytes.indexOf(LF, at);
    const end = lf < 0 ? bytes.length : lf;
    decode({ text: textOf(bytes, at, end), byteOffset: at, isWhole: lf >= 0 }, index);
    at = end + 1;
  }
  return index;
}

/** Bytes of a line that are read. */
const LINE_LIMIT = 64 * 1024;

/** The line at `at .. end`, a character for each byte, without a CR at its end. */
export function textOf(bytes: Buffer, at: number, end: number): string {
  const text = bytes.toString('latin1', at, Math.min(end, at + LINE_LIMIT));
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
