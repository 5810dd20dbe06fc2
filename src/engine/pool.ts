import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { ForeignError, placedMessageOf, TraceError, UsageError } from '../base/errors.ts';
import { openSource } from '../bytes/source.ts';
import { recognise } from '../decoding/index.ts';
import type { EventBatch } from '../events/batch.ts';
import type { Trace } from '../result/types.ts';
import { type AnalyzeOptions, analyzeSource } from './analyze.ts';
import type { DecodeTask } from './decode.ts';
import { type PartPaths, type TableParts, TableWriter } from './tables.ts';

/**
 * Memory of a thread's heap at most. A trace that needs more, against all expectation, is one
 * failed row and not the end of the run.
 */
const THREAD_HEAP_MIB = 2048;
/**
 * Of it, what is new: what small traces leave behind is collected when it has this size, and each
 * thread has its own.
 */
const THREAD_YOUNG_MIB = 8;
/**
 * Ranges that a decoding thread is given at a time. With one, it would wait for the replay between
 * any two: new tasks are handed out only when that pauses.
 */
export const TASKS_PER_THREAD = 3;
/** How long an idle thread is kept. */
const IDLE_MILLISECONDS = 2000;

/**
 * A thread that is stopped while `require` loads its module takes the whole process down (Node 20:
 * "IsGraphAsync must be used on an instantiated module"); `import`, the other way, does not.
 */
const WORKER_FLAGS: readonly string[] = ['--no-experimental-require-module'];

/** A whole trace to analyse in a thread. */
export interface AnalyzeTask {
  readonly path: string;
  readonly model: AnalyzeOptions['model'];
  readonly parts: PartPaths;
  readonly maxDecompressedBytes: number | null;
}

/** What became of it. Failures that are expected cross threads as data, since errors do not. */
export type AnalyzeOutcome =
  | { readonly ok: true; readonly trace: Trace; readonly tables: TableParts }
  | { readonly ok: false; readonly error: string; readonly failure: Failure };

/** Whose fault it is. */
export type Failure =
  | { readonly of: 'input' }
  /** No trace that is read; `kind`: what it is, where it may hold one all the same. */
  | { readonly of: 'foreign-input'; readonly kind: string | null }
  /** A table cannot be written: nothing that comes after it can be, either. */
  | { readonly of: 'output' }
  | { readonly of: 'program' };

/** The outcome of a trace that could not be analysed for what was thrown. */
export function failedOutcome(thrown: unknown): AnalyzeOutcome {
  const failed = (error: string, failure: Failure) => ({ ok: false, error, failure }) as const;
  if (thrown instanceof ForeignError) {
    return failed(thrown.message, { of: 'foreign-input', kind: thrown.kind });
  }
  if (thrown instanceof TraceError) return failed(thrown.message, { of: 'input' });
  if (thrown instanceof UsageError) return failed(thrown.message, { of: 'output' });
  return failed(`internal error: ${placedMessageOf(thrown)}`, { of: 'program' });
}

/** Threads for decoding ranges of one large trace, and for analysing many small ones. */
export class Pool {
  readonly #pool: Piscina;
  readonly #decoder: string;
  readonly #analyzer: string;

  constructor(threads: number) {
    const fromSource = import.meta.url.endsWith('.ts');
    const worker = (name: string) =>
      fileURLToPath(new URL(`../../workers/${name}.${fromSource ? 'ts' : 'js'}`, import.meta.url));
    this.#decoder = worker('decode');
    this.#analyzer = worker('analyze');
    this.#pool = new Piscina({
      filename: this.#decoder,
      minThreads: 0,
      maxThreads: threads,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      idleTimeout: IDLE_MILLISECONDS,
      recordTiming: false,
      resourceLimits: {
        maxOldGenerationSizeMb: THREAD_HEAP_MIB,
        maxYoungGenerationSizeMb: THREAD_YOUNG_MIB,
      },
      execArgv: [...WORKER_FLAGS, ...(fromSource ? ['--import', 'tsx'] : [])],
    });
  }

  /** Decodes a range or block in a thread. */
  async decode(task: DecodeTask): Promise<readonly EventBatch[]> {
    return (await this.#pool.run(task, { filename: this.#decoder })) as readonly EventBatch[];
  }

  /** Analyses a whole trace in a thread; a thread that dies is an outcome too. */
  async analyze(
    task: AnalyzeTask,
    // A task that can be aborted has a thread to itself, and takes no other down when that dies.
    signal: AbortSignal = new AbortController().signal,
  ): Promise<AnalyzeOutcome> {
    try {
      return (await this.#pool.run(task, { filename: this.#analyzer, signal })) as AnalyzeOutcome;
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      return failedOutcome(thrown);
    }
  }

  /** Stops all threads, whatever they are doing. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Analyses a trace in this thread and turns what can be expected to go wrong into data. */
export async function analyzeTask(
  task: AnalyzeTask,
  onProgress?: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<AnalyzeOutcome> {
  let tables: TableWriter | null = null;
  try {
    const { maxDecompressedBytes, model, parts, path } = task;
    const source = await openSource(path, { maxDecompressedBytes });
    const format = recognise(source);
    tables = new TableWriter(parts);
    const progress = (bytes: number) => {
      signal?.throwIfAborted();
      onProgress?.(bytes);
    };
    const options = { model, sink: tables.sink, onProgress: progress };
    const trace = await analyzeSource(source, format, options);
    return { ok: true, trace, tables: tables.finish() };
  } catch (thrown) {
    tables?.discard();
    if (signal?.aborted === true) throw thrown;
    return failedOutcome(thrown);
  }
}
