import { LineBlocks } from './bytes/lines.ts';
import type { OpenSource } from './bytes/source.ts';
import { BlockDecoder } from './decode.ts';
import type { EventBatch } from './events/batch.ts';
import type { LineFormat, StreamFormat, TraceFormat } from './formats/format.ts';
import type { SessionOptions } from './model/session.ts';
import { TraceReplay } from './replay.ts';
import type { RecordSink } from './result/session-recorder.ts';
import type { Trace } from './result/types.ts';

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

/** The batches of a trace, in order. */
export async function* batchesOf(
  source: OpenSource,
  format: TraceFormat,
): AsyncGenerator<EventBatch> {
  if (format.kind === 'stream') yield* streamBatches(source, format);
  else yield* lineBatches(source, format);
}

async function* lineBatches(source: OpenSource, format: LineFormat): AsyncGenerator<EventBatch> {
  const blocks = new LineBlocks();
  const decoder = new BlockDecoder(format, BLOCK_BYTES);
  for await (const chunk of source.chunks()) {
    for (const block of blocks.push(chunk)) yield decoder.decode(block);
  }
  const last = blocks.end();
  if (last !== null) yield decoder.decode(last);
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
