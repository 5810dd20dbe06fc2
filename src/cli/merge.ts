import { Command } from 'commander';
import { openOldResults } from '../bytes/result-store.ts';
import { mergeResults } from '../fleet/merge.ts';
import { type FleetReport, fleetReports } from '../reports/fleet/index.ts';
import { exitStatus } from './exit-status.ts';
import { addReportOptions, type Output, print, wideOutputs, writeOutputs } from './outputs.ts';
import type { Terminal } from './terminal.ts';

export interface MergeFlags {
  readonly format: string;
  readonly output?: readonly Output<FleetReport>[];
  readonly run?: string;
  readonly exitZero?: boolean;
}

const known = new Map(Object.entries(fleetReports));

/** `merge`: what the shares of a run, analysed on any number of machines, come to. */
export function mergeCommand(terminal: Terminal): Command {
  const command = new Command('merge')
    .description('join the results that --results has left in a folder')
    .argument('<folder>', 'where the results are');
  return addMergeOptions(command).action(async (folder: string, flags: MergeFlags) => {
    terminal.exitWith(await merge(folder, flags, terminal));
  });
}

/** The options of a report of merged results. */
export function addMergeOptions(command: Command): Command {
  return addReportOptions(command, known)
    .option('--run <hash>', 'which run, where the folder holds several')
    .option('--exit-zero', 'exit with 0 whatever is found, if every trace has a result');
}

/** Reports what the results of a folder come to, and returns the exit status. */
export async function merge(
  folder: string,
  flags: MergeFlags,
  terminal: Terminal,
): Promise<number> {
  const { exitZero, format, output = [], run = null } = flags;
  const make = () => mergeResults(openOldResults(folder), run);
  const fleet = await writeOutputs(wideOutputs(output), [], make, terminal.signal);
  const pieces = known.get(format)?.(fleet, terminal.columns) ?? [];
  await print(pieces, terminal.stdout, terminal.signal);
  const { failed, missing, migration, traces } = fleet.counts;
  if (traces === 0) terminal.complain(`${folder}: the run has no trace`);
  if (failed + missing > 0 || traces === 0) return exitStatus.unusable;
  if (exitZero === true) return exitStatus.clean;
  if (migration.no > 0) return exitStatus.findings;
  return migration.unknown > 0 ? exitStatus.inconclusive : exitStatus.clean;
}
