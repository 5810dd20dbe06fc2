import { setTimeout as sleep } from 'node:timers/promises';
import type { ResultStore } from '../../bytes/result-store.ts';
import { failedTrace } from '../../result/result.ts';
import { keepResult } from '../keep-result.ts';
import { nameOfFailure, nameOfResult } from '../manifest.ts';
import { ATTEMPTS, type Broker, type QueuedTrace, type TakingOptions } from './broker.ts';
import { runChild } from './child.ts';

/** How often a worker that ends with the queue looks whether it is empty. */
const LOOK_MILLISECONDS = 500;
/** The exit status of an analysis whose input or options cannot be used: the next would end the same way. */
const UNUSABLE = 2;

export interface WorkOptions extends TakingOptions {
  /** Where the results are, and its path, for the processes that analyse. */
  readonly folder: ResultStore;
  readonly folderPath: string;
  /** To end once nothing waits and nobody analyses. */
  readonly untilEmpty: boolean;
  readonly signal: AbortSignal;
  /** Told of each trace that was done, with what was wrong. */
  readonly onTrace: (uri: string, failure: string | null) => void;
}

/**
 * Analyses what is in a queue, each trace in a process of its own, until the signal is aborted: then
 * what was begun goes back, as if nobody had taken it.
 */
export async function work(broker: Broker, options: WorkOptions): Promise<void> {
  const { signal, untilEmpty } = options;
  const taking = broker.take((job, token) => analyseJob(broker, job, token, options), options);
  const ended = aborted(signal);
  try {
    await Promise.race([taking, ended]);
    if (untilEmpty) await emptied(broker, signal);
    else await ended;
  } finally {
    await broker.stopTaking();
  }
}

/**
 * Waits until nothing of a queue is to be done.
 *
 * @returns False where the signal was aborted before.
 */
export async function emptied(broker: Broker, signal: AbortSignal): Promise<boolean> {
  const ended = aborted(signal);
  while (!signal.aborted) {
    const left = await Promise.race([broker.unfinished(), ended]);
    if (left === 0) return true;
    await Promise.race([sleep(LOOK_MILLISECONDS), ended]);
  }
  return false;
}

async function analyseJob(
  broker: Broker,
  job: QueuedTrace,
  token: string | undefined,
  { folder, folderPath, onTrace, signal }: WorkOptions,
): Promise<void> {
  const key = job.id ?? '';
  const { options, uri } = job.data;
  // A queue that lost its end, or a lock, brings back what is done.
  if (await folder.has(nameOfResult(key))) return;
  const args = [
    'analyze',
    '--no-config',
    ...options,
    '--jobs',
    '1',
    '--results',
    folderPath,
    '--job',
    key,
  ];
  const { status, why } = await runChild([...args, '--', uri], signal);
  if (await folder.has(nameOfResult(key))) return onTrace(uri, null);
  if (signal.aborted) throw await broker.giveBack(job, token);
  const isFinal = status === UNUSABLE;
  if (isFinal || job.attemptsMade + 1 >= ATTEMPTS) {
    await recordFailure(folder, key, uri, why);
    onTrace(uri, why);
  }
  throw isFinal ? broker.finalFailure(why) : new Error(why);
}

/** Leaves in the folder why a trace has no result, unless its analysis has said so itself. */
export async function recordFailure(
  folder: ResultStore,
  key: string,
  uri: string,
  why: string,
): Promise<void> {
  if (!(await folder.has(nameOfFailure(key)))) await keepResult(folder, key, failedTrace(uri, why));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
