import { availableParallelism } from 'node:os';
import pMap from 'p-map';
import { UsageError } from '../base/errors.ts';
import type { WindowRequest } from '../base/report-window.ts';
import { keyOfPath } from '../bytes/file-identity.ts';
import { findInputs, type Input, type Inputs, type PassedOver } from '../bytes/inputs.ts';
import { readText } from '../bytes/list.ts';
import { declaredEvents } from '../decoding/declared-events.ts';
import { failedTrace, resultOf } from '../result/result.ts';
import type { Result, Trace } from '../result/types.ts';
import { withMembers } from './archives.ts';
import type { TraceOutcome } from './outcome.ts';
import { type Output, RunFiles } from './outputs.ts';
import { keysOfOutputs, refuseToOverwrite } from './overwriting.ts';
import { joinedInputs } from './pieces.ts';
import { directoriesWithoutTraces, type PlannedTrace, planOf } from './plan.ts';
import { Pool } from './pool.ts';
import { type Progress, RunProgress } from './progress.ts';
import type { TableShare } from './tables.ts';
import { decodeInThreads } from './threaded.ts';
import { analyzeTrace, type MachineOptions, type TraceTask } from './trace.ts';

export type { PassedOver } from '../bytes/inputs.ts';

/** A machine of which nothing is told. */
export const FROM_TRACE: MachineOptions = {
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
  /** Files, directories, archives, globs, `@list`, `-`; or what has been found of them already. */
  readonly inputs: readonly string[] | Inputs;
  /** What the model is told; what it is not told, it finds in the trace. */
  readonly model?: Partial<MachineOptions>;
  /** What of each trace is reported; default: all. */
  readonly window?: WindowRequest;
  /** Threads; default: as many as the machine runs at once. */
  readonly jobs?: number;
  /** Files for the tables of unmaps and of mappings. */
  readonly unmaps?: string | null;
  readonly mappings?: string | null;
  /** Other files, reports for one, to be written when the result is known. */
  readonly outputs?: readonly Output[];
  /** What the caller writes besides, open already: `/dev/stdout`, for one. */
  readonly alsoWritten?: readonly string[];
  readonly maxDecompressedBytes?: number | null;
  /** A file with QEMU's messages, where `-D` sent only the one trace of this run to a file. */
  readonly stderr?: string | null;
  /** The inputs are the pieces of one log. */
  readonly isJoined?: boolean;
  /** A `trace-events-all` of the build of QEMU that wrote binary traces. */
  readonly traceEvents?: string | null;
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Bytes of a range of a large trace; for tests. */
  readonly rangeBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /**
   * Takes the result of each trace as soon as it is there, in any order, and out of what `run` returns,
   * so that many are never in memory at once. Null: the file is no trace, and nobody named it.
   */
  readonly onTrace?: (path: string, trace: Trace | null) => void | Promise<void>;
  /** Called once, with the files in directories that may hold traces and cannot be read. */
  readonly onPassedOver?: (files: readonly PassedOver[]) => void;
}

const NO_TRACE: TableShare = { trace: null, tables: null };

/**
 * Analyses traces, writes the tables and outputs, and returns the results in the order of the
 * inputs, whatever the number of threads. A trace that cannot be analysed is a result with its
 * reason.
 *
 * @throws UsageError where an output cannot be written, or would take the place of a trace or of
 *   another output, or a list of inputs or of events cannot be read. Then no file is written.
 */
export async function run(options: RunOptions): Promise<Result> {
  const { mappings = null, outputs = [], signal, traceEvents = null, unmaps = null } = options;
  const inputs = await unlessAborted(inputsOf(options), signal);
  const eventList = traceEvents === null ? null : await readEventList(traceEvents);
  const files = new RunFiles({ unmaps, mappings }, outputs);
  const jobs = Math.max(1, options.jobs ?? availableParallelism());
  const threads = new Threads(jobs);
  try {
    return await unlessAborted(
      new Run(options, inputs, eventList, files, threads).result(),
      signal,
    );
  } finally {
    await threads.close();
    files.discard();
    inputs.close?.();
  }
}

