import { Command, Option } from 'commander';
import { jsonText } from '../base/json-text.ts';
import { inspectTraces } from '../engine/inspection.ts';
import { type Inspection, inspectionOf } from '../reports/inspection/inspection.ts';
import { textOfInspection } from '../reports/inspection/text.ts';
import { exitStatus } from './exit-status.ts';
import {
  count,
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { print } from './outputs.ts';
import { tellPassedOver } from './passed-over.ts';
import { ProgressBar } from './progress-bar.ts';
import type { Terminal } from './terminal.ts';

interface InspectFlags extends ModelFlags {
  readonly format: 'text' | 'json';
  readonly join?: boolean;
  readonly jobs?: number;
  readonly maxDecompressed?: number;
  readonly traceEventsAll?: string;
  readonly withStderr?: string;
}

const EXAMPLES = `
Examples:
  vtdscope inspect qemu.log               is it enough, what to enable next time
  vtdscope inspect sosreport.tar.xz       each trace of an archive
  vtdscope inspect --join vm.log*         pieces of a rotated log
  ssh host cat qemu.log | vtdscope inspect - -f json

Each trace is read as a whole. Exit status: 0; 2 an input cannot be used.`;

/** `inspect`: what traces are, what they hold, and whether that is enough for a verdict. */
export function inspectCommand(terminal: Terminal): Command {
  const command = new Command('inspect')
    .description('what a trace is and holds, and what to enable next time')
    .argument('<inputs...>', "traces: files, folders, archives, globs, @list, or '-'")
    .addOption(
      new Option('-f, --format <name>', 'json: a list of all traces, for programs')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('-j, --jobs <n>', 'threads (default: one per processor)', count(1))
    .option('--with-stderr <file>', "QEMU's messages, where -D sent only the trace to its file")
    .addOption(maxDecompressedOption())
    .option('--join', 'the inputs are pieces of one log: log.2.gz log.1 log')
    .option('--trace-events-all <file>', 'events of the QEMU that wrote a binary trace');
  for (const option of modelOptions()) command.addOption(option);
  command.addHelpText('after', EXAMPLES);
  command.action(async (inputs: readonly string[], flags: InspectFlags) => {
    terminal.exitWith(await inspect(inputs, flags, terminal));
  });
  return command;
}

async function inspect(
  inputs: readonly string[],
  flags: InspectFlags,
  terminal: Terminal,
): Promise<number> {
  const { columns, signal, stderr, stdout, verbosity } = terminal;
  const progress = await ProgressBar.on(stderr, verbosity >= 0);
  const all: Inspection[] = [];
  let shown = 0;
  let status: number = exitStatus.clean;
  const show = async (pieces: Iterable<string>) => {
    progress.stop();
    await print(shown > 0 ? ['\n', ...pieces] : pieces, stdout, signal);
    shown += 1;
  };
  try {
    for await (const found of inspectTraces({
      inputs,
      model: modelFrom(flags),
      maxDecompressedBytes: flags.maxDecompressed ?? null,
      isJoined: flags.join === true,
      stderr: flags.withStderr ?? null,
      traceEvents: flags.traceEventsAll ?? null,
      signal,
      onProgress: (state) => progress.update(state),
      onPassedOver: (passed) => {
        progress.stop();
        tellPassedOver(passed, terminal);
      },
      ...(flags.jobs !== undefined && { jobs: flags.jobs }),
    })) {
      if (!found.ok) {
        progress.stop();
        terminal.complain(found.error);
        status = exitStatus.unusable;
        continue;
      }
      const inspection = inspectionOf(found.trace, found.replayed, found.messages);
      if (flags.format === 'json') all.push(inspection);
      else await show(textOfInspection(inspection, columns));
    }
    if (flags.format === 'json') await show([`${jsonText(all, 2)}\n`]);
    return status;
  } finally {
    progress.stop();
  }
}
