import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { codeOf } from '../base/errors.ts';
import { isSource, packageRoot } from '../base/package-root.ts';
import type { EventBatch } from '../events/batch.ts';
import type { DecodeTask } from './decode.ts';
import { heapFull } from './memory.ts';
import { failedOutcome, type TraceOutcome } from './outcome.ts';
import type { TraceTask } from './trace.ts';

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

/** Threads for decoding ranges of one large trace, and for analysing many small ones. */
export class Pool {
  /** How many there are at most. */
  readonly threads: number;
  /** Null before the first task: a small trace alone needs no threads. */
  #pool: Promise<Piscina> | null = null;
  readonly #decoder: string;
  readonly #analyzer: string;

  constructor(threads: number) {
    this.threads = threads;
    const worker = (name: string) =>
      fileURLToPath(
        new URL(isSource ? `workers/${name}.ts` : `dist/workers/${name}.js`, packageRoot),
      );
    this.#decoder = worker('decode');
    this.#analyzer = worker('analyze');
  }

  get #threadPool(): Promise<Piscina> {
    this.#pool ??= this.#open();
    return this.#pool;
  }

  async #open(): Promise<Piscina> {
    const { Piscina } = await import('piscina');
    return new Piscina({
      filename: this.#decoder,
      minThreads: 0,
      maxThreads: this.threads,
      concurrentTasksPerWorker: TASKS_PER_THREAD,
      idleTimeout: IDLE_MILLISECONDS,
      recordTiming: false,
      resourceLimits: {
        maxOldGenerationSizeMb: THREAD_HEAP_MIB,
        maxYoungGenerationSizeMb: THREAD_YOUNG_MIB,
      },
      execArgv: [...WORKER_FLAGS, ...(isSource ? ['--import', 'tsx'] : [])],
    });
  }

  /** Decodes a range or block in a thread. */
  async decode(task: DecodeTask): Promise<readonly EventBatch[]> {
    const pool = await this.#threadPool;
    return (await pool.run(task, { filename: this.#decoder })) as readonly EventBatch[];
  }

  /** Analyses a whole trace in a thread; a thread that dies is an outcome too. */
  async analyze(
    task: TraceTask,
    // A task that can be aborted has a thread to itself, and takes no other down when that dies.
    signal: AbortSignal = new AbortController().signal,
  ): Promise<TraceOutcome> {
    try {
      const pool = await this.#threadPool;
      return (await pool.run(task, { filename: this.#analyzer, signal })) as TraceOutcome;
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const isFull = codeOf(thrown) === 'ERR_WORKER_OUT_OF_MEMORY';
      if (isFull) return failedOutcome(heapFull(task.path, THREAD_HEAP_MIB));
      return failedOutcome(thrown);
    }
  }

  /** Stops all threads, whatever they are doing. */
  async close(): Promise<void> {
    await (await this.#pool)?.destroy();
  }
}
