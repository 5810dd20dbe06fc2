import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Processor, Queue, Worker, WorkerOptions } from 'bullmq';
import { codeOf, messageOf, UsageError } from '../../base/errors.ts';
import { shownUrl } from '../../base/url.ts';
import { toolVersion } from '../../result/version.ts';

/** A trace to analyse, as it stands in a queue: where its result goes is the worker's to know. */
export interface TraceJob {
  /** What to read: the trace, or the archive that it is in. */
  readonly uri: string;
  /** The options of its analysis, as on a command line. */
  readonly options: readonly string[];
}

export type QueuedTrace = Job<TraceJob, void>;

/** How often a trace is begun at most before it counts as failed. */
export const ATTEMPTS = 3;
/** How long a broker may take until it answers for the first time. */
const FIRST_ANSWER_MILLISECONDS = 10_000;
/** Between two attempts to reach it again. */
const RETRY_MILLISECONDS = 1000;
/**
 * What an error of a broker that is away has as its code: that of a socket, or of PostgreSQL a
 * SQLSTATE of the classes connection exception, insufficient resources, operator intervention.
 */
const AWAY = /^(?:E(?!RR_)[A-Z]+|08[0-9A-Z]{3}|53[0-9A-Z]{3}|57P0[1-4])$/;
/** What of a queue is yet to be done. */
const UNFINISHED = ['wait', 'active', 'delayed', 'prioritized'] as const;
/** Failed jobs that are asked for at a time. */
const PAGE = 1000;

export interface BrokerOptions {
  /** `redis://`, `rediss://` or `postgres://`. */
  readonly url: string;
  /** Name of the queue; several may share a broker. */
  readonly name: string;
  /** Told of what the broker's connection complains about, which then goes on trying. */
  readonly onTrouble: (why: string) => void;
}

/** How work is taken from a queue. */
export interface TakingOptions {
  /** Traces at a time. */
  readonly jobs: number;
  /** How long after a worker's last sign of life another takes what it had begun. */
  readonly lockMilliseconds: number;
}

/**
 * A queue of traces on a broker. It only says what is still to do: what is done is in the folder of
 * results, so that a queue that is lost loses no result.
 */
export class Broker {
  readonly #bull: typeof import('bullmq');
  readonly #queue: Queue<TraceJob, void>;
  readonly #isRedis: boolean;
  readonly #connection: object;
  /** Who speaks the broker's language. Typed like the default, Redis: what is used here is alike in both. */
  readonly #backend: undefined;
  readonly #name: string;
  readonly #onTrouble: (why: string) => void;
  #worker: Worker<TraceJob, void> | null = null;
  /** What goes on asking stops. */
  #isEnding = false;
  /** It never answered. */
  #isGivenUp = false;

