import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import type { Finding, Trace } from '../../src/result/types.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf, failuresTold, root } from '../helpers/ground-truth.ts';

async function analyse(log: string, stderr: string | null): Promise<Trace> {
  const { traces } = await run({ inputs: [log], stderr, jobs: 1 });
  const [trace] = traces;
  if (trace === undefined || traces.length > 1) throw new Error('expected one trace');
  return trace;
}

/** A finding but for what differs between two runs of a machine. */
const told = ({ cause, count, errno, evidence, iova, mode, rule, severity, size }: Finding) => ({
  cause,
  count,
  errno,
  evidence,
  iova,
  mode,
  rule,
  severity,
  size,
});
const findingsOf = ({ sessions }: Trace) => sessions.flatMap(({ findings }) => findings.map(told));
const captures = `${root}traces/`;

describe('the messages of a log of -D', () => {
  it('make of it what one stream is', async () => {
    const apart = `${captures}qemu-10.0/blocked-aw48-sepfile`;
    const together = await analyse(`${captures}qemu-10.0/blocked-aw48-ts.log.gz`, null);
    const alone = await analyse(`${apart}.log.gz`, null);
    const merged = await analyse(`${apart}.log.gz`, `${apart}.stderr`);
    expect(findingsOf(merged)).toEqual(findingsOf(together));
    expect(findingsOf(alone)).not.toEqual(findingsOf(together));
    expect(merged.lines).toBe(alone.lines + 8);
    expect(merged.losses).toEqual([]);
  });

  it('without stamps do the same', async () => {
    const name = 'qemu-11.1/amd-dirtyrate-sepfile';
    const { sessions } = await analyse(`${captures}${name}.log.gz`, `${captures}${name}.stderr`);
    const failed = failuresTold({ name, log: '' } as never).map(({ errno }) => errno);
    expect(failed.filter((errno) => errno === -7)).toHaveLength(6);
    const found = sessions.flatMap(({ findings }) => findings);
    const tooBig = found.find(({ mode, rule }) => rule === 'VTD001' && mode === 'observed');
    expect([tooBig?.count, tooBig?.evidence]).toEqual([failed.length, 'observed']);
    const told = found.filter(({ rule }) => rule === 'VTD009' || rule === 'VTD013');
    expect(told.map(({ evidence }) => evidence)).toEqual(['observed', 'observed']);
  });

  it('that are cut are a loss', async () => {
    const apart = 'traces/qemu-10.0/blocked-aw48-sepfile';
    const path = join(testFolder(), 'stderr');
    writeFileSync(path, bytesOf(`${apart}.stderr`).subarray(0, -5));
    const { losses } = await analyse(`${root}${apart}.log.gz`, path);
    expect(losses.map(({ detail, kind }) => [kind, detail])).toEqual([
      ['truncated', 'the messages end inside a line'],
    ]);
  });

  it('have to be there, and to go with one log of -D', async () => {
    const log = `${captures}qemu-10.0/blocked-aw48-minimal.log`;
    const stderr = `${captures}qemu-10.0/blocked-aw48-sepfile.stderr`;
    expect((await analyse(log, join(testFolder(), 'gone'))).error).toMatch(/gone: no such file/);
    const json = join(testFolder(), 'json');
    writeFileSync(json, '{"event":"vtd_reset_exit","args":{}}\n');
    expect((await analyse(json, stderr)).error).toMatch(/--with-stderr goes with a log of -D/);
    const two = run({ inputs: [log, json], stderr, jobs: 1 });
    await expect(two).rejects.toThrow('--with-stderr goes with one trace, and not with 2');
  });

  it('are not written over', async () => {
    const folder = testFolder();
    const stderr = join(folder, 'stderr');
    writeFileSync(stderr, 'text\n');
    const log = `${captures}qemu-10.0/blocked-aw48-minimal.log`;
    const outputs = [{ path: stderr, render: () => ['x'] }];
    const written = run({ inputs: [log], stderr, outputs, jobs: 1 });
    await expect(written).rejects.toThrow('an input, which an output would overwrite');
  });
});
