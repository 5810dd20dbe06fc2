import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ViommuKind } from '../../../../src/tools/simulator/index.ts';
import type { SeedsSummary } from './summary.ts';

const execute = promisify(execFile);
/** The summary of ten thousand bad seeds. */
const MOST_OUTPUT = 64 * 1024 * 1024;

/** Which seeds a process is to compare. */
export interface Seeds {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly viommu: ViommuKind;
  readonly stopsAtFirst: boolean;
  /** A model that runs longer hangs. */
  readonly timeoutMilliseconds?: number;
}

/**
 * Compares seeds in a process of its own, in a copy of the project or in the project itself.
 *
 * @throws Error where it ends without a summary.
 */
export async function compareSeeds(folder: string, seeds: Seeds): Promise<SeedsSummary> {
  const { from, to, step, viommu, stopsAtFirst, timeoutMilliseconds = 0 } = seeds;
  const args = ['--import', 'tsx', 'test/tools/simulator/deep/seeds.ts', from, to, step, viommu];
  const { stdout } = await execute(
    process.execPath,
    [...args.map(String), ...(stopsAtFirst ? ['stop'] : [])],
    { cwd: folder, timeout: timeoutMilliseconds, maxBuffer: MOST_OUTPUT },
  );
  return JSON.parse(stdout) as SeedsSummary;
}
