import { UsageError } from '../base/errors.ts';
import { findInputs, type PassedOver } from '../bytes/inputs.ts';
import type { ResultStore } from '../bytes/result-store.ts';
import { withMembers } from '../engine/archives.ts';
import type { Progress } from '../engine/progress.ts';
import { run } from '../engine/run.ts';
import { failedTrace } from '../result/result.ts';
import type { Trace } from '../result/types.ts';
import { keepResult } from './keep-result.ts';
import {
  compare,
  type FleetOptions,
  manifestOf,
  nameOfManifest,
  nameOfResult,
  refuseStandardInput,
} from './manifest.ts';
import { isInShard, type Shard } from './shard.ts';

export interface ShardOptions extends FleetOptions {
  /** Files, directories, globs, `@list`. */
  readonly inputs: readonly string[];
  readonly shard: Shard;
  /** Of one trace that is listed already, the name of its result; null: all of the share. */
  readonly job?: string | null;
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  readonly onPassedOver?: (files: readonly PassedOver[]) => void;
}

/** What one share of a run came to. */
export interface ShardSummary {
  /** Traces of the share. */
  readonly traces: number;
  /** Analysed now. */
  readonly analysed: number;
  /** Whose results were there already. */
  readonly there: number;
  /** Analysed now, and failed; a later call tries them again. */
  readonly failed: readonly string[];
}

/**
 * Analyses a share of the inputs, and leaves a result for each in the folder: whole or not at all,
 * so that a share that was interrupted goes on where it stopped. A result that is there is not made
 * again, unless it is of a failure.
 *
 * @throws UsageError where an input comes only once, the folder cannot be written, or the trace that
 *   is listed is no longer as it was.
 */
export async function runShard(
  folder: ResultStore,
  {
    inputs,
    job = null,
    jobs,
    model,
    maxDecompressedBytes,
    onPassedOver,
    onProgress,
    shard,
    signal,
    traceEvents = null,
  }: ShardOptions,
): Promise<ShardSummary> {
  const named = await findInputs(inputs);
  refuseStandardInput(named);
  const found = await withMembers(named, { maxDecompressedBytes });
  const manifest = manifestOf(found, { model, maxDecompressedBytes, traceEvents });
  if (job === null) await folder.write(nameOfManifest(manifest), [`${JSON.stringify(manifest)}\n`]);
  const share = manifest.traces.filter(({ key }) =>
    job === null ? isInShard(key, shard) : key === job,
  );
  if (job !== null && share.length === 0) {
    throw new UsageError(
      `${inputs.join(', ')}: has changed since it was submitted: submit it again`,
    );
  }
  const there = new Set(await folder.names());
  const due = new Map(
    share.filter(({ key }) => !there.has(nameOfResult(key))).map((entry) => [entry.uri, entry]),
  );
  const failed: string[] = [];
  const keep = async (path: string, trace: Trace | null) => {
    const entry = due.get(path);
    if (entry === undefined) return;
    const { error } = trace ?? {};
    if (error !== undefined) failed.push(error);
    await keepResult(folder, entry.key, trace);
  };
  for (const { uri, error } of due.values()) {
    if (error !== undefined) await keep(uri, failedTrace(uri, error));
  }
  await run({
    inputs: {
      traces: found.traces.filter(({ path }) => due.has(path)),
      bad: [],
      passedOver: found.passedOver,
      directories: new Map(),
      isRead: (key) => found.isRead(key),
    },
    model,
    maxDecompressedBytes,
    traceEvents,
    onTrace: keep,
    ...(jobs !== undefined && { jobs }),
    ...(signal !== undefined && { signal }),
    ...(onProgress !== undefined && { onProgress }),
    ...(onPassedOver !== undefined && { onPassedOver }),
  });
  return {
    traces: share.length,
    analysed: due.size,
    there: share.length - due.size,
    failed: failed.sort(compare),
  };
}
