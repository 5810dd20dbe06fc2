import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import { findInputs } from '../bytes/inputs.ts';
import { RunFiles, type Output as RunOutput } from '../engine/outputs.ts';
import { refuseToOverwrite } from '../engine/overwriting.ts';
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

/** A report of something that is no result of an analysis, in lines of so many columns. */
export type WideReport<Subject> = (subject: Subject, width: number) => Iterable<string>;

/** The options by which a command is told its reports. */
export function addReportOptions<Of>(command: Command, known: ReadonlyMap<string, Of>): Command {
  return command
    .addOption(
      new Option('-f, --format <name>', 'report on standard output')
        .choices([...known.keys()])
        .default('text'),
    )
    .option(
      '-o, --output <format=path>',
      'another report to a file; may be repeated',
      outputAdder(known),
    );
}

/** The outputs as `writeOutputs` takes them. */
export function wideOutputs<Subject>(
  outputs: readonly Output<WideReport<Subject>>[],
): readonly RunOutput<Subject>[] {
  return outputs.map(({ path, report }) => ({ path, render: (subject) => report(subject, 80) }));
}

const NO_TABLES = { unmaps: null, mappings: null };

/**
 * Makes what is to be reported, and writes its files: all of them or none, and none in the place of
 * an input or of a trace.
 */
export async function writeOutputs<Subject>(
  outputs: readonly RunOutput<Subject>[],
  inputs: readonly string[],
  make: () => Subject | Promise<Subject>,
  signal: AbortSignal,
): Promise<Subject> {
  const paths = outputs.map(({ path }) => path);
  await refuseToOverwrite(paths, ['/dev/stdout'], await findInputs(inputs));
  const files = new RunFiles<Subject>(NO_TABLES, outputs);
  try {
    const subject = await make();
    await files.write(subject, signal);
    return subject;
  } finally {
    files.discard();
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
