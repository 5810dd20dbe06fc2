import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import type { ViommuKind } from '../../../../src/tools/simulator/index.ts';
import { firstSeedOf } from './corners.ts';
import { compareSeeds } from './processes.ts';

/** A break of the model: the one place where `find` stands is replaced. */
export interface Mutation {
  readonly what: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Behind what its guests are; VT-d without it. */
  readonly viommu?: ViommuKind;
}

/** What came of a break. Only that a seed disagrees with it, or a property does not hold, is what the list is for. */
export type Outcome =
  /** seed: null where it is a property (`properties.ts`) that notices it */
  | { readonly kind: 'noticed'; readonly seed: number | null; readonly by: string }
  | { readonly kind: 'survived' }
  /** A seed came to no end, or not within the memory of a process. */
  | { readonly kind: 'hung'; readonly by: string }
  /** It is no program: no seed was ever compared. */
  | { readonly kind: 'broken'; readonly by: string };

/** Seeds compared with a broken model, until one disagrees. */
const SEEDS = 600;
/** By which a process ends whose model hangs (`watch.ts`), or takes all memory. */
const HANGS: readonly unknown[] = ['SIGXCPU', 'SIGABRT'];

/** The source with the break in it. @throws Error unless it has exactly one place for it. */
export function mutated(source: string, { what, file, find, replace }: Mutation): string {
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`${what}: ${places} places in ${file}, expected one`);
  return source.replace(find, () => replace);
}

/**
 * Compares seeds with a broken model, those of `first` before all others.
 *
 * @throws Error where its process is ended by others, or where no seed needs what is broken.
 */
export async function tryMutation(
  root: string,
  mutation: Mutation,
  first: readonly number[],
): Promise<Outcome> {
  const { viommu = 'intel' } = mutation;
  const folder = mkdtempSync(join(tmpdir(), 'vtdscope-mutation-'));
  try {
    copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    // Where a bundle of the product would be: it looks for its package from there.
    const outfile = join(folder, 'dist', 'seeds.js');
    await bundleBroken(root, mutation, outfile);
    const seeds = { from: firstSeedOf(viommu), to: SEEDS, step: 1, viommu, first };
    const { bad, broken } = await compareSeeds(folder, [outfile], seeds);
    const [property] = broken;
    if (property !== undefined) return { kind: 'noticed', seed: null, by: property };
    const [noticed] = bad;
    if (noticed === undefined) return { kind: 'survived' };
    return { kind: 'noticed', seed: noticed.seed, by: noticed.sentence };
  } catch (thrown) {
    return outcomeOf(thrown);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One file of the program that compares seeds, with the break in it. A copy of the project would take ten times as long. */
async function bundleBroken(root: string, mutation: Mutation, outfile: string): Promise<void> {
  let isMet = false;
  const breaks: Plugin = {
    name: 'mutation',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path !== join(root, mutation.file)) return null;
        isMet = true;
        return { contents: mutated(readFileSync(path, 'utf8'), mutation), loader: 'ts' };
      });
    },
  };
  await build({
    absWorkingDir: root,
    entryPoints: ['test/tools/simulator/deep/seeds.ts'],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
    plugins: [breaks],
  });
  if (!isMet) throw new Error(`${mutation.what}: no seed needs ${mutation.file}`);
}

/** What it was that ended a try. @throws Error where that tells nothing of the break. */
function outcomeOf(thrown: unknown): Outcome {
  if (!(thrown instanceof Error)) throw thrown;
  if ('errors' in thrown) return { kind: 'broken', by: thrown.message };
  if (!('signal' in thrown && 'stderr' in thrown)) throw thrown;
  const lines = String(thrown.stderr).split('\n');
  const by = lines.find((line) => /error|processor time/i.test(line)) ?? thrown.message;
  if (HANGS.includes(thrown.signal)) return { kind: 'hung', by };
  if (thrown.signal === null) return { kind: 'broken', by };
  throw thrown;
}
