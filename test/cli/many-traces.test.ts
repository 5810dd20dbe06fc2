import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const fails = readFileSync(`${root}traces/qemu-10.0/blocked-aw48-minimal.log`);
const clean = gunzipSync(readFileSync(`${root}traces/qemu-7.2/blocked-aw48.log.gz`));

/** Says on stderr how much memory the program had at most, threads included. */
const gauge = `
import { isMainThread } from 'node:worker_threads';
const tell = () => console.error('peak ' + process.resourceUsage().maxRSS);
if (isMainThread) process.on('exit', tell);
`;

/** Some traces, of which every fifth is something else, by what is to come of them. */
const kinds = [
  { verdict: 'fails', content: fails },
  { verdict: 'fails', content: gzipSync(fails) },
  { verdict: 'inconclusive', content: '' },
  { verdict: 'inconclusive', content: gzipSync(clean.subarray(0, 100_000)).subarray(0, -100) },
  { verdict: 'unusable', content: 'no trace at all\n' },
];
const COUNT = 2000;

it('two thousand traces in one call need little memory', async () => {
  const folder = testFolder();
  const files = Array.from({ length: COUNT }, (_, index) => {
    const { verdict, content } = kinds[index % kinds.length] ?? { verdict: '', content: '' };
    const path = join(folder, `${index}.log`);
    writeFileSync(path, content);
    return { path, verdict };
  });
  const list = join(folder, 'list');
  writeFileSync(list, files.map(({ path }) => path).join('\n'));
  const unmaps = join(folder, 'unmaps.ndjson');
  const args = [`@${list}`, '--jobs', '2', '--format', 'json', '--unmaps', unmaps];
  const ended = await runProgram(args, {
    environment: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(gauge)}` },
  });
  const { traces } = JSON.parse(ended.stdout) as {
    traces: readonly { path: string; verdict: string; error?: string }[];
  };
  const found = traces.map(({ path, verdict, error }) => ({
    path,
    verdict: error === undefined ? verdict : 'unusable',
  }));
  expect(found).toEqual(files);
  expect(ended.status).toBe(2);
  const [, peak] = /^peak (\d+)$/m.exec(ended.stderr) ?? [];
  expect(Number(peak) / 1024).toBeGreaterThan(30);
  expect(Number(peak) / 1024).toBeLessThan(300);
});
