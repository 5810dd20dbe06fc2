import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../base/errors.ts';
import type { Output as RunOutput } from '../engine/outputs.ts';
import { reports } from '../reports/index.ts';
import type { Report, ReportOptions } from '../reports/report.ts';
import { hint } from './suggestions.ts';

/** A report and the path of the file that it goes to. */
export interface Output<Of = Report> {
  readonly report: Of;
  readonly path: string;
}

export const reportNames: readonly string[] = reports.map(({ name }) => name);

/** A report by its name. */
export function reportNamed(name: string): Report {
  const report = reports.find((known) => known.name === name);
  if (report === undefined) throw new UsageError(`no report is called ${name}`);
  return report;
}

/** What parses `FORMAT=PATH`, once for each `--output`, where these reports are known. */
export function outputAdder<Of>(known: ReadonlyMap<string, Of>) {
  const names = [...known.keys()];
  return (text: string, before: readonly Output<Of>[] = []): readonly Output<Of>[] => {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(0, at));
    const path = text.slice(at + 1);
    const report = known.get(name);
    if (report === undefined || path === '') {
      const meant = at > 0 && report === undefined ? hint(name, names) : '';
      throw new InvalidArgumentError(
        `Expected FORMAT=PATH, FORMAT one of ${names.join(', ')}${meant}.`,
      );
    }
    if (path === '-') {
      throw new InvalidArgumentError(`On standard output goes --format ${name}.`);
    }
    return [...before, { report, path }];
  };
}

export const addOutput = outputAdder(new Map(reports.map((report) => [report.name, report])));

/** The outputs as a run writes them: without colours, whatever the terminal is like. */
export function fileOutputs(
  outputs: readonly Output[],
  options: ReportOptions,
): readonly RunOutput[] {
  const inFile = { ...options, color: false, width: 80, cutsNames: false };
  return outputs.map(({ report, path }) => ({
    path,
    render: (result) => report.render(result, inFile),
  }));
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