/** What says which traces are read, and which files are written. */
export interface InputOptions
  extends Pick<
    RunOptions,
    | 'alsoWritten'
    | 'inputs'
    | 'isJoined'
    | 'mappings'
    | 'maxDecompressedBytes'
    | 'stderr'
    | 'stdin'
    | 'traceEvents'
    | 'unmaps'
  > {
  readonly outputs?: readonly Pick<Output, 'path'>[];
}

/**
 * The inputs, once it is sure that no output does harm to one of them.
 *
 * @throws UsageError where one would, or the inputs do not go with the options.
 */
export async function inputsOf(options: InputOptions): Promise<Inputs> {
  const {
    alsoWritten = [],
    outputs = [],
    mappings,
    stderr = null,
    traceEvents = null,
    unmaps,
  } = options;
  const tables = [unmaps, mappings].flatMap((path) => path ?? []);
  const written = [...outputs.map(({ path }) => path), ...tables];
  const inputs =
    'traces' in options.inputs
      ? options.inputs
      : await findInputs(options.inputs, keysOfOutputs(written));
  const read = [stderr, traceEvents].map((path) => (path === null ? null : keyOfPath(path)));
  await refuseToOverwrite(written, alsoWritten, {
    isRead: (key) => read.includes(key) || inputs.isRead(key),
  });
  const { maxDecompressedBytes = null, stdin } = options;
  const all =
    'traces' in options.inputs
      ? inputs
      : await withMembers(inputs, { maxDecompressedBytes, ...(stdin !== undefined && { stdin }) });
  const { isJoined = false } = options;
  try {
    const joined = isJoined ? await joinedInputs(all, { maxDecompressedBytes }) : all;
    const count = joined.traces.length + joined.bad.length;
    if (stderr !== null && count !== 1) {
      throw new UsageError(`--with-stderr goes with one trace, and not with ${count}`);
    }
    return joined;
  } catch (thrown) {
    all.close?.();
    throw thrown;
  }
}

/**
 * The text of a list of trace events.
 *
 * @throws UsageError where it cannot be read, or is none.
 */
export async function readEventList(path: string): Promise<string> {
  const text = await readText(path, 'the list of trace events');
  if (declaredEvents(text) === null) {
    throw new UsageError(
      `${path}: is no trace-events-all, which has a line per event: name(arguments) "format"`,
    );
  }
  return text;
}

/** The threads of a run, started when they are first needed. */
class Threads {
  readonly jobs: number;
  #analyzers: Pool | null = null;
  #decoders: Pool | null = null;

  constructor(jobs: number) {
    this.jobs = jobs;
  }

  /** Those that decode: the replay has one for itself, and needs it more. */
  get decoders(): Pool {
    this.#decoders ??= new Pool(Math.max(1, this.jobs - 1));
    return this.#decoders;
  }

  get analyzers(): Pool {
    this.#analyzers ??= new Pool(this.jobs);
    return this.#analyzers;
  }

