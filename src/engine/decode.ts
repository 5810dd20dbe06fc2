import type { LineBlock } from '../bytes/lines.ts';
import { type ByteRange, readRange } from '../bytes/ranges.ts';
import type { Slot } from '../bytes/slots.ts';
import type { OpenRanges } from '../bytes/source.ts';
import type { LineDecoder, LineFormat } from '../decoding/format.ts';
import { lineFormatNamed } from '../decoding/index.ts';
import type { EventBatch } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';

/** Decodes blocks of lines into batches; one per thread and format, for its tables' sake. */
export class BlockDecoder {
  readonly #decoder: LineDecoder;
  readonly #writer: BatchWriter;

  /** `expectedBytes`: of a block. */
  constructor(format: LineFormat, expectedBytes: number) {
    this.#decoder = format.decoder();
    this.#writer = new BatchWriter(expectedBytes);
  }

  /** `words`: memory for the records, which the batch then holds, if they fit. */
  decode(block: LineBlock, words: Uint32Array | null = null): EventBatch {
    if (words !== null) this.#writer.writeTo(words);
    const lines = this.#decoder.decode(block.bytes, this.#writer);
    const batch = this.#writer.finish(block.bytes, block.byteOffset, lines);
    const isWhole = block.byteLength === block.bytes.length;
    return isWhole ? batch : { ...batch, byteLength: block.byteLength };
  }
}

/** Lines to decode: of a range of a file, or read elsewhere. */
export type DecodeTask = {
  readonly format: string;
  /** Memory for what comes of it; of blocks, the bytes are in it already. */
  readonly slot: Slot | null;
} & (
  | { readonly ranges: OpenRanges; readonly range: ByteRange }
  | { readonly blocks: readonly LineBlock[] }
);

/** The decoder of one thread, for tasks of any format. */
export class TaskDecoder {
  readonly #decoders = new Map<string, BlockDecoder>();

  async decode(task: DecodeTask): Promise<readonly EventBatch[]> {
    const { format, slot } = task;
    const blocks =
      'blocks' in task
        ? task.blocks
        : await readRange(task.ranges, task.range, slot?.source ?? null);
    return blocks.map((block, index) => {
      const decoder = this.#decoderOf(format, block.bytes.length);
      return decoder.decode(block, index === 0 ? (slot?.words ?? null) : null);
    });
  }

  #decoderOf(name: string, expectedBytes: number): BlockDecoder {
    const known = this.#decoders.get(name);
    if (known !== undefined) return known;
    const decoder = new BlockDecoder(lineFormatNamed(name), expectedBytes);
    this.#decoders.set(name, decoder);
    return decoder;
  }
}
