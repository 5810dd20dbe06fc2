import { expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';
import { hasSwift, startSwift } from '../helpers/swift.ts';

const TIMEOUT = 300_000;

it.runIf(hasSwift())(
  'a real store gives traces, and takes results and reports',
  async () => {
    const { environment, makeBucket, put } = await startSwift();
    await makeBucket('logs');
    await makeBucket('runs');
    const short = `${root}traces/qemu-10.0/blocked-aw48-minimal.log`;
    await put('/logs/vm/1.log', short);
    await put('/logs/vm/day%201/%C3%A9%2B%26%28.log', short);
    await put('/logs/vm/2.log.gz', `${root}traces/qemu-7.2/blocked-aw48.log.gz`);
    await put('/logs/other.txt', `${root}LICENSE`);
    const run = (...args: readonly string[]) => runProgram(args, { environment });

    const results = ['--results', 's3://runs/one'];
    const left = await run('s3://logs', ...results);
    expect(left).toMatchObject({ status: 0, stderr: '' });
    expect(left.stdout).toBe('4 traces: 4 analysed now, 0 of them failed, 0 had a result\n');
    expect((await run('s3://logs', ...results)).stdout).toContain('0 analysed now');

    const html = 's3://runs/report.html';
    const merged = await run('merge', 's3://runs/one', '-f', 'json', '-o', `html=${html}`);
    const { counts, traces } = JSON.parse(merged.stdout);
    expect(counts).toMatchObject({ traces: 3, missing: 0, failed: 0 });
    expect(traces.map(({ trace }: { readonly trace: string }) => trace)).toEqual([
      's3://logs/vm/1.log',
      's3://logs/vm/2.log.gz',
      's3://logs/vm/day 1/é+&(.log',
    ]);
    const folder = testFolder();
    await run('s3://logs', '--results', folder);
    expect((await run('merge', folder, '-f', 'json')).stdout).toBe(merged.stdout);
    const none = await run('s3://logs/none', 's3://none/x', html, '-q');
    expect(none.stderr).toContain('s3://logs/none: no such object (404 NoSuchKey)');
    expect(none.stderr).toContain('s3://none/x: no such object (404 NoSuchBucket)');
    // It is there.
    expect(none.stderr).toContain(`${html}: found text without a trace event`);
  },
  TIMEOUT,
);
