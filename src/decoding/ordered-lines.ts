import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import type { EventBatch } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import type { StreamDecoder } from './format.ts';
import type { FormedDecoder } from './formed-lines.ts';

/** Room for records, in bytes of a log of which the records take as much: these lines are shorter than a log's. */
const LOG_BYTES = 2;

/** Decodes the lines of a trace in their order, for formats in which one says what another means. */
export class OrderedLines implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #decode: FormedDecoder;
  readonly #blocks = new LineBlocks();

  constructor(emit: (batch: EventBatch) => void, decode: FormedDecoder) {
    this.#emit = emit;
    this.#decode = decode;
  }

  push(chunk: Uint8Array): void {
    for (const block of this.#blocks.push(chunk)) {
      // A copy: whoever made the chunk may use its buffer again while a batch is still quoted.
      const isChunks = block.bytes.buffer === chunk.buffer;
      this.#block(isChunks ? { ...block, bytes: Uint8Array.from(block.bytes) } : block);
    }
  }

  end(): void {
    const last = this.#blocks.end();
    if (last !== null) this.#block(last);
  }

  #block({ bytes, byteOffset, byteLength }: LineBlock): void {
    const writer = new BatchWriter(bytes.length * LOG_BYTES);
    const lines = this.#decode(bytes, writer);
    this.#emit({ ...writer.finish(bytes, byteOffset, lines), byteLength });
  }
}

/** Bytes of a line that are read. */
const LINE_LIMIT = 64 * 1024;

/** The line at `at .. end`, a character for each byte, without a CR at its end. */
export function textOf(bytes: Buffer, at: number, end: number): string {
  const text = bytes.toString('latin1', at, Math.min(end, at + LINE_LIMIT));
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}
