import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const fails = 'traces/qemu-10.0/blocked-aw48-minimal.log';

/** Run in every thread: makes those fail that open a trace of a certain name. */
const saboteur = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import threads from 'node:worker_threads';
const { openSync } = fs;
const faults = {
  error: () => void setImmediate(() => { throw new Error('a defect'); }),
  exit: () => process.exit(7),
  memory: () => { for (const all = []; ; ) all.push(new Array(1e6).fill(0.5)); },
};
fs.openSync = (path, flags, mode) => {
  const [, fault] = /(\\w+)\\.bad$/.exec(path) ?? [];
  if (fault !== undefined && !threads.isMainThread) faults[fault]();
  return openSync(path, flags, mode);
};
const { Worker } = threads;
threads.Worker = class extends Worker {
  constructor(file, options) {
    super(file, { ...options, resourceLimits: { maxOldGenerationSizeMb: 64 } });
  }
};
syncBuiltinESMExports();
`;

it('a thread that dies is a row, and the others are analysed', async () => {
  const folder = testFolder();
  const names = ['a.log', 'error.bad', 'exit.bad', 'f.log', 'memory.bad', 'n.log', 'o.log'];
  for (const name of names) copyFileSync(`${root}${fails}`, join(folder, name));
  const ended = await runProgram([folder, '--jobs', '2', '--format', 'json'], {
    environment: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(saboteur)}` },
  });
  const { traces } = JSON.parse(ended.stdout) as {
    traces: readonly { path: string; verdict: string; error?: string }[];
  };
  expect(traces.map(({ path, verdict }) => [path, verdict])).toEqual(
    names.map((name) => [join(folder, name), name.endsWith('.bad') ? 'inconclusive' : 'fails']),
  );
  const errors = traces.flatMap(({ error }) => error ?? []);
  expect(errors).toEqual([
    expect.stringContaining('internal error: a defect'),
    expect.stringContaining('exited with code: 7'),
    expect.stringContaining('needs more memory than'),
  ]);
  expect(ended.status).toBe(2);
  for (const error of errors) expect(ended.stderr).toContain(error);
});
