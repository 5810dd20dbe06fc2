import { Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import {
  deviceName,
  type WindowRequest,
  type WindowTime,
  windowTime,
} from '../base/report-window.ts';
import { plural } from '../base/words.ts';
import { isThere } from '../bytes/file-identity.ts';
import { openResults } from '../bytes/result-store.ts';
import type { Progress } from '../engine/progress.ts';
import { type PassedOver, run } from '../engine/run.ts';
import { runShard } from '../fleet/run-shard.ts';
import { parseShard, WHOLE } from '../fleet/shard.ts';
import type { ReportOptions } from '../reports/report.ts';
import { redactResult } from '../result/redaction.ts';
import type { Result } from '../result/types.ts';
import { Baseline, day } from './baseline.ts';
import { addConfigOptions, applyConfig, configText } from './config.ts';
import {
  exitStatus,
  exitStatusOf,
  type FailLevel,
  failLevels,
  type Gate,
  gates,
} from './exit-status.ts';
import { folded } from './folded.ts';
import {
  count,
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { addOutput, fileOutputs, type Output, print, reportNamed, reportNames } from './outputs.ts';
import { tellPassedOver } from './passed-over.ts';
import { ProgressBar } from './progress-bar.ts';
import { nearest } from './suggestions.ts';
import type { Terminal } from './terminal.ts';

interface Flags extends ModelFlags {
  readonly format: string;
  readonly output?: readonly Output[];
  readonly unmaps?: string;
  readonly mappings?: string;
  readonly jobs?: number;
  readonly failOn: FailLevel;
  readonly strict?: boolean;
  readonly gate?: Gate;
  readonly baseline?: string;
  readonly updateBaseline?: string;
  readonly acceptUntil?: string;
  readonly exitZero?: boolean;
  readonly redact?: boolean;
  readonly since?: WindowTime;
  readonly until?: WindowTime;
  readonly device?: readonly string[];
  readonly maxDecompressed?: number;
  readonly withStderr?: string;
  readonly join?: boolean;
  readonly traceEventsAll?: string;
  readonly results?: string;
  readonly shard?: string;
  readonly job?: string;
}

/** The options that are about a configuration file; `false`: `--no-config`. */
interface ConfigFlags {
  readonly config?: string | false;
  readonly printConfig?: boolean;
}

/** Shown below the help. */
export const examples = `
Examples:
  vtdscope qemu.log.zst                   one trace, plain or compressed
  vtdscope sosreport.tar.xz               all traces of an archive, in place
  vtdscope /var/log/libvirt/qemu          all traces of a folder, worst first
  ssh host cat qemu.log | vtdscope -      from a pipe
  vtdscope qemu.log --format json         the result for programs
  vtdscope qemu.log --output html=report.html --unmaps unmaps.ndjson

Exit status: 0 nothing found; 1 errors were found, or the gate is shut; 2 an
input or option cannot be used; 3 inconclusive; 130 interrupted.`;

/** The main command: analyse traces and report. */
export function analyzeCommand(terminal: Terminal): Command {
  const command = new Command('analyze')
    .description('find DMA unmaps that fail or lose dirty pages (the default command)')
    .argument(
      '[inputs...]',
      "traces: files, folders, URLs, quoted globs, @list, or '-' for standard input",
    )
    .addOption(
      new Option('-f, --format <name>', 'report on standard output')
        .choices([...reportNames])
        .default('text'),
    )
    .option('-o, --output <format=path>', 'another report to a file; may be repeated', addOutput)
    .option('--unmaps <file>', 'write every unmap as a line of JSON (*.csv, *.parquet: as such)')
    .option('--mappings <file>', 'write the mappings at the end, likewise')
    .addOption(
      new Option('--fail-on <level>', 'from which errors on the exit status is 1')
        .choices([...failLevels])
        .default('active'),
    )
    .option('--strict', 'warnings count for it, too')
    .addOption(
      new Option(
        '--gate <question>',
        '1 also unless each VM may be migrated, or QEMU refuses',
      ).choices([...gates]),
    )
    .option('--baseline <file>', 'findings that are accepted, with reasons; they do not count')
    .option('--update-baseline <reason>', 'accept what counts now, and write it to --baseline')
    .addOption(
      new Option('--accept-until <day>', 'how long, as 2027-01-31; else for good').argParser(day),
    )
    .addOption(
      new Option(
        '--since <time>',
        'report only what came since then: +SECONDS of the trace, or ISO 8601',
      ).argParser(timeOfWindow),
    )
    .addOption(
      new Option('--until <time>', 'and only until then, likewise').argParser(timeOfWindow),
    )
    .option('--device <bdf>', 'report only this device, as 00:10.0; may be repeated', addDevice)
    .option('--redact', 'reports without addresses of the guest, pointers, names and paths')
    .option('--exit-zero', 'exit with 0 whatever is found, if every input could be used')
    .option('-j, --jobs <n>', 'threads (default: one per processor)', count(1))
    .option('--with-stderr <file>', "QEMU's messages, where -D sent only the trace to its file")
    .addOption(maxDecompressedOption())
    .option('--join', 'the inputs are pieces of one log: log.2.gz log.1 log')
    .option('--trace-events-all <file>', 'events of the QEMU that wrote a binary trace')
    .option(
      '--results <folder>',
      "leave a result for each trace, for 'vtdscope merge'; also in s3://",
    )
    .option('--shard <K/N>', 'with --results: only the K-th of N shares of the traces')
    // Of a worker: the trace stands in a list already.
    .addOption(new Option('--job <key>').hideHelp());
  for (const option of modelOptions()) command.addOption(option);
  addConfigOptions(command);
  command.addHelpText('after', () => folded(examples, terminal.columns));
  command.action(async (inputs: readonly string[], { config, printConfig }: ConfigFlags) => {
    const path = applyConfig(command, config);
    if (printConfig === true) {
      await print([configText(command, path)], terminal.stdout, terminal.signal);
      return;
    }
    // One that was found by itself changes what is said without being asked.
    if (path !== null && config === undefined && terminal.verbosity >= 0) {
      terminal.complain(`with the options of ${path}`);
    }
    terminal.exitWith(await analyze(inputs, command.opts<Flags>(), terminal));
  });
  return command;
}

async function analyze(
  inputs: readonly string[],
  flags: Flags,
  terminal: Terminal,
): Promise<number> {
  if (inputs.length === 0)
    throw new UsageError("no trace given; '-' reads standard input, --help shows examples");
  const command = commandMeant(inputs, terminal);
  if (command !== null) throw new UsageError(command);
  if (flags.results !== undefined) return leaveResults(inputs, flags.results, flags, terminal);
  if (flags.shard !== undefined) throw new UsageError('--shard needs --results');
  const report = reportNamed(flags.format);
  const { redact = false } = flags;
  if (redact && (flags.unmaps ?? flags.mappings) !== undefined) {
    throw new UsageError('--redact goes with reports, and not with --unmaps and --mappings');
  }
  const shown = (result: Result) => (redact ? redactResult(result) : result);
  const baseline = Baseline.from(flags);
  const progress = await ProgressBar.on(terminal.stderr, terminal.verbosity >= 0);
  const options = reportOptions(terminal);
  try {
    const window = windowOf(flags);
    const found = await run({
      ...analysisOf(flags, terminal, progress),
      ...(window !== null && { window }),
      inputs,
      isJoined: flags.join === true,
      unmaps: flags.unmaps ?? null,
      mappings: flags.mappings ?? null,
      stderr: flags.withStderr ?? null,
      outputs: baseline.outputs(
        fileOutputs(flags.output ?? [], options).map(({ path, render }) => ({
          path,
          render: (result: Result) => render(shown(result)),
        })),
      ),
      alsoWritten: ['/dev/stdout'],
    });
    progress.stop();
    const result = baseline.accept(found);
    // Of a trace that cannot be used, the line on stderr says it all.
    const [first] = result.traces;
    const isUnusable = result.traces.length === 1 && first?.error !== undefined;
    if (!isUnusable || flags.format !== 'text' || terminal.verbosity < 0)
      await print(report.render(shown(result), options), terminal.stdout, terminal.signal);
    for (const trace of result.traces) {
      if (trace.error !== undefined) terminal.complain(trace.error);
    }
    if (terminal.verbosity >= 0) baseline.tell(terminal);
    const status = exitStatusOf(result, flags.failOn, flags);
    return flags.exitZero === true && status !== exitStatus.unusable ? exitStatus.clean : status;
  } finally {
    progress.stop();
  }
}

/** How traces are analysed and what is shown meanwhile, wherever their results go. */
function analysisOf(flags: Flags, terminal: Terminal, progress: ProgressBar) {
  return {
    model: modelFrom(flags),
    maxDecompressedBytes: flags.maxDecompressed ?? null,
    traceEvents: flags.traceEventsAll ?? null,
    signal: terminal.signal,
    onProgress: (state: Progress) => progress.update(state),
    onPassedOver: (passed: readonly PassedOver[]) => {
      progress.stop();
      tellPassedOver(passed, terminal);
    },
    ...(flags.jobs !== undefined && { jobs: flags.jobs }),
  };
}

/** Analyses a share of the traces, and says what it came to; what they come to together, `merge` says. */
async function leaveResults(
  inputs: readonly string[],
  results: string,
  flags: Flags,
  terminal: Terminal,
): Promise<number> {
  const { baseline, job = null, join, mappings, output, shard, unmaps, withStderr } = flags;
  if (join === true) throw new UsageError('--join and --results do not go together');
  if (withStderr !== undefined) {
    throw new UsageError('--with-stderr goes with one trace, and not with --results');
  }
  if (windowOf(flags) !== null) {
    throw new UsageError('--since, --until and --device do not go with --results');
  }
  if (baseline !== undefined) throw new UsageError('--results and --baseline do not go together');
  if (output !== undefined || unmaps !== undefined || mappings !== undefined) {
    throw new UsageError("--results goes with no other output: 'vtdscope merge' makes the reports");
  }
  const progress = await ProgressBar.on(terminal.stderr, terminal.verbosity >= 0);
  try {
    const summary = await runShard(openResults(results), {
      ...analysisOf(flags, terminal, progress),
      inputs,
      job,
      shard: shard === undefined ? WHOLE : parseShard(shard),
    });
    progress.stop();
    for (const error of summary.failed) terminal.complain(error);
    const { analysed, failed, there, traces } = summary;
    const text = `${plural(traces, 'trace')}: ${analysed} analysed now, ${failed.length} of them failed, ${there} had a result\n`;
    await print([text], terminal.stdout, terminal.signal);
    return failed.length > 0 ? exitStatus.unusable : exitStatus.clean;
  } finally {
    progress.stop();
  }
}

/** What of the traces is reported; null: all. */
function windowOf({ device = [], since, until }: Flags): WindowRequest | null {
  const isAll = device.length === 0 && since === undefined && until === undefined;
  return isAll ? null : { since: since ?? null, until: until ?? null, devices: device };
}

function timeOfWindow(text: string): WindowTime {
  const time = windowTime(text);
  if (time !== null) return time;
  throw new InvalidArgumentError(
    'Expected a time with its zone such as 2026-11-22T08:14:34Z, or seconds such as +120.5.',
  );
}

function addDevice(text: string, before: readonly string[] = []): readonly string[] {
  const device = deviceName(text);
  if (device === null) throw new InvalidArgumentError('Expected a PCI device such as 00:10.0.');
  return [...new Set([...before, device])];
}

/** A misspelt command looks like the name of a trace that is not there. */
function commandMeant([first = '']: readonly string[], { commands }: Terminal): string | null {
  if (!/^[a-z]+$/.test(first) || isThere(first)) return null;
  const near = nearest(first, commands);
  return near === null ? null : `${first}: no such file; did you mean 'vtdscope ${near}'?`;
}

function reportOptions({ color, columns, stdout, verbosity }: Terminal): ReportOptions {
  return { color, verbosity, width: columns, cutsNames: stdout.isTTY === true };
}
