import { Command, InvalidArgumentError, Option } from 'commander';
import { NewFile } from '../bytes/new-file.ts';
import { ResultFolder } from '../bytes/result-folder.ts';
import { mergeResults } from '../fleet/merge.ts';
import { fleetReports } from '../reports/fleet/index.ts';
import type { Fleet } from '../result/fleet.ts';
import { exitStatus } from './exit-status.ts';
import { print } from './outputs.ts';
import type { Terminal } from './terminal.ts';

interface MergeFlags {
  readonly format: string;
  readonly output?: readonly FleetOutput[];
  readonly run?: string;
  readonly exitZero?: boolean;
}

interface FleetOutput {
  readonly format: string;
  readonly path: string;
}

const names = Object.keys(fleetReports);

/** `merge`: what the shares of a run, analysed on any number of machines, come to. */
export function mergeCommand(terminal: Terminal): Command {
  return new Command('merge')
    .description('join the results that --results has left in a folder')
    .argument('<folder>', 'where the results are')
    .addOption(
      new Option('-f, --format <name>', 'report on standard output').choices(names).default('text'),
    )
    .option('-o, --output <format=path>', 'another report to a file; may be repeated', addOutput)
    .option('--run <hash>', 'which run, where the folder holds several')
    .option('--exit-zero', 'exit with 0 whatever is found, if every trace has a result')
    .action(async (folder: string, flags: MergeFlags) => {
      terminal.exitWith(await merge(folder, flags, terminal));
    });
}

async function merge(folder: string, flags: MergeFlags, terminal: Terminal): Promise<number> {
  const fleet = mergeResults(new ResultFolder(folder), flags.run ?? null);
  for (const { format, path } of flags.output ?? []) writeReport(fleet, format, path);
  await print(render(fleet, flags.format, terminal.columns), terminal.stdout, terminal.signal);
  const { failed, missing, migration, traces } = fleet.counts;
  if (traces === 0) terminal.complain(`${folder}: the run has no trace`);
  if (failed + missing > 0 || traces === 0) return exitStatus.unusable;
  if (flags.exitZero === true) return exitStatus.clean;
  if (migration.no > 0) return exitStatus.findings;
  return migration.unknown > 0 ? exitStatus.inconclusive : exitStatus.clean;
}

function render(fleet: Fleet, format: string, width: number): Iterable<string> {
  return fleetReports[format]?.(fleet, width) ?? [];
}

function writeReport(fleet: Fleet, format: string, path: string): void {
  const file = new NewFile(path);
  try {
    for (const piece of render(fleet, format, 80)) file.write(piece);
    file.finish();
    file.place();
  } finally {
    file.discard();
  }
}

function addOutput(text: string, before: readonly FleetOutput[] = []): readonly FleetOutput[] {
  const [, format = '', path = ''] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (!names.includes(format)) {
    throw new InvalidArgumentError(`Expected FORMAT=PATH, FORMAT one of ${names.join(', ')}.`);
  }
  return [...before, { format, path }];
}
