import {
  appendFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { analyze } from '../helpers/analyze.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';

/** Nothing bad happened in it. */
const log = gunzipSync(readFileSync(`${root}traces/qemu-7.2/blocked-aw48.log.gz`));
const RANGE_BYTES = 64 * 1024;

/** Analyses the log, to which something happens as soon as the first part has been replayed. */
async function analyzeWhile(happens: (path: string) => void, jobs: number) {
  const folder = testFolder();
  const path = join(folder, 'qemu.log');
  writeFileSync(path, log);
  let isFirst = true;
  const { trace } = await analyze(
    path,
    {},
    {
      jobs,
      ...(jobs > 1 && { rangeBytes: RANGE_BYTES }),
      onProgress() {
        if (isFirst) happens(path);
        isFirst = false;
      },
    },
  );
  return { ...trace, path: 'qemu.log' };
}

describe.each([1, 2])('with --jobs %i, a log', (jobs) => {
  it('that becomes shorter while it is read is truncated, and not clean', async () => {
    const trace = await analyzeWhile((path) => truncateSync(path, 0), jobs);
    expect(trace.losses.map(({ kind }) => kind)).toContain('truncated');
    expect(trace.reasons.join()).toMatch(/became shorter|written over/);
    expect(trace.verdict).not.toBe('clean');
  });

  it('that is emptied and written anew is truncated, and not clean', async () => {
    const trace = await analyzeWhile((path) => {
      truncateSync(path, 0);
      writeFileSync(path, Buffer.concat([Buffer.from('vtd_reset_exit \n'), log]));
    }, jobs);
    expect(trace.losses.map(({ kind }) => kind)).toContain('truncated');
    expect(trace.verdict).not.toBe('clean');
  });

  it.each([
    ['is rotated', (path: string) => renameSync(path, `${path}.1`)],
    ['loses its name', (path: string) => rmSync(path)],
    [
      'is replaced by another',
      (path: string) => {
        writeFileSync(`${path}.new`, 'vtd_reset_exit \n');
        renameSync(`${path}.new`, path);
      },
    ],
  ])('that %s while it is read is read to its end', async (_, happens) => {
    const trace = await analyzeWhile(happens, jobs);
    expect(trace).toEqual(await analyzeWhile(() => {}, 1));
    expect([trace.verdict, trace.bytes]).toEqual(['clean', log.length]);
  });

  it('that grows while it is read is what it was, and the result says so', async () => {
    const { hasGrown, ...trace } = await analyzeWhile(
      (path) => appendFileSync(path, log.subarray(0, 200_000)),
      jobs,
    );
    expect(hasGrown).toBe(true);
    expect(trace).toEqual(await analyzeWhile(() => {}, 1));
  });
});
