import type { ResultStore } from '../bytes/result-store.ts';
import { jsonReport } from '../reports/json.ts';
import { resultOf } from '../result/result.ts';
import type { Trace } from '../result/types.ts';
import { nameOfFailure, nameOfResult } from './manifest.ts';

const PLAIN = { color: false, width: 80, verbosity: 0 };

/**
 * Leaves the result of a trace in the folder, under the name that its key gives it; one that failed
 * has another. Null: it turned out to be no trace.
 */
export async function keepResult(
  folder: ResultStore,
  key: string,
  trace: Trace | null,
): Promise<void> {
  const name = trace?.error === undefined ? nameOfResult(key) : nameOfFailure(key);
  await folder.write(name, jsonReport.render(resultOf(trace === null ? [] : [trace]), PLAIN));
}
