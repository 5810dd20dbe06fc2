import type { ResultFolder } from '../bytes/result-folder.ts';
import { jsonReport } from '../reports/json.ts';
import { resultOf } from '../result/result.ts';
import type { Trace } from '../result/types.ts';
import { nameOfFailure, nameOfResult } from './manifest.ts';

const PLAIN = { color: false, width: 80, verbosity: 0 };

/**
 * Leaves the result of a trace in the folder, under the name that its key gives it; one that failed
 * has another. Null: it turned out to be no trace.
 */
export function keepResult(folder: ResultFolder, key: string, trace: Trace | null): void {
  const name = trace?.error === undefined ? nameOfResult(key) : nameOfFailure(key);
  folder.write(name, jsonReport.render(resultOf(trace === null ? [] : [trace]), PLAIN));
}