  async close(): Promise<void> {
    await this.#analyzers?.close();
    await this.#decoders?.close();
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #model: MachineOptions;
  readonly #inputs: Inputs;
  readonly #eventList: string | null;
  readonly #files: RunFiles;
  readonly #threads: Threads;
  readonly #passedOver: PassedOver[];

  constructor(
    options: RunOptions,
    inputs: Inputs,
    eventList: string | null,
    files: RunFiles,
    threads: Threads,
  ) {
    this.#options = options;
    this.#model = { ...FROM_TRACE, ...options.model };
    this.#inputs = inputs;
    this.#passedOver = [...inputs.passedOver];
    this.#eventList = eventList;
    this.#files = files;
    this.#threads = threads;
  }

  async result(): Promise<Result> {
    const inputs = this.#inputs;
    const shares = await this.#analyzeAll(inputs);
    this.#tellPassedOver();
    await this.#files.tables.join(shares);
    const isTrace = new Set(inputs.traces.filter((_, index) => shares[index]?.trace !== null));
    const failed = [
      ...inputs.bad,
      ...directoriesWithoutTraces(inputs, (input) => isTrace.has(input)),
    ];
    const result = resultOf([
      ...shares.flatMap(({ trace }) => trace ?? []),
      ...failed.map(({ path, error }) => failedTrace(path, `${path}: ${error}`)),
    ]);
    await this.#files.write(result, this.#options.signal);
    return result;
  }

  /** What each input comes to, in their order. */
  async #analyzeAll({ traces }: Inputs): Promise<readonly TableShare[]> {
    const progress = new RunProgress(traces, this.#options.onProgress);
    const shares: TableShare[] = traces.map(() => NO_TRACE);
    const analyze = async (
      { input, index }: PlannedTrace,
      way: (task: TraceTask, onProgress: (bytes: number) => void) => Promise<TraceOutcome>,
    ) => {
      this.#options.signal?.throwIfAborted();
      const outcome = await way(this.#taskOf(input, index), (bytes) => progress.read(index, bytes));
      progress.done(index, input.bytes);
      const share = this.#shareOf(input, outcome);
      const { onTrace } = this.#options;
      if (onTrace === undefined) shares[index] = share;
      else await onTrace(input.path, share.trace);
    };
    const plan = planOf(traces);
    const large = async () => {
      for (const trace of plan.large) {
        await analyze(trace, (task, onProgress) => this.#analyzeLarge(task, onProgress));
      }
    };
    const small = pMap(
      plan.small,
      (trace) => analyze(trace, (task, onProgress) => this.#analyzeSmall(task, onProgress)),
      { concurrency: this.#threads.jobs },
    );
    await Promise.all([large(), small]);
    return shares;
  }

  #taskOf(input: Input, index: number): TraceTask {
    const { path, isFound, member, object, pieces, threads } = input;
    const { maxDecompressedBytes = null, stderr = null, window } = this.#options;
    const parts = this.#files.tables.partsOf(index);
    return {
      path,
      isFound,
      model: this.#model,
      parts,
      maxDecompressedBytes,
      ...(member !== undefined && { member }),
      ...(object !== undefined && { object }),
      ...(pieces !== undefined && { pieces }),
      ...(threads !== undefined && { threads }),
      ...(stderr !== null && { stderr }),
      ...(window !== undefined && { window }),
      eventList: this.#eventList,
    };
  }

  /** Replayed here, decoded by the threads where there is more than one. */
  async #analyzeLarge(task: TraceTask, onProgress: (bytes: number) => void): Promise<TraceOutcome> {
    const { rangeBytes = null, signal } = this.#options;
    const stdin = this.#inputs.stdin ?? this.#options.stdin;
    const isAlone = this.#threads.jobs === 1 && rangeBytes === null;
    return analyzeTrace(task, {
      stdin,
      signal,
      onProgress,
      ...(!isAlone && { decode: decodeInThreads(() => this.#threads.decoders, rangeBytes) }),
    });
  }

  /** In a thread, or in this one where there is only one. */
  async #analyzeSmall(task: TraceTask, onProgress: (bytes: number) => void): Promise<TraceOutcome> {
    const { signal } = this.#options;
    return this.#threads.jobs === 1
      ? analyzeTrace(task, { signal, onProgress })
      : this.#threads.analyzers.analyze(task, signal);
  }

  #shareOf({ path, isFound }: Input, outcome: TraceOutcome): TableShare {
    if (outcome.ok) return outcome;
    const { error, failure } = outcome;
    if (failure.of === 'output') throw new UsageError(error);
    if (failure.of === 'foreign-input' && isFound) {
      if (failure.kind !== null) this.#passedOver.push({ path, kind: failure.kind });
      return NO_TRACE;
    }
    return { trace: failedTrace(path, error), tables: null };
  }

  #tellPassedOver(): void {
    if (this.#passedOver.length === 0) return;
    // Threads meet them in any order.
    this.#passedOver.sort((a, b) => (a.path < b.path ? -1 : 1));
    this.#options.onPassedOver?.(this.#passedOver);
  }
}

/**
 * What `work` becomes, or the signal's reason as soon as it is aborted: `work` may be waiting for a
 * pipe into which nobody writes.
 */
export async function unlessAborted<Value>(
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
