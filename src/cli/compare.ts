import { Command } from 'commander';
import { UsageError } from '../base/errors.ts';
import { comparedInput } from '../engine/comparison.ts';
import { type ComparisonReport, comparisonReports } from '../reports/comparison/index.ts';
import { compareResults } from '../result/comparison.ts';
import { exitStatus } from './exit-status.ts';
import {
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { addReportOptions, type Output, print, wideOutputs, writeOutputs } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface CompareFlags extends ModelFlags {
  readonly format: string;
  readonly output?: readonly Output<ComparisonReport>[];
  readonly exitZero?: boolean;
  readonly maxDecompressed?: number;
}

const known = new Map(Object.entries(comparisonReports));

const EXAMPLES = `
Examples:
  vtdscope compare before.log after.log     two traces, as of two builds of QEMU
  vtdscope compare before.json after.log    a result of '-f json', and a trace
  vtdscope compare a.log b.log -o markdown=comparison.md

Exit status: 0 nothing is worse; 1 something is; 2 an input or option cannot be
used.`;

/** `compare`: what two traces, or results, have in common, and what is new or gone. */
export function compareCommand(terminal: Terminal): Command {
  const command = addReportOptions(new Command('compare'), known)
    .description('two traces or results: findings new and gone, unmaps with another end')
    .argument('<before>', "a trace, or a result of '--format json'")
    .argument('<after>', 'likewise')
    .option('--exit-zero', 'exit with 0 whatever is worse, if both could be used')
    .addOption(maxDecompressedOption());
  for (const option of modelOptions()) command.addOption(option);
  command.addHelpText('after', EXAMPLES);
  command.action(async (before: string, after: string, flags: CompareFlags) => {
    terminal.exitWith(await compare(before, after, flags, terminal));
  });
  return command;
}

async function compare(
  before: string,
  after: string,
  flags: CompareFlags,
  terminal: Terminal,
): Promise<number> {
  const { exitZero, format, maxDecompressed = null, output = [] } = flags;
  if (before === '-' && after === '-') {
    throw new UsageError("'-' stands for standard input once, and not for both");
  }
  const { signal } = terminal;
  const options = { model: modelFrom(flags), maxDecompressedBytes: maxDecompressed, signal };
  const make = async () => {
    const inputs = [
      await comparedInput(before, options),
      await comparedInput(after, options),
    ] as const;
    for (const { path, result } of inputs) {
      // What is outside of a window would seem to be gone.
      if (result.traces.some(({ window }) => window !== undefined)) {
        throw new UsageError(
          `${path}: is of a window (--since, --until, --device), not of a trace`,
        );
      }
    }
    return compareResults(...inputs);
  };
  const comparison = await writeOutputs(wideOutputs(output), [before, after], make, signal);
  await print(known.get(format)?.(comparison, terminal.columns) ?? [], terminal.stdout, signal);
  return comparison.isWorse && exitZero !== true ? exitStatus.findings : exitStatus.clean;
}