  private constructor(
    bull: typeof import('bullmq'),
    { name, onTrouble, url }: BrokerOptions,
    isRedis: boolean,
  ) {
    this.#bull = bull;
    this.#isRedis = isRedis;
    // A worker of another version would make results under other names.
    this.#name = `${name}-${toolVersion()}`;
    this.#onTrouble = onTrouble;
    this.#connection = isRedis
      ? { url, maxRetriesPerRequest: null, retryStrategy: () => this.#nextTry() }
      : { connectionString: url, migrate: true };
    this.#backend = isRedis ? undefined : (bull.createPostgresBackend as unknown as undefined);
    this.#queue = new bull.Queue(this.#name, { connection: this.#connection }, this.#backend);
    this.#queue.on('error', (error) => onTrouble(messageOf(error)));
  }

  /**
   * Connects to a broker.
   *
   * @throws UsageError where the URL is of no known kind, a package is missing, or nobody answers.
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    const kind = /^(rediss?|postgres(?:ql)?):\/\//.exec(options.url)?.[1];
    if (kind === undefined) {
      throw new UsageError(`--queue: ${shownUrl(options.url)} is no redis:// or postgres:// URL`);
    }
    const isRedis = kind.startsWith('redis');
    const driver = isRedis ? 'ioredis' : 'pg';
    const bull = await loaded(() => import('bullmq'), driver);
    await loaded(() => import(driver), driver);
    let trouble = 'no answer';
    let hasAnswered = false;
    const broker = new Broker(
      bull,
      {
        ...options,
        onTrouble: (why) => {
          trouble = why === '' ? trouble : why;
          if (hasAnswered) options.onTrouble(why);
        },
      },
      isRedis,
    );
    const isThere = await Promise.race([
      broker.#queue.waitUntilReady().then(
        () => true,
        (thrown) => {
          trouble = messageOf(thrown) || trouble;
          return false;
        },
      ),
      sleep(FIRST_ANSWER_MILLISECONDS, false, { ref: false }),
    ]);
    if (!isThere) {
      broker.#isGivenUp = true;
      throw new UsageError(`--queue: ${shownUrl(options.url)}: ${trouble}`);
    }
    hasAnswered = true;
    return broker;
  }

  /** What is amiss with a broker that is to keep jobs for hours; empty where nothing is, or it does not tell. */
  async warnings(): Promise<readonly string[]> {
    if (!this.#isRedis) return [];
    const client = (await this.#queue.getBackend().client) as unknown as {
      config(command: 'GET', name: string): Promise<readonly string[]>;
    };
    const setting = async (name: string) => {
      try {
        return (await client.config('GET', name))[1];
      } catch {
        // Servers that others run often do not tell.
        return undefined;
      }
    };
    const warnings: string[] = [];
    if ((await setting('appendonly')) === 'no') {
      warnings.push(
        'Redis keeps no log of what it is told (appendonly no): after a crash, submit again',
      );
    }
    const policy = await setting('maxmemory-policy');
    if (policy !== undefined && policy !== 'noeviction') {
      warnings.push(
        `Redis may drop jobs when its memory is full (maxmemory-policy ${policy}): set noeviction`,
      );
    }
    return warnings;
  }

  /** Puts traces into the queue; one that is there already, by its key, is not there twice. */
  async add(traces: readonly (TraceJob & { readonly key: string })[]): Promise<void> {
    for (let start = 0; start < traces.length; start += PAGE) {
      const jobs = traces.slice(start, start + PAGE).map(({ key, uri, options }) => ({
        name: 'trace',
        data: { uri, options },
        opts: {
          jobId: key,
          attempts: ATTEMPTS,
          backoff: { type: 'fixed', delay: 1000 },
          removeOnComplete: true,
        },
      }));
      await this.#answered(() => this.#queue.addBulk(jobs));
    }
  }

  /** How many traces wait or are being analysed. */
  async unfinished(): Promise<number> {
    const counts = await this.#answered(() => this.#queue.getJobCounts(...UNFINISHED));
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  /** What the queue holds and has come to, as Prometheus reads it. */
  async metrics(): Promise<string> {
    return `${await this.#queue.exportPrometheusMetrics()}\n`;
  }

  /** The traces that are given up, with the reason, by their keys. */
  async failed(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const { failedReason, id } of await this.#failedJobs()) {
      if (id !== undefined) found.set(id, failedReason ?? 'failed');
    }
    return found;
  }

  /** Puts those that are given up back into the queue, as if they had never been tried. */
  async retry(keys: ReadonlySet<string>): Promise<number> {
    let retried = 0;
    for (const job of await this.#failedJobs()) {
      if (job.id === undefined || !keys.has(job.id)) continue;
      const afresh = { resetAttemptsMade: true, resetAttemptsStarted: true };
      await this.#answered(() => job.retry('failed', afresh));
      retried += 1;
    }
    return retried;
  }

  /** Takes traces from the queue, until `stopTaking`. */
  async take(
    process: Processor<TraceJob, void>,
    { jobs, lockMilliseconds }: TakingOptions,
  ): Promise<void> {
    // On PostgreSQL, a worker whose first connection fails never gets another.
    const worker = await this.#answered(() =>
      this.#readyWorker(process, {
        connection: this.#connection,
        autorun: false,
        concurrency: jobs,
        lockDuration: lockMilliseconds,
        stalledInterval: lockMilliseconds,
        // A worker that dies three times over one trace died of it.
        maxStalledCount: ATTEMPTS - 1,
        // As with Redis; otherwise 15 seconds.
        runRetryDelay: RETRY_MILLISECONDS,
        // Without any, nothing is counted.
        metrics: { maxDataPoints: 1 },
      }),
    );
    if (this.#isEnding) return worker.close();
    this.#worker = worker;
    worker.run().catch((error) => this.#onTrouble(messageOf(error)));
  }

  /** Takes no more, and waits for what was taken. */
  async stopTaking(): Promise<void> {
    this.#isEnding = true;
    await this.#worker?.close();
  }

  /** Gives a trace back as it was, without counting the attempt. Its processor has to throw what this returns. */
  async giveBack(job: QueuedTrace, token: string | undefined): Promise<Error> {
    await job.moveToWait(token);
    return new this.#bull.WaitingError();
  }

  /** What a processor throws for a trace that would fail again. */
  finalFailure(why: string): Error {
    return new this.#bull.UnrecoverableError(why);
  }

  async close(): Promise<void> {
    this.#isEnding = true;
    await this.#queue.close();
  }

  /** After how many milliseconds to connect again; null: never. */
  #nextTry(): number | null {
    return this.#isGivenUp ? null : RETRY_MILLISECONDS;
  }

  async #readyWorker(
    process: Processor<TraceJob, void>,
    options: WorkerOptions,
  ): Promise<Worker<TraceJob, void>> {
    const worker: Worker<TraceJob, void> = new this.#bull.Worker(
      this.#name,
      process,
      options,
      this.#backend,
    );
    worker.on('error', (error) => this.#onTrouble(messageOf(error)));
    try {
      await worker.waitUntilReady();
    } catch (thrown) {
      await worker.close();
      throw thrown;
    }
    return worker;
  }

  /**
   * What a broker answers, that is asked again for as long as it is away. Redis's driver does so by
   * itself.
   */
  async #answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        return await ask();
      } catch (thrown) {
        if (this.#isEnding || !isAway(thrown)) throw thrown;
        this.#onTrouble(messageOf(thrown));
        await sleep(RETRY_MILLISECONDS);
      }
    }
  }

  async #failedJobs(): Promise<readonly QueuedTrace[]> {
    const found: QueuedTrace[] = [];
    for (;;) {
      const page = await this.#answered(() =>
        this.#queue.getFailed(found.length, found.length + PAGE - 1),
      );
      found.push(...(page as readonly QueuedTrace[]));
      if (page.length < PAGE) return found;
    }
  }
}

/** Whether an error says that a broker, or the way to it, is away; PostgreSQL's driver has no code for it. */
function isAway(thrown: unknown): boolean {
  const code = codeOf(thrown);
  if (code === undefined) return /connection|timeout/i.test(messageOf(thrown));
  return typeof code === 'string' && AWAY.test(code);
}

async function loaded<Module>(load: () => Promise<Module>, driver: string): Promise<Module> {
  try {
    return await load();
  } catch (thrown) {
    if (codeOf(thrown) !== 'ERR_MODULE_NOT_FOUND') throw thrown;
    throw new UsageError(`a queue needs two more packages: npm install bullmq ${driver}`);
  }
}
