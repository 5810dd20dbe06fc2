import { setImmediate as nextTurn } from 'node:timers/promises';
import type { WindowRequest } from '../base/report-window.ts';
import { type Member, openMember } from '../bytes/archive.ts';
import { openJoined, type Piece } from '../bytes/joined.ts';
import type { ObjectState } from '../bytes/objects/object.ts';
import { type OpenSource, openSource } from '../bytes/source.ts';
import type { TraceFormat } from '../decoding/format.ts';
import { recognise } from '../decoding/index.ts';
import { ReportWindow } from '../findings/report-window.ts';
import type { RecordSink } from '../findings/session-recorder.ts';
import type { BootOptions } from '../inference/boot.ts';
import type { Trace } from '../result/types.ts';
import { loadRules } from '../rules/index.ts';
import { decodeAroundHoles } from './holes.ts';
import { type Decode, decodeHere } from './local.ts';
import { checkHeap } from './memory.ts';
import { openMerged } from './merged.ts';
import { failedOutcome, type TraceOutcome } from './outcome.ts';
import { type Hindsight, type Observe, TraceReplay } from './replay.ts';
import { type PartPaths, TableWriter } from './table-writer.ts';
import { withStderr } from './with-stderr.ts';

/** What the user tells of the machine; null: the trace tells. */
export type MachineOptions = Omit<BootOptions, 'stampsTellVersion' | 'infersOperations'>;

/** A whole trace to analyse. Plain data, so that it can cross threads. */
export interface TraceTask {
  readonly path: string;
  /** Where it is in an archive; absent for a file of its own. */
  readonly member?: Member;
  /** What was found at its URL; absent for a file. */
  readonly object?: ObjectState;
  /** The files that it is in, the oldest first; absent where it is in one. */
  readonly pieces?: readonly Piece[];
  /** The files of QEMU's threads that it is in; absent where it is in one. */
  readonly threads?: readonly string[];
  readonly model: MachineOptions;
  /** What of it is reported; absent: all. */
  readonly window?: WindowRequest;
  readonly parts: PartPaths;
  /** A file with QEMU's messages, which are not in the trace; absent where there is none. */
  readonly stderr?: string;
  readonly maxDecompressedBytes: number | null;
  /** The text of a `trace-events-all`, for binary records; null: the catalogue's events are known. */
  readonly eventList?: string | null;
  /** It was found in a folder, and nobody named it. */
  readonly isFound: boolean;
}

