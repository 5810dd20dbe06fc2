import { Command, Option } from 'commander';
import { UsageError } from '../base/errors.ts';
import { findInputs } from '../bytes/inputs.ts';
import { comparedInput } from '../engine/comparison.ts';
import { RunFiles } from '../engine/outputs.ts';
import { refuseToOverwrite } from '../engine/overwriting.ts';
import { type ComparisonReport, comparisonReports } from '../reports/comparison/index.ts';
import { type Comparison, compareResults } from '../result/comparison.ts';
import { exitStatus } from './exit-status.ts';
import {
  type ModelFlags,
  maxDecompressedOption,
  modelFrom,
  modelOptions,
} from './model-options.ts';
import { type Output, outputAdder, print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface CompareFlags extends ModelFlags {
  readonly format: string;
  readonly output?: readonly Output<ComparisonReport>[];
  readonly exitZero?: boolean;
  readonly maxDecompressed?: number;
}

const known = new Map(Object.entries(comparisonReports));
const NO_TABLES = { unmaps: null, mappings: null };

const EXAMPLES = `
Examples:
  vtdscope compare before.log after.log     two traces, as of two builds of QEMU
  vtdscope compare before.json after.log    a result of '-f json', and a trace
  vtdscope compare a.log b.log -o markdown=comparison.md

Exit status: 0 nothing is worse; 1 something is; 2 an input or option cannot be
used.`;

/** `compare`: what two traces, or results, have in common, and what is new or gone. */
export function compareCommand(terminal: Terminal): Command {
  const command = new Command('compare')
    .description('two traces or results: findings new and gone, unmaps with another end')
    .argument('<before>', "a trace, or a result of '--format json'")
    .argument('<after>', 'likewise')
    .addOption(
      new Option('-f, --format <name>', 'report on standard output')
        .choices([...known.keys()])
        .default('text'),
    )
    .option(
      '-o, --output <format=path>',
      'another report to a file; may be repeated',
      outputAdder(known),
    )
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
  const outputs = output.map(({ path, report }) => ({
    path,
    render: (comparison: Comparison) => report(comparison, 80),
  }));
  const paths = outputs.map(({ path }) => path);
  await refuseToOverwrite(paths, ['/dev/stdout'], await findInputs([before, after]));
  const files = new RunFiles<Comparison>(NO_TABLES, outputs);
  const { signal } = terminal;
  const options = {
    model: modelFrom(flags),
    maxDecompressedBytes: maxDecompressed,
    signal,
  };
  let comparison: Comparison;
  try {
    comparison = compareResults(
      await comparedInput(before, options),
      await comparedInput(after, options),
    );
    await files.write(comparison, signal);
  } finally {
    files.discard();
  }
  await print(known.get(format)?.(comparison, terminal.columns) ?? [], terminal.stdout, signal);
  return comparison.isWorse && exitZero !== true ? exitStatus.findings : exitStatus.clean;
}
