import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { plural } from '../base/words.ts';
import { openOldResults, openResults } from '../bytes/result-store.ts';
import { readEventList } from '../engine/run.ts';
import { Broker } from '../fleet/queue/broker.ts';
import { recordGivenUp, retryFailed } from '../fleet/queue/collect.ts';
import { parseListenAt, type ServedMetrics, serveMetrics } from '../fleet/queue/metrics.ts';
import { submit } from '../fleet/queue/submit.ts';
import { emptied, work } from '../fleet/queue/work.ts';
import { exitStatus } from './exit-status.ts';
import { addMergeOptions, type MergeFlags, merge } from './merge.ts';
import {
  count,
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface QueueFlags {
  readonly queue: string;
  readonly name: string;
  readonly results: string;
}

interface SubmitFlags extends QueueFlags, ModelFlags {
  readonly maxDecompressed?: number;
  readonly traceEventsAll?: string;
}

interface WorkerFlags extends QueueFlags {
  readonly jobs: number;
  readonly lock: number;
  readonly untilEmpty?: boolean;
  readonly metrics?: string;
}

interface CollectFlags extends Omit<QueueFlags, 'results'>, MergeFlags {
  readonly wait?: boolean;
  readonly retryFailed?: boolean;
}

/** The commands of a queue: `submit`, `worker`, `collect`. */
export function queueCommands(terminal: Terminal): readonly Command[] {
  return [submitCommand(terminal), workerCommand(terminal), collectCommand(terminal)];
}

/** Where the queue is. */
function queueCommand(name: string): Command {
  return new Command(name)
    .addOption(
      new Option('--queue <url>', 'redis://HOST:PORT or postgres://HOST/DATABASE (young)')
        .env('VTDSCOPE_QUEUE')
        .makeOptionMandatory(),
    )
    .option('--name <name>', 'which queue, where several share a broker', queueName, 'vtdscope');
}

const RESULTS = [
  '--results <folder>',
  'the folder or s3:// of results that all machines share',
] as const;

/** Workers have another working directory. */
function traceEventsOption(): Option {
  return new Option(
    '--trace-events-all <file>',
    'events of the QEMU that wrote a binary trace, where all machines have it',
  ).argParser((path) => resolve(path));
}

/** Names that every broker takes. */
function queueName(text: string): string {
  if (!/^[\w-]{1,40}$/.test(text)) {
    throw new InvalidArgumentError('Expected up to 40 letters, digits, _ and -.');
  }
  return text;
}

function submitCommand(terminal: Terminal): Command {
  const command = queueCommand('submit')
    .description('put the traces that have no result yet into a queue')
    .argument('<inputs...>', 'traces: files, folders, URLs, quoted globs, @list')
    .requiredOption(...RESULTS)
    .addOption(maxDecompressedOption())
    .addOption(traceEventsOption());
  for (const option of modelOptions()) command.addOption(option);
  return command.action(async (inputs: readonly string[], flags: SubmitFlags) => {
    // Each worker would find out, trace by trace.
    if (flags.traceEventsAll !== undefined) await readEventList(flags.traceEventsAll);
    const broker = await open(flags, terminal);
    try {
      for (const warning of await broker.warnings()) terminal.complain(warning);
      const summary = await submit(broker, openResults(flags.results), {
        inputs,
        model: modelFrom(flags),
        maxDecompressedBytes: flags.maxDecompressed ?? null,
        traceEvents: flags.traceEventsAll ?? null,
        commandLine: analysisOptions(command),
      });
      const { again, queued, there, traces } = summary;
      const tried = again === 0 ? '' : `, ${again} of them had been given up`;
      const text = `${plural(traces, 'trace')}: ${queued} in the queue${tried}, ${there} had a result\n`;
      await print([text], terminal.stdout, terminal.signal);
    } finally {
      await broker.close();
    }
  });
}

function workerCommand(terminal: Terminal): Command {
  return queueCommand('worker')
    .description('analyse traces from a queue, each in a process of its own')
    .requiredOption(...RESULTS)
    .option('-j, --jobs <n>', 'traces at a time', count(1), 1)
    .option(
      '--lock <seconds>',
      'how long after the last sign of a worker others take what it had begun',
      count(1),
      30,
    )
    .option('--until-empty', 'end when nothing is left to do')
    .option('--metrics <[host:]port>', 'serve what the queue comes to for Prometheus')
    .action(async (flags: WorkerFlags) => {
      const { jobs, lock, metrics, results, untilEmpty = false } = flags;
      const folder = openResults(results);
      const at = metrics === undefined ? null : parseListenAt(metrics);
      const broker = await open(flags, terminal);
      let failed = 0;
      let served: ServedMetrics | null = null;
      try {
        if (at !== null) served = await serveMetrics(broker, at);
        if (served !== null && terminal.verbosity > 0) terminal.complain(`metrics: ${served.url}`);
        await work(broker, {
          folder,
          folderPath: results,
          jobs,
          lockMilliseconds: lock * 1000,
          untilEmpty,
          signal: terminal.signal,
          onTrace: (uri, failure) => {
            if (failure !== null) failed += 1;
            if (failure !== null) terminal.complain(failure);
            else if (terminal.verbosity > 0) terminal.complain(`${uri}: done`);
          },
        });
      } finally {
        served?.close();
        await broker.close();
      }
      if (terminal.signal.aborted) terminal.exitWith(exitStatus.interrupted);
      else if (failed > 0) terminal.exitWith(exitStatus.unusable);
    });
}

function collectCommand(terminal: Terminal): Command {
  const command = queueCommand('collect')
    .description('what a queue has come to: waits for it, then reports as merge does')
    .argument('<folder>', 'where the results are')
    .option('--wait', 'until nothing is left to do')
    .option('--retry-failed', 'first put back what was given up');
  return addMergeOptions(command).action(async (path: string, flags: CollectFlags) => {
    const folder = openOldResults(path);
    const broker = await open(flags, terminal);
    try {
      if (flags.retryFailed === true) {
        const retried = await retryFailed(broker, folder);
        if (terminal.verbosity >= 0) terminal.complain(`${plural(retried, 'trace')} put back`);
      }
      if (flags.wait === true && !(await emptied(broker, terminal.signal))) {
        return terminal.exitWith(exitStatus.interrupted);
      }
      await recordGivenUp(broker, folder);
    } finally {
      await broker.close();
    }
    terminal.exitWith(await merge(path, flags, terminal));
  });
}

function open({ name, queue }: Pick<QueueFlags, 'name' | 'queue'>, terminal: Terminal) {
  let last = '';
  return Broker.open({
    url: queue,
    name,
    // A broker that is away complains with every attempt to reach it.
    onTrouble: (why) => {
      if (why !== last && why !== '') terminal.complain(`the queue: ${why}; trying on`);
      last = why;
    },
  });
}

/** The options of the analysis that were given, as on a command line. */
function analysisOptions(command: Command): readonly string[] {
  const options = [...modelOptions(), maxDecompressedOption(), traceEventsOption()];
  const names = new Set(options.map(({ long }) => long));
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    const isGiven = command.getOptionValueSource(name) === 'cli';
    if (!isGiven || !names.has(option.long)) return [];
    return [`${option.long}=${command.getOptionValue(name)}`];
  });
}