/** What is around an analysis; none of it crosses threads. */
export interface TraceSurroundings {
  readonly stdin?: AsyncIterable<Uint8Array> | undefined;
  /** The trace, where it is open already; the analysis closes it. */
  readonly opened?: OpenSource;
  /** Default: in this thread. */
  readonly decode?: Decode;
  /** Makes what is told of unmaps in the place of the tables; once for each reading of the trace. */
  readonly newSink?: () => RecordSink;
  /** Makes what observes a reading of the trace, likewise. */
  readonly newObserve?: () => Observe;
  /** Called where a reading of the trace begins, likewise. */
  readonly onReading?: () => void;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the bytes of the input read so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * The way of every trace: opens it, recognises its format, replays its batches in order, writes its
 * parts of the tables. What can be expected to go wrong is an outcome.
 *
 * @throws The signal's reason where it is aborted, and nothing else.
 */
export async function analyzeTrace(
  task: TraceTask,
  surroundings: TraceSurroundings = {},
): Promise<TraceOutcome> {
  const { decode = decodeHere, newObserve, newSink, onProgress, onReading, signal } = surroundings;
  const { model, parts, path, window } = task;
  let source: OpenSource | null = null;
  let tables: TableWriter | null = null;
  const replayAll = async (
    opened: OpenSource,
    format: TraceFormat,
    sink: RecordSink | null,
    hindsight?: Hindsight,
  ) => {
    onReading?.();
    const room = () => checkHeap(path);
    const replay = await replayOf(format, model, sink, room, hindsight, newObserve?.(), window);
    for await (const { batch, release } of decodeAroundHoles(decode)(opened, format)) {
      // Where batches wait, only another turn lets an interrupt in, and the threads' messages.
      await nextTurn();
      signal?.throwIfAborted();
      replay.consume(batch, release);
      checkHeap(path);
      onProgress?.(opened.ranges === null ? opened.readBytes() : batch.byteOffset);
    }
    return { trace: resultOf(replay, opened, format), learnedLate: replay.learnedLate };
  };
  try {
    const opened = await openTrace(task, surroundings);
    const { format } = opened;
    source = opened.source;
    tables = new TableWriter(parts);
    let replayed = await replayAll(source, format, newSink?.() ?? tables.sink);
    const again = replayed.learnedLate.size > 0 ? source.again() : null;
    // Its version came out late: what the first reading said of the unmaps before was another's.
    if (again !== null) {
      tables.discard();
      tables = new TableWriter(parts);
      const sink = newSink?.() ?? tables.sink;
      replayed = await replayAll(again, format, sink, replayed.learnedLate);
    }
    return { ok: true, trace: replayed.trace, tables: tables.finish() };
  } catch (thrown) {
    tables?.discard();
    signal?.throwIfAborted();
    return failedOutcome(thrown);
  } finally {
    source?.close();
  }
}

/** How a trace is opened. */
export type OpenTask = Pick<
  TraceTask,
  | 'eventList'
  | 'isFound'
  | 'maxDecompressedBytes'
  | 'member'
  | 'object'
  | 'path'
  | 'pieces'
  | 'stderr'
  | 'threads'
>;

/**
 * Opens a trace, with QEMU's messages where they are in another file, and recognises its format.
 *
 * @throws TraceError where it cannot be read, or is none; the input is closed then.
 */
export async function openTrace(
  task: OpenTask,
  { opened, stdin }: Pick<TraceSurroundings, 'opened' | 'stdin'> = {},
): Promise<{ readonly source: OpenSource; readonly format: TraceFormat }> {
  const { eventList = null, isFound, maxDecompressedBytes, member } = task;
  const { object, path, pieces, stderr, threads } = task;
  const options = {
    maxDecompressedBytes,
    ...(stdin !== undefined && { stdin }),
    ...(object !== undefined && { object }),
  };
  let source = opened ?? null;
  try {
    if (pieces !== undefined) source = await openJoined(path, pieces, options);
    else if (threads !== undefined) source = await openMerged(path, threads, options);
    else if (member !== undefined) source = await openMember(path, member, options);
    else source ??= await openSource(path, options);
    const { compression, head } = source;
    const format = recognise({ path, compression, head, isFound, eventList });
    if (stderr !== undefined) source = await withStderr(source, format, stderr);
    return { source, format };
  } catch (thrown) {
    source?.close();
    throw thrown;
  }
}

async function replayOf(
  format: TraceFormat,
  model: MachineOptions,
  sink: RecordSink | null,
  checkRoom: () => void,
  hindsight?: Hindsight,
  observe?: Observe,
  window?: WindowRequest,
): Promise<TraceReplay> {
  const { infersOperations = false, stampsTellVersion } = format;
  const options = { ...model, stampsTellVersion, infersOperations };
  const reported = window === undefined ? null : new ReportWindow(window);
  const rules = await loadRules();
  return new TraceReplay(options, rules, sink, checkRoom, hindsight, observe, reported);
}

function resultOf(replay: TraceReplay, source: OpenSource, format: TraceFormat): Trace {
  const { path, compression } = source;
  const { losses, hasGrown } = source.finish(replay.bytes);
  const { clock, name } = format;
  const comesOnce = source.again() === null;
  return replay.finish({ path, compression, format: name, clock, hasGrown, comesOnce }, losses);
}
