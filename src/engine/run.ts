import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import pMap, { pMapIterable } from 'p-map';
import { UsageError } from '../base/errors.ts';
import type { LineBlock } from '../bytes/lines.ts';
import { rangesOf, TAIL_BYTES } from '../bytes/ranges.ts';
import { type Slot, Slots } from '../bytes/slots.ts';
import { type OpenSource, openSource } from '../bytes/source.ts';
import type { LineFormat, TraceFormat } from '../decoding/format.ts';
import { recognise } from '../decoding/index.ts';
import type { EventBatch } from '../events/batch.ts';
import { failedTrace, resultOf } from '../result/result.ts';
import type { Result, Trace } from '../result/types.ts';
import { type AnalyzeOptions, batchesOf, blocksOf, finishTrace, replayOf } from './analyze.ts';
import type { DecodeTask } from './decode.ts';
import { type BadInput, findInputs, type Input, type Inputs, joined } from './inputs.ts';
import { type AnalyzeOutcome, analyzeTask, failedOutcome, Pool, TASKS_PER_THREAD } from './pool.ts';
import {
  isWrittenInPlace,
  joinParts,
  NewFile,
  type PartPaths,
  type TableParts,
  TableWriter,
  whyNot,
} from './tables.ts';

/** Bytes of one range of a large trace: small enough that few in flight stay small together. */
const RANGE_BYTES = 2 * 1024 * 1024;
/** Bytes of the first one, for which the replay has to wait. */
const FIRST_RANGE_BYTES = 128 * 1024;
/** From here on a trace is decoded by several threads; below, starting them takes longer. */
const LARGE_BYTES = 16 * 1024 * 1024;
/** Decoded ranges that may wait for the replay, per thread. */
const AHEAD = 5;
/**
 * Ranges that the replay holds: one at work, and those before it that it may still quote, which are
 * more while they are small.
 */
const REPLAYED = 5;

/** A model that is told nothing. */
const FROM_TRACE: AnalyzeOptions['model'] = {
  qemu: null,
  backend: null,
  hostPageSize: null,
  bitmapLimit: null,
  awBits: null,
  entryLimit: null,
  ram: null,
  tracking: 'from-trace',
};

/** What a run is to do. */
export interface RunOptions {
  /** Files, directories, globs, `@list`, `-`. */
  readonly inputs: readonly string[];
  /** What the model is told; what it is not told, it finds in the trace. */
  readonly model?: Partial<AnalyzeOptions['model']>;
  /** Threads; default: as many as the machine runs at once. */
  readonly jobs?: number;
  /** Files for the tables of unmaps and of mappings. */
  readonly unmaps?: string | null;
  readonly mappings?: string | null;
  /** Other files that are written beside; in a directory of traces they are none. */
  readonly outputs?: readonly string[];
  readonly maxDecompressedBytes?: number | null;
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Bytes of a range of a large trace; for tests. */
  readonly rangeBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Called once, with the files in directories that may hold traces and cannot be read. */
  readonly onPassedOver?: (files: readonly PassedOver[]) => void;
}

/** A file in a directory that was not analysed, although it may hold a trace. */
export interface PassedOver {
  readonly path: string;
  /** What it is: `xz-compressed`, say. */
  readonly kind: string;
}

/** How far a run is. */
export interface Progress {
  readonly bytes: number;
  /** Null while some input has no size. */
  readonly totalBytes: number | null;
  readonly traces: number;
  readonly totalTraces: number;
}

/** A batch, and what to call when nobody looks at its memory any more. */
interface Decoded {
  readonly batch: EventBatch;
  readonly release: () => void;
}

/** An input that has been dealt with. */
interface Done {
  /** Null for a file in a directory that is no trace. */
  readonly trace: Trace | null;
  readonly tables: TableParts | null;
}
const NO_TRACE: Done = { trace: null, tables: null };

/**
 * Analyses traces and returns their results in the order of the inputs, whatever the number of
 * threads. A trace that cannot be analysed is a result with its reason.
 *
 * @throws UsageError where an output cannot be written, or a list of inputs not be read.
 */
export async function run(options: RunOptions): Promise<Result> {
  return new Run(options).result();
}

