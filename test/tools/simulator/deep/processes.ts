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
  /** Compared before all others, and only until one disagrees; null: all are compared. */
  readonly first: readonly number[] | null;
}

/** Runs `seeds.ts` as it stands in the project. */
export const PROGRAM: readonly string[] = ['--import', 'tsx', 'test/tools/simulator/deep/seeds.ts'];

/**
 * Compares seeds in a process of its own.
 *
 * @param program - `seeds.ts` of the project in `folder`, or with a broken model
 * @throws Error of `execFile` where it ends without a summary: with SIGXCPU where a seed hangs.
 */
export async function compareSeeds(
  folder: string,
  program: readonly string[],
  seeds: Seeds,
): Promise<SeedsSummary> {
  const options = { cwd: folder, maxBuffer: MOST_OUTPUT };
  const args = [...program, JSON.stringify(seeds)];
  const { stdout } = await execute(process.execPath, args, options);
  return JSON.parse(stdout) as SeedsSummary;
}
