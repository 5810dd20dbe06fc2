import { messageOf, TraceError } from '../base/errors.ts';
import { type OpenSource, openSource } from '../bytes/source.ts';
import { isJsonResult } from '../decoding/own-reports.ts';
import type { ComparedInput } from '../result/comparison.ts';
import { resultOf } from '../result/result.ts';
import { type Result, SCHEMA_VERSION } from '../result/types.ts';
import { analyzeNamed } from './named-trace.ts';
import type { MachineOptions } from './trace.ts';
import { UnmapGrouping } from './unmap-groups.ts';

/** How what is compared is read. */
export interface ComparedOptions {
  readonly model: Partial<MachineOptions>;
  readonly maxDecompressedBytes: number | null;
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytes: number) => void;
}

/** Bytes of a result at most: what `JSON.parse` takes as one text. */
const MOST_RESULT_BYTES = 2 ** 29 - 24;

/**
 * Reads one of two things to compare: a result as JSON as it is, plain or compressed, and of a trace
 * what an analysis finds.
 *
 * @throws TraceError where it is neither, or cannot be used.
 */
export async function comparedInput(
  named: string,
  options: ComparedOptions,
): Promise<ComparedInput> {
  const { maxDecompressedBytes, model, onProgress, signal } = options;
  // Opened once: a pipe has what it holds only once.
  const opened = await openSource(named, { maxDecompressedBytes });
  const { path } = opened;
  // Standard input is a trace.
  if (path !== '-' && isJsonResult(opened.head)) {
    return { path, result: await resultIn(path, opened), unmaps: null };
  }
  let grouping = new UnmapGrouping();
  const newSink = () => {
    grouping = new UnmapGrouping();
    return grouping;
  };
  const trace = await analyzeNamed(named, {
    model,
    maxDecompressedBytes,
    opened,
    newSink,
    signal,
    onProgress,
  });
  return { path, result: resultOf([trace]), unmaps: grouping.result() };
}

/** The result that a file holds; the file is closed. */
async function resultIn(path: string, source: OpenSource): Promise<Result> {
  try {
    return parsed(path, await textOf(path, source));
  } finally {
    source.close();
  }
}

async function textOf(path: string, source: OpenSource): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source.chunks()) {
    length += chunk.length;
    if (length > MOST_RESULT_BYTES) {
      throw new TraceError({ path }, `a result of more than ${MOST_RESULT_BYTES} bytes`);
    }
    // Whoever made it may use its memory again.
    chunks.push(chunk.slice());
  }
  const [loss] = source.finish(length).losses;
  if (loss !== undefined) throw new TraceError({ path }, `a damaged result: ${loss.detail}`);
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(path: string, text: string): Result {
  let result: Result;
  try {
    result = JSON.parse(text) as Result;
  } catch (thrown) {
    throw new TraceError({ path }, `a damaged result: ${messageOf(thrown)}`);
  }
  const { schemaVersion } = result;
  if (schemaVersion !== SCHEMA_VERSION) {
    throw new TraceError(
      { path },
      `a result of schema version ${schemaVersion}, and not ${SCHEMA_VERSION}: analyse its trace again`,
    );
  }
  if (!isWhole(result)) throw new TraceError({ path }, 'a damaged result: it lacks fields');
  return result;
}

/** It has what is compared; the schema says the rest. */
function isWhole({ exposed, migration, totals, traces, verdict }: Partial<Result>): boolean {
  const isThere = [exposed, migration, totals, verdict].every((part) => part !== undefined);
  const isComplete = traces?.every(
    (trace) =>
      Array.isArray(trace?.sessions) &&
      trace.sessions.every(({ findings, model }) => Array.isArray(findings) && model?.qemu),
  );
  return isThere && isComplete === true;
}
