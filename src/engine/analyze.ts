import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import type { OpenSource } from '../bytes/source.ts';
import type { LineFormat, StreamFormat, TraceFormat } from '../decoding/format.ts';
import type { EventBatch } from '../events/batch.ts';
import type { RecordSink } from '../findings/session-recorder.ts';
import type { SessionOptions } from '../inference/reader.ts';
import type { Trace } from '../result/types.ts';
import { BlockDecoder } from './decode.ts';
import { TraceReplay } from './replay.ts';

/** Bytes that one batch is expected to hold, for its first allocation. */
const BLOCK_BYTES = 1024 * 1024;

/** What the replay of a trace needs to know beside the trace. */
export interface AnalyzeOptions {
  readonly model: Omit<SessionOptions, 'stampsTellVersion'>;
  readonly sink: RecordSink | null;
  /** Called now and then with the bytes of the input read so far. */
  readonly onProgress?: (bytes: number) => void;
}

/** Analyses a trace in this thread: decodes and replays it block by block. */
export async function analyzeSource(
  source: OpenSource,
  format: TraceFormat,
  options: AnalyzeOptions,
): Promise<Trace> {
  const replay = replayOf(format, options);
  for await (const batch of batchesOf(source, format)) {
    replay.consume(batch);
    options.onProgress?.(source.readBytes());
  }
  return finishTrace(replay, source, format);
}

/** The replay of a trace of this format. */
export function replayOf(format: TraceFormat, options: AnalyzeOptions): TraceReplay {
  const stampsTellVersion = format.name === 'qemu-log';
  return new TraceReplay({ ...options.model, stampsTellVersion }, options.sink);
}

/** The result of a trace whose batches have all been consumed. */
export function finishTrace(replay: TraceReplay, source: OpenSource, format: TraceFormat): Trace {
  const { path, compression, losses } = source;
  const description = { path, compression, format: format.name, clock: 'wall' } as const;
  return replay.finish(description, losses);
}

/** The batches of a trace, in order; each is to be consumed before the next is asked for. */
export async function* batchesOf(
  source: OpenSource,
  format: TraceFormat,
): AsyncGenerator<EventBatch> {
  if (format.kind === 'stream') yield* streamBatches(source, format);
  else yield* lineBatches(source, format);
}

/** Each batch uses the memory of the one before it, which has been consumed by then. */
async function* lineBatches(source: OpenSource, format: LineFormat): AsyncGenerator<EventBatch> {
  const decoder = new BlockDecoder(format, Math.min(BLOCK_BYTES, source.rangeSize ?? BLOCK_BYTES));
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
  const decoder = format.open((batch) => ready.push(batch));
  for await (const chunk of source.chunks()) {
    await decoder.push(chunk);
    yield* ready.splice(0);
  }
  await decoder.end();
  yield* ready.splice(0);
}
