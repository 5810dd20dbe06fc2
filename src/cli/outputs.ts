import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../base/errors.ts';
import { isWrittenInPlace, NewFile } from '../bytes/new-file.ts';
import { reports } from '../reports/index.ts';
import type { Report, ReportOptions } from '../reports/report.ts';
import type { Result } from '../result/types.ts';
import { hint } from './suggestions.ts';

/** A report and the path of the file that it goes to. */
export interface Output {
  readonly report: Report;
  readonly path: string;
}

export const reportNames: readonly string[] = reports.map(({ name }) => name);

/** A report by its name. */
export function reportNamed(name: string): Report {
  const report = reports.find((known) => known.name === name);
  if (report === undefined) throw new UsageError(`no report is called ${name}`);
  return report;
}

/** Parses `FORMAT=PATH`, once for each `--output`. */
export function addOutput(text: string, before: readonly Output[] = []): readonly Output[] {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at));
  const path = text.slice(at + 1);
  const report = reports.find((known) => known.name === name);
  if (report === undefined || path === '') {
    const meant = at > 0 && report === undefined ? hint(name, reportNames) : '';
    throw new InvalidArgumentError(
      `Expected FORMAT=PATH, FORMAT one of ${reportNames.join(', ')}${meant}.`,
    );
  }
  if (path === '-') {
    throw new InvalidArgumentError(`On standard output goes --format ${name}.`);
  }
  return [...before, { report, path }];
}

/**
 * Refuses to write two things into one file, or over a trace that is to be read.
 *
 * @throws UsageError
 */
export function refuseToOverwrite(paths: readonly string[], inputs: readonly string[]): void {
  const taken = new Set(inputs.filter((input) => input !== '-').map((input) => resolve(input)));
  const read = new Set(taken);
  for (const path of paths.filter((path) => !isWrittenInPlace(path))) {
    const place = resolve(path);
    if (read.has(place)) throw new UsageError(`${path}: an input, which an output would overwrite`);
    if (taken.has(place)) throw new UsageError(`${path}: two outputs would go to this file`);
    taken.add(place);
  }
}

/**
 * The files of all `--output`, opened before the analysis begins: one that cannot be written is to
 * be known before an hour of work, not after.
 */
export class OutputFiles {
  readonly #files: readonly { readonly report: Report; readonly file: NewFile }[];

  /** @throws UsageError if one of them cannot be made. */
  constructor(outputs: readonly Output[]) {
    const files: { report: Report; file: NewFile }[] = [];
    this.#files = files;
    try {
      for (const { report, path } of outputs) files.push({ report, file: new NewFile(path) });
    } catch (thrown) {
      this.discard();
      throw thrown;
    }
  }

  /** Writes the reports; each takes its place only when it is complete. */
  async write(result: Result, options: ReportOptions, signal: AbortSignal): Promise<void> {
    for (const { report, file } of this.#files) {
      for (const piece of report.render(result, options)) {
        file.write(piece);
        await nextTurn(undefined, { signal });
      }
      file.finish();
    }
  }

  /** Takes away what has not been completed. */
  discard(): void {
    for (const { file } of this.#files) file.discard();
  }
}

/**
 * Writes text to a stream, waiting where it is slow, until it is interrupted.
 *
 * @throws What the stream failed with: nobody drains it then.
 */
export async function print(
  pieces: Iterable<string>,
  stream: Writable,
  signal: AbortSignal,
): Promise<void> {
  for (const piece of pieces) {
    if (stream.errored !== null) throw stream.errored;
    // An interrupt, and the failure of a file, show only in another turn.
    if (stream.write(piece)) await nextTurn(undefined, { signal });
    else await once(stream, 'drain', { signal });
  }
}