class Run {
  readonly #options: RunOptions;
  readonly #model: AnalyzeOptions['model'];
  readonly #jobs: number;
  #analyzers: Pool | null = null;
  #decoders: Pool | null = null;
  readonly #tables: Record<'unmaps' | 'mappings', NewFile | null> = {
    unmaps: null,
    mappings: null,
  };
  readonly #partFolder: string;
  readonly #read = new Map<number, number>();
  readonly #passedOver: PassedOver[] = [];
  #traces = 0;
  #totalTraces = 0;
  #totalBytes: number | null = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#model = { ...FROM_TRACE, ...options.model };
    this.#jobs = Math.max(1, options.jobs ?? availableParallelism());
    const { unmaps, mappings } = options;
    // Opened first: a file that cannot be written is to be known before the work, not after.
    try {
      if (unmaps !== undefined && unmaps !== null) this.#tables.unmaps = new NewFile(unmaps);
      if (mappings !== undefined && mappings !== null)
        this.#tables.mappings = new NewFile(mappings);
      const table = this.#tables.unmaps ?? this.#tables.mappings;
      this.#partFolder = table === null ? '' : folderBeside(table.path);
    } catch (thrown) {
      this.#discardTables();
      throw thrown;
    }
  }

  async result(): Promise<Result> {
    try {
      return await unlessAborted(this.#result(), this.#options.signal);
    } finally {
      await this.#analyzers?.close();
      await this.#decoders?.close();
      this.#discardTables();
      if (this.#partFolder !== '') rmSync(this.#partFolder, { recursive: true, force: true });
    }
  }

  async #result(): Promise<Result> {
    const { unmaps, mappings, outputs = [] } = this.#options;
    const tables = [unmaps, mappings].filter((path) => path !== null && path !== undefined);
    const inputs = await findInputs(this.#options.inputs, [...outputs, ...tables]);
    const { traces, bad } = inputs;
    this.#totalTraces = traces.length;
    this.#totalBytes = sumOf(traces.map(({ bytes }) => bytes));
    const done = await this.#all(traces);
    this.#tellPassedOver();
    await this.#joinTables(done);
    const failed = [...bad, ...withoutTraces(inputs, done)];
    return resultOf([
      ...done.flatMap(({ trace }) => trace ?? []),
      ...failed.map(({ path, error }) => failedTrace(path, `${path}: ${error}`)),
    ]);
  }

  #tellPassedOver(): void {
    if (this.#passedOver.length === 0) return;
    // Threads meet them in any order.
    this.#passedOver.sort((a, b) => (a.path < b.path ? -1 : 1));
    this.#options.onPassedOver?.(this.#passedOver);
  }

  async #all(inputs: readonly Input[]): Promise<readonly Done[]> {
    const [only] = inputs;
    if (inputs.length === 1 && only !== undefined) return [await this.#oneLarge(only, 0)];
    const isLarge = (input: Input) => input.bytes === null || input.bytes >= LARGE_BYTES * 4;
    const results: Done[] = inputs.map(() => NO_TRACE);
    const numbered = inputs.map((input, index) => ({ input, index }));
    // Large ones one after the other, each over the threads that decode; small ones side by side beside them.
    const large = async () => {
      for (const { input, index } of numbered.filter(({ input }) => isLarge(input))) {
        results[index] = await this.#oneLarge(input, index);
      }
    };
    const small = pMap(
      numbered.filter(({ input }) => !isLarge(input)),
      async ({ input, index }) => {
        results[index] = await this.#oneSmall(input, index);
      },
      { concurrency: this.#jobs },
    );
    await Promise.all([large(), small]);
    return results;
  }

  /** One task for a thread, or this one where there is only one. */
  async #oneSmall(input: Input, index: number): Promise<Done> {
    this.#options.signal?.throwIfAborted();
    const task = {
      path: input.path,
      model: this.#model,
      parts: this.#partsOf(index),
      maxDecompressedBytes: this.#options.maxDecompressedBytes ?? null,
    };
    const outcome =
      this.#jobs > 1
        ? await this.#analyzerThreads.analyze(task, this.#options.signal)
        : await this.#guarded(() =>
            analyzeTask(task, (bytes) => this.#progress(index, bytes), this.#options.signal),
          );
    return this.#done(input, index, outcome);
  }

  /** One trace replayed here, decoded by the threads where that pays. */
  async #oneLarge(input: Input, index: number): Promise<Done> {
    const outcome = await this.#guarded(() => this.#replay(input, index));
    return this.#done(input, index, outcome);
  }

  async #guarded(act: () => Promise<AnalyzeOutcome>): Promise<AnalyzeOutcome> {
    try {
      return await act();
    } catch (thrown) {
      if (this.#options.signal?.aborted === true) throw thrown;
      return failedOutcome(thrown);
    }
  }

  async #replay(input: Input, index: number): Promise<AnalyzeOutcome> {
    const { stdin, maxDecompressedBytes = null } = this.#options;
    let tables: TableWriter | null = null;
    try {
      const source = await openSource(input.path, {
        maxDecompressedBytes,
        ...(stdin !== undefined && { stdin }),
      });
      const format = recognise(source);
      tables = new TableWriter(this.#partsOf(index));
      const replay = replayOf(format, { model: this.#model, sink: tables.sink });
      for await (const { batch, release } of this.#batches(source, format)) {
        // Where batches wait, only another turn lets an interrupt in, and the threads' messages.
        await nextTurn();
        this.#options.signal?.throwIfAborted();
        replay.consume(batch, release);
        this.#progress(index, source.rangeSize === null ? source.readBytes() : batch.byteOffset);
      }
      return { ok: true, trace: finishTrace(replay, source, format), tables: tables.finish() };
    } catch (thrown) {
      tables?.discard();
      throw thrown;
    }
  }

  /** The batches of a trace in order, decoded side by side where it is large enough. */
  #batches(source: OpenSource, format: TraceFormat): AsyncIterable<Decoded> {
    const rangeBytes = this.#options.rangeBytes ?? RANGE_BYTES;
    const isForced = this.#options.rangeBytes !== undefined;
    if (format.kind !== 'lines' || (this.#jobs === 1 && !isForced))
      return inThisThread(source, format);
    const { path, rangeSize } = source;
    if (rangeSize !== null) {
      if (rangeSize < LARGE_BYTES && !isForced) return inThisThread(source, format);
      const ranges = rangesOf(rangeSize, rangeBytes, FIRST_RANGE_BYTES);
      return this.#inThreads(ranges, (range, slot) => ({ format: format.name, slot, path, range }));
    }
    const isSmall = source.inputBytes !== null && source.inputBytes < LARGE_BYTES / 8;
    if (isSmall) return inThisThread(source, format);
    return this.#inThreads(blocksOf(source), (block, slot) => taskOf(format, block, slot));
  }

  /** Decodes parts of a trace in threads; a bounded number is under way or waiting. */
  async *#inThreads<Part>(
    parts: Iterable<Part> | AsyncIterable<Part>,
    taskOf: (part: Part, slot: Slot | null) => DecodeTask,
  ): AsyncGenerator<Decoded> {
    const ahead = this.#decoding * AHEAD;
    const slots = new Slots(ahead + REPLAYED, RANGE_BYTES + TAIL_BYTES);
    const decode = async (part: Part) => {
      const slot = slots.take();
      const task = taskOf(part, slot);
      return { slot, batches: await this.#decoderThreads.decode(task) };
    };
    const limits = { concurrency: this.#decoding * TASKS_PER_THREAD, backpressure: ahead };
    for await (const { slot, batches } of pMapIterable(parts, decode, limits)) {
      let left = batches.length;
      const release = () => {
        left -= 1;
        if (left === 0 && slot !== null) slots.give(slot);
      };
      if (batches.length === 0 && slot !== null) slots.give(slot);
      for (const batch of batches) yield { batch, release };
    }
  }

  /** Threads that decode: the replay has one for itself, and needs it more. */
  get #decoding(): number {
    return Math.max(1, this.#jobs - 1);
  }

  get #decoderThreads(): Pool {
    this.#decoders ??= new Pool(this.#decoding);
    return this.#decoders;
  }

  get #analyzerThreads(): Pool {
    this.#analyzers ??= new Pool(this.#jobs);
    return this.#analyzers;
  }

  #done({ path, bytes, isFound }: Input, index: number, outcome: AnalyzeOutcome): Done {
    this.#traces += 1;
    this.#progress(index, bytes ?? 0);
    if (outcome.ok) return outcome;
    const { error, failure } = outcome;
    if (failure.of === 'output') throw new UsageError(error);
    if (failure.of === 'foreign-input' && isFound) {
      if (failure.kind !== null) this.#passedOver.push({ path, kind: failure.kind });
      return NO_TRACE;
    }
    return { trace: failedTrace(path, error), tables: null };
  }

  #partsOf(index: number): PartPaths {
    const { unmaps, mappings } = this.#tables;
    const part = (kind: string) => join(this.#partFolder, `${kind}-${index}`);
    return {
      unmaps: unmaps === null ? null : part('unmaps'),
      mappings: mappings === null ? null : part('mappings'),
    };
  }

  async #joinTables(done: readonly Done[]): Promise<void> {
    const isBatch = done.filter(({ trace }) => trace !== null).length > 1;
    for (const key of ['unmaps', 'mappings'] as const) {
      const table = this.#tables[key];
      if (table === null) continue;
      const parts = done.flatMap(({ trace, tables }) => {
        const part = tables?.[key] ?? null;
        if (part === null) return [];
        const leading = key === 'unmaps' ? (tables?.leading ?? []) : [];
        return [{ part, leading, trace: isBatch ? (trace?.path ?? null) : null }];
      });
      await joinParts(table, parts);
      table.finish();
    }
  }

  #discardTables(): void {
    this.#tables.unmaps?.discard();
    this.#tables.mappings?.discard();
  }

  #progress(index: number, bytes: number): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    if (bytes > 0) this.#read.set(index, bytes);
    let sum = 0;
    for (const read of this.#read.values()) sum += read;
    onProgress({
      bytes: sum,
      totalBytes: this.#totalBytes,
      traces: this.#traces,
      totalTraces: this.#totalTraces,
    });
  }
}

