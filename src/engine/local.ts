import { setImmediate as nextTurn } from 'node:timers/promises';
import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import { rangesOf, TAIL_BYTES } from '../bytes/ranges.ts';
import { type Slot, Slots } from '../bytes/slots.ts';
import type { OpenRanges, OpenSource } from '../bytes/source.ts';
import type { LineFormat, StreamFormat, TraceFormat } from '../decoding/format.ts';
import type { EventBatch } from '../events/batch.ts';
import { TaskDecoder } from './decode.ts';
import { gatheredBlocks, gatheredBytes } from './gathered.ts';

/** A batch, and what to call when nobody looks at its memory any more. */
export interface Decoded {
  readonly batch: EventBatch;
  readonly release: () => void;
}

/** Makes the batches of a trace, in order; each is consumed before the next is asked for. */
export type Decode = (source: OpenSource, format: TraceFormat) => AsyncIterable<Decoded>;

/** Bytes that one batch is expected to hold. */
const BLOCK_BYTES = 1024 * 1024;
/**
 * Parts that the replay holds: one at work, and those before it that it may still quote, which are
 * more while they are small.
 */
export const REPLAYED = 5;
/** Parts of a stream that are on their way beside these: one is full, and the next has begun. */
export const GATHERING = 2;

/** Decodes a trace in this thread, part by part. */
export function decodeHere(source: OpenSource, format: TraceFormat): AsyncIterable<Decoded> {
  if (format.kind === 'stream') return alone(streamBatches(source, format));
  return source.ranges === null
    ? gatheredBatches(source, format)
    : rangeBatches(source.ranges, format);
}

/** Batches whose memory is nobody else's. */
async function* alone(batches: AsyncIterable<EventBatch>): AsyncGenerator<Decoded> {
  const release = () => {};
  for await (const batch of batches) yield { batch, release };
}

/** A plain file is read in place: the memory of a part is that of one that is not quoted any more. */
async function* rangeBatches(ranges: OpenRanges, format: LineFormat): AsyncGenerator<Decoded> {
  const bytes = Math.min(BLOCK_BYTES, ranges.bytes);
  const decoder = new TaskDecoder();
  const slots = new Slots(REPLAYED + 1, bytes + TAIL_BYTES, false);
  const inOrder = new PartsInOrder();
  for (const range of rangesOf(ranges.bytes, bytes)) {
    const slot = slots.take();
    const batches = await decoder.decode({ format: format.name, slot, ranges, range });
    // In the midst of a line of many ranges, nobody else lets an interrupt in.
    if (batches.length === 0) await nextTurn();
    yield* inOrder.of(batches, slot, slots);
    if (inOrder.isBroken) return;
  }
}

/** Hands out the batches of one part of a trace after the other, and gives its memory back. */
export class PartsInOrder {
  #end = 0;
  /**
   * A part is missing, since a file became shorter or cannot be read there: what comes behind it is left
   * out, as it is where one thread reads it from the start.
   */
  isBroken = false;

  *of(batches: readonly EventBatch[], slot: Slot | null, slots: Slots): Generator<Decoded> {
    let left = batches.length;
    const release = () => {
      left -= 1;
      if (left === 0 && slot !== null) slots.give(slot);
    };
    if (batches.length === 0 && slot !== null) slots.give(slot);
    for (const batch of batches) {
      this.isBroken = batch.byteOffset !== this.#end;
      if (this.isBroken) return;
      this.#end += batch.byteLength;
      yield { batch, release };
    }
  }
}

/** What comes as a stream, part by part. */
async function* gatheredBatches(source: OpenSource, format: LineFormat): AsyncGenerator<Decoded> {
  const decoder = new TaskDecoder();
  const slots = new Slots(REPLAYED + GATHERING, gatheredBytes(source), false);
  const inOrder = new PartsInOrder();
  for await (const { blocks, slot } of gatheredBlocks(source, slots)) {
    const batches = await decoder.decode({ format: format.name, slot, blocks });
    yield* inOrder.of(batches, slot, slots);
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
