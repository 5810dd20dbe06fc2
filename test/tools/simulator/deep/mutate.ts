import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ViommuKind } from '../../../../src/tools/simulator/index.ts';
import { FIRST_SEED } from './corners.ts';
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

/** Seeds compared with a broken model, until one disagrees. */
const SEEDS = 600;
/** A model that needs longer than this hangs, which is noticed, too. */
const TIMEOUT_MILLISECONDS = 240_000;

/** The source with the break in it. @throws Error unless it has exactly one place for it. */
export function mutated(source: string, { what, file, find, replace }: Mutation): string {
  const places = source.split(find).length - 1;
  if (places !== 1) throw new Error(`${what}: ${places} places in ${file}, expected one`);
  return source.replace(find, () => replace);
}

/** Breaks a copy of the project; what noticed it, or null. */
export async function killed(root: string, mutation: Mutation): Promise<string | null> {
  const { viommu = 'intel' } = mutation;
  const folder = mkdtempSync(join(tmpdir(), 'vtdscope-mutation-'));
  try {
    for (const part of [
      'package.json',
      'tsconfig.json',
      'src',
      'workers',
      'test/tools/simulator',
    ]) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
    const file = join(folder, mutation.file);
    writeFileSync(file, mutated(readFileSync(file, 'utf8'), mutation));
    const { bad } = await compareSeeds(folder, {
      from: viommu === 'intel' ? FIRST_SEED : 1,
      to: SEEDS,
      step: 1,
      viommu,
      stopsAtFirst: true,
      timeoutMilliseconds: TIMEOUT_MILLISECONDS,
    });
    const [first] = bad;
    return first === undefined ? null : `seed ${first.seed}, ${first.kinds.join(', ')}`;
  } catch (thrown) {
    // Killed for its time, or for its memory. One that ends by itself could not even begin.
    if (thrown instanceof Error && 'signal' in thrown && thrown.signal !== null) {
      return `the process, which ended with ${String(thrown.signal)}`;
    }
    throw thrown;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
