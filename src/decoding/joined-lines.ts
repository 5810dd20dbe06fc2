import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import type { EventBatch } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import type { Carrier } from './carrier.ts';
import type { StreamDecoder } from './format.ts';
import type { FormedDecoder } from './formed-lines.ts';
import { FramedLines } from './framed-lines.ts';
import { newFormedDecoder, newLineReader } from './kernels.ts';

/** Decodes the lines of a carrier that joins: in order, as a text may begin in one block and end in another. */
export class JoinedLines implements StreamDecoder {
  readonly #emit: (batch: EventBatch) => void;
  readonly #blocks = new LineBlocks();
  readonly #lines: FramedLines;
  readonly #decodeLines: FormedDecoder;
  readonly #writer = new BatchWriter();
  /** The last block: what is lost at the end of the trace is written behind its lines. */
  #last: { readonly block: LineBlock; readonly lines: number } | null = null;

  constructor(carrier: Carrier, emit: (batch: EventBatch) => void) {
    this.#emit = emit;
    this.#lines = new FramedLines(newLineReader(), carrier);
    this.#decodeLines = newFormedDecoder(this.#lines);
  }

  push(chunk: Uint8Array): void {
    for (const block of this.#blocks.push(chunk)) this.#decode(block);
  }

  end(): void {
    const last = this.#blocks.end();
    if (last !== null) this.#decode(last);
    if (this.#last === null) return;
    const { block, lines } = this.#last;
    this.#writer.line = lines - 1;
    this.#lines.loseOpen(block.bytes.length, this.#writer);
    this.#handOver();
  }

  #decode(block: LineBlock): void {
    this.#handOver();
    // A copy: whoever made the chunk may use its buffer again before the next one comes.
    const bytes = Uint8Array.from(block.bytes);
    const lines = this.#decodeLines(bytes, this.#writer);
    this.#last = { block: { ...block, bytes }, lines };
  }

  #handOver(): void {
    if (this.#last === null) return;
    const { block, lines } = this.#last;
    const { byteLength, byteOffset, bytes } = block;
    this.#emit({ ...this.#writer.finish(bytes, byteOffset, lines), byteLength });
    this.#last = null;
  }
}
