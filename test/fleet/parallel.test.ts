import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { guideNamed } from '../../src/cli/guide.ts';
import { isRequired } from '../helpers/brokers.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const TRACES = 40;

const hasParallel = spawnSync('parallel', ['--version']).status === 0;
if (isRequired && !hasParallel) throw new Error('GNU parallel is missing');

/** The recipe of the guide, on this machine and in this folder. */
function recipeIn(folder: string): string {
  const recipe = /^parallel .*$/m.exec(guideNamed('fleet'))?.[0] ?? '';
  return recipe
    .replace('-S host1,host2', '-j 2')
    .replace('/traces', join(folder, 'traces'))
    .replace('/shared/run', join(folder, 'run'));
}

const resultsIn = (folder: string) =>
  readdirSync(folder).filter((name) => /^[0-9a-f]{32}\.json$/.test(name));

// Without GNU parallel there is nothing to try; in continuous integration it must be there.
it.skipIf(!hasParallel)('the recipe for GNU parallel is killed and goes on', async () => {
  const folder = testFolder();
  for (const name of ['bin', 'traces']) mkdirSync(join(folder, name));
  const program = join(folder, 'bin/vtdscope');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${root}dist/src/cli.js' "$@"\n`);
  chmodSync(program, 0o755);
  for (let index = 0; index < TRACES; index += 1) {
    const trace = join(folder, 'traces', `vm-${index}.log.gz`);
    copyFileSync(`${root}traces/qemu-10.0/blocked-aw48.log.gz`, trace);
  }
  const run = join(folder, 'run');
  mkdirSync(run);
  const { PATH } = process.env;
  const environment = { ...process.env, PATH: `${join(folder, 'bin')}:${PATH}` };
  const recipe = recipeIn(folder);

  const first = spawn('bash', ['-c', recipe], { env: environment, stdio: 'ignore' });
  const ended = new Promise((resolve) => first.once('exit', resolve));
  while (resultsIn(run).length === 0 && first.exitCode === null) await sleep(20);
  first.kill('SIGKILL');
  await ended;
  // Its jobs outlive it.
  spawnSync('pkill', ['-KILL', '-f', folder]);
  const left = resultsIn(run);
  expect(left.length).toBeGreaterThan(0);
  expect(left.length).toBeLessThan(TRACES);

  const again = spawnSync('bash', ['-c', recipe], { env: environment, encoding: 'utf8' });
  expect(again.status, again.stderr).toBe(0);
  expect(resultsIn(run)).toHaveLength(TRACES);
  const alone = join(folder, 'alone');
  await runProgram([join(folder, 'traces'), '--results', alone]);
  const merged = async (results: string) =>
    (await runProgram(['merge', results, '--format', 'ndjson'])).stdout;
  expect(await merged(run)).toBe(await merged(alone));
});
