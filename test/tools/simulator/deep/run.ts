import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import pMap from 'p-map';
import { VIOMMU_KINDS, type ViommuKind } from '../../../../src/tools/simulator/index.ts';
import { compareChangedLines } from '../../../helpers/kernels.ts';
import { forgiven } from '../compare/forgiven.ts';
import { shrink } from '../compare/shrink.ts';
import { caseAt, firstSeedOf } from './corners.ts';
import { printCase } from './print-case.ts';
import { compareSeeds, PROGRAM } from './processes.ts';
import { proveMutations } from './prove-mutations.ts';
import { addSummary, type SeedsSummary } from './summary.ts';

/**
 * The deep verification: random guests are played forward and their logs analysed, and every answer
 * is compared with what happened; then the model is broken on purpose, in one place at a time, and
 * each break must be noticed. Exit status 1 where anything disagrees or a break goes unnoticed.
 */

const root = fileURLToPath(new URL('../../../../', import.meta.url));
/** Seeds that one process compares before it reports. */
const SLICE = 100;
/** Disagreements that are made small and printed. */
const MOST_PRINTED = 5;

interface Flags {
  readonly seeds: readonly [from: number, to: number];
  readonly viommu: ViommuKind | 'any';
  readonly mutations: number;
  readonly log?: string;
  readonly lines: number;
  readonly jobs: number;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function seedsOf(text: string): readonly [number, number] {
  const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  if (from === undefined || to === undefined) throw new InvalidArgumentError('expected FROM..TO');
  return [Number(from), Number(to)];
}

function countOf(text: string): number {
  if (text === 'all') return Number.MAX_SAFE_INTEGER;
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a number, or all');
  return Number(text);
}

/** Of any: all seeds behind VT-d, and each tenth one behind its siblings, too. */
const SHARE_OF_SIBLINGS = 10;

/** Compares seeds behind one IOMMU or each; true where nothing disagrees. */
async function proveSeeds({ seeds, viommu, jobs }: Flags): Promise<boolean> {
  let agrees = true;
  for (const kind of VIOMMU_KINDS) {
    if (viommu !== 'any' && viommu !== kind) continue;
    const step = viommu === 'any' && kind !== 'intel' ? SHARE_OF_SIBLINGS : 1;
    if (!(await proveSeedsBehind(kind, seeds, step, jobs))) agrees = false;
  }
  return agrees;
}

/** Compares each of these seeds, those on an edge before the first; true where nothing disagrees. */
async function proveSeedsBehind(
  viommu: ViommuKind,
  [first, to]: Flags['seeds'],
  step: number,
  jobs: number,
): Promise<boolean> {
  const from = first === 1 ? firstSeedOf(viommu) : first;
  const all: SeedsSummary = { runs: 0, checks: 0, setups: {}, forgiven: {}, bad: [], broken: [] };
  const slices: number[] = [];
  for (let start = from; start <= to; start += SLICE * step) slices.push(start);
  await pMap(
    slices,
    async (start) => {
      const end = Math.min(to, start + SLICE * step - 1);
      const slice = { from: start, to: end, step, viommu, first: null };
      addSummary(all, await compareSeeds(root, PROGRAM, slice));
      if (process.stderr.isTTY) process.stderr.write(`\r${all.runs} of ${to - from + 1} runs`);
    },
    { concurrency: jobs },
  );
  if (process.stderr.isTTY) process.stderr.write('\n');
  say(
    `Behind ${viommu}: ${all.runs} runs, ${all.checks} things compared, ${all.bad.length} runs disagree`,
  );
  for (const [setup, runs] of Object.entries(all.setups).sort()) say(`  ${setup}: ${runs} runs`);
  say('What no log can tell, and was not asked for; how the result grades it:');
  for (const [reason, { why, graded }] of Object.entries(forgiven)) {
    say(`  ${all.forgiven[reason] ?? 0} times: ${why}\n    ${graded}`);
  }
  for (const { seed, kinds } of all.bad.slice(0, MOST_PRINTED)) {
    const [kind = 'thrown'] = kinds;
    say(`\nSeed ${seed} disagrees on ${kinds.join(', ')}; made small:\n`);
    say(printCase(shrink(caseAt(seed, viommu), kind), `agrees on ${kind} (from seed ${seed})`));
  }
  for (const { seed, kinds } of all.bad.slice(MOST_PRINTED)) {
    say(`Seed ${seed} disagrees on ${kinds.join(', ')}`);
  }
  for (const sentence of all.broken) say(`A property of the model does not hold: ${sentence}`);
  return all.bad.length === 0 && all.broken.length === 0;
}

/** Changed lines that are compared with one set of tables, and said. */
const LINES_SLICE = 100_000;

/** Compares the kernels of the decoder on so many changed lines; true where they write the same. */
function proveLines(lines: number): boolean {
  for (let done = 0; done < lines; done += LINES_SLICE) {
    const seed = Date.now() % 2 ** 31;
    try {
      compareChangedLines(Math.min(LINES_SLICE, lines - done), seed);
    } catch (thrown) {
      say(`Kernels disagree, seed ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`);
      return false;
    }
  }
  say(`${lines} changed lines, all kernels write the same`);
  return true;
}

const program = new Command('verify:deep')
  .option('--seeds <from..to>', 'seeds to compare', seedsOf, [1, 10_000] as const)
  .addOption(
    new Option('--viommu <kind>', 'behind which IOMMU the guests of the seeds are')
      .choices([...VIOMMU_KINDS, 'any'])
      .default('any'),
  )
  .option('--mutations <n>', 'breaks of the model to try, or all', countOf, Number.MAX_SAFE_INTEGER)
  .option('--log <file>', 'what came of each break; those in it already are not tried again')
  .option('--lines <n>', 'changed lines that all kernels of the decoder read', countOf, 10_000_000)
  .option('--jobs <n>', 'processes side by side', countOf, availableParallelism())
  .action(async (flags: Flags) => {
    const agrees = await proveSeeds(flags);
    const isNoticed = await proveMutations(root, flags, say);
    if (!proveLines(flags.lines) || !agrees || !isNoticed) process.exitCode = 1;
  });
await program.parseAsync();
