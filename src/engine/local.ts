import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import type { OpenSource } from '../bytes/source.ts';
import type { LineFormat, StreamFormat, TraceFormat } from '../decoding/format.ts';
import type { EventBatch } from '../events/batch.ts';
import { BlockDecoder } from './decode.ts';

/** A batch, and what to call when nobody looks at its memory any more. */
export interface Decoded {
  readonly batch: EventBatch;
  readonly release: () => void;
}

/** Makes the batches of a trace, in order; each is consumed before the next is asked for. */
export type Decode = (source: OpenSource, format: TraceFormat) => AsyncIterable<Decoded>;

/** Bytes that one batch is expected to hold, for its first allocation. */
const BLOCK_BYTES = 1024 * 1024;

/** Decodes a trace in this thread, block by block. */
export async function* decodeHere(
  source: OpenSource,
  format: TraceFormat,
): AsyncGenerator<Decoded> {
  const batches =
    format.kind === 'stream' ? streamBatches(source, format) : lineBatches(source, format);
  const release = () => {};
  for await (const batch of batches) yield { batch, release };
}

/** Each batch uses the memory of the one before it, which has been consumed by then. */
async function* lineBatches(source: OpenSource, format: LineFormat): AsyncGenerator<EventBatch> {
  const decoder = new BlockDecoder(
    format,
    Math.min(BLOCK_BYTES, source.ranges?.bytes ?? BLOCK_BYTES),
  );
  let words: Uint32Array = new Uint32Array(0);
  for await (const block of blocksOf(source)) {
    const batch = decoder.decode(block, words);
    if (batch.words.length > words.length) words = new Uint32Array(batch.words.buffer);
    yield batch;
  }
}

/** The blocks of lines of a trace, in order. */
export async function* blocksOf(source: OpenSource): AsyncGenerator<LineBlock> {
  const blocks = new LineBlocks();
  for await (const chunk of source.chunks()) yield* blocks.push(chunk);
  const last = blocks.end();
  if (last !== null) yield last;
}

async function* streamBatches(
  source: OpenSource,
  format: StreamFormat,
): AsyncGenerator<EventBatch> {
  const ready: EventBatch[] = [];
  const decoder = await format.open((batch) => ready.push(batch));
  for await (const chunk of source.chunks()) {
    await decoder.push(chunk);
    yield* ready.splice(0);
  }
  await decoder.end();
  yield* ready.splice(0);
}