/** Directories in which nothing was found that is a trace. */
function withoutTraces({ traces, bad, directories }: Inputs, done: readonly Done[]): BadInput[] {
  const shown = new Set(traces.filter((_, index) => done[index]?.trace !== null));
  const isIn = (directory: string, path: string) =>
    path === directory || path.startsWith(joined(directory, ''));
  return [...directories].flatMap(([directory, inputs]) => {
    const isKnown =
      inputs.some((input) => shown.has(input)) || bad.some(({ path }) => isIn(directory, path));
    return isKnown ? [] : [{ path: directory, error: 'a directory without traces' }];
  });
}

/**
 * What `work` becomes, or the signal's reason as soon as it is aborted: `work` may be waiting for a
 * pipe into which nobody writes.
 */
async function unlessAborted<Value>(
  work: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return work;
  const settled = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true, signal: settled.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    settled.abort();
  }
}

/** A new folder beside a table, so that its parts can be as large as it. */
function folderBeside(table: string): string {
  const beside = isWrittenInPlace(table) ? tmpdir() : dirname(table);
  try {
    return mkdtempSync(join(beside, `.vtdscope-${randomUUID().slice(0, 8)}-`));
  } catch (thrown) {
    throw new UsageError(`${table}: cannot be written: ${whyNot(table, thrown)}`);
  }
}

async function* inThisThread(source: OpenSource, format: TraceFormat): AsyncGenerator<Decoded> {
  const release = () => {};
  for await (const batch of batchesOf(source, format)) yield { batch, release };
}

/** A block that was read here and is decoded elsewhere: its bytes go through the slot. */
function taskOf({ name }: LineFormat, block: LineBlock, slot: Slot | null): DecodeTask {
  const { bytes } = block;
  if (slot === null || bytes.length > slot.source.length) return { format: name, slot, block };
  slot.source.set(bytes);
  const shared = { ...block, bytes: slot.source.subarray(0, bytes.length) };
  return { format: name, slot, block: shared };
}

function sumOf(sizes: readonly (number | null)[]): number | null {
  let sum = 0;
  for (const size of sizes) {
    if (size === null) return null;
    sum += size;
  }
  return sum;
}
