import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { analyze } from '../helpers/analyze.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { type ObjectServerOptions, startObjectServer } from '../helpers/object-server.ts';
import { runProgram } from '../helpers/program.ts';

const COMPRESSED = readFileSync(`${root}traces/qemu-7.2/blocked-aw48.log.gz`);
const SHORT = readFileSync(`${root}traces/qemu-10.0/blocked-aw48-minimal.log`);

async function serving(options: ObjectServerOptions = {}) {
  const server = await startObjectServer(options);
  server.put('/logs/vm1.log', SHORT);
  server.put('/logs/vm2.log.gz', COMPRESSED);
  return server;
}

const resultOf = ({ stdout }: { readonly stdout: string }) => JSON.parse(stdout) as Result;

describe('a trace at a URL', () => {
  it('is analysed like a file, in a batch and from a list', async () => {
    const { url } = await serving();
    const list = join(testFolder(), 'list');
    writeFileSync(list, `${url}/logs/vm1.log\n${url}/logs/vm2.log.gz\n${url}/logs/vm1.log\n`);
    const far = await runProgram([`@${list}`, '-f', 'json']);
    const near = await runProgram([
      ...['traces/qemu-10.0/blocked-aw48-minimal.log', 'traces/qemu-7.2/blocked-aw48.log.gz'],
      ...['-f', 'json'],
    ]);
    const renamed = (result: Result) =>
      result.traces.map((trace, index) => ({ ...trace, path: `${index}` }));
    expect([far.status, far.stderr]).toEqual([near.status, '']);
    expect(renamed(resultOf(far))).toEqual(renamed(resultOf(near)));
    expect(resultOf(far).traces[1]?.path).toBe(`${url}/logs/vm2.log.gz`);
  });

  it('is decoded by several threads where it is large', async () => {
    const { put, url } = await serving();
    const large = gunzipSync(COMPRESSED);
    put('/large', Buffer.concat(Array.from({ length: 8 }, () => large)));
    const options = { rangeBytes: 64 * 1024 };
    const [one, two] = [
      await analyze(`${url}/large`, {}, { jobs: 1 }),
      await analyze(`${url}/large`, {}, { jobs: 2, ...options }),
    ];
    expect(one.trace.bytes).toBe(8 * large.length);
    expect(two).toEqual(one);
  });

  it('that is not there, or changes, is a row, and the others are analysed', async () => {
    const { url } = await serving({
      fault: ({ headers, path }) =>
        path === '/logs/vm2.log.gz' && headers.range !== 'bytes=0-0' ? { status: 412 } : null,
    });
    const paths = ['none', 'vm2.log.gz', 'vm1.log'].map((name) => `${url}/logs/${name}`);
    const { status, stderr, stdout } = await runProgram([...paths, '-f', 'json']);
    const errors = resultOf({ stdout }).traces.flatMap(({ error }) => error ?? []);
    expect(status).toBe(2);
    expect(errors.sort()).toEqual([
      `${url}/logs/none: no such object (404)`,
      `${url}/logs/vm2.log.gz: the object has changed since it was found`,
    ]);
    for (const error of errors) expect(stderr).toContain(error);
    expect(resultOf({ stdout }).traces.length).toBe(3);
  });

  it('shows no password and no signature, whatever is made of it', async () => {
    const { asked, url } = await serving();
    const named = (path: string) =>
      `${url.replace('//', '//me:SECRET@')}${path}?X-Amz-Signature=SECRET`;
    const [trace, none] = [named('/logs/vm1.log'), named('/none')];
    const html = join(testFolder(), 'report.html');
    const runs = await Promise.all(
      [
        [trace, '-f', 'json', '-o', `html=${html}`],
        [trace, none],
        [trace, '--with-stderr', none],
        ['inspect', trace],
        ['inspect', none],
        ['whatif', trace],
        ['compare', trace, none],
        ['compare', trace, trace],
        [trace, '--join', none],
        [trace, '--results', testFolder()],
      ].map((args) => runProgram(args)),
    );
    const said = runs.map(({ stderr, stdout }) => stdout + stderr).join('');
    expect(said + readFileSync(html, 'utf8')).not.toContain('SECRET');
    expect(said).toContain(`${url}/none: no such object (404)`);
    expect(runs.map(({ status }) => status)).toEqual([1, 2, 2, 0, 2, 0, 2, 0, 2, 0]);
    expect(asked.every(({ path }) => path.endsWith('SECRET'))).toBe(true);
  });

  it('has one result, however it is signed, until it changes', async () => {
    const { put, url } = await serving();
    const results = testFolder();
    const leave = async (signature: string) =>
      (await runProgram([`${url}/logs/vm1.log?sig=${signature}`, '--results', results])).stdout;
    expect(await leave('one')).toBe('1 trace: 1 analysed now, 0 of them failed, 0 had a result\n');
    expect(await leave('two')).toBe('1 trace: 0 analysed now, 0 of them failed, 1 had a result\n');
    put('/logs/vm1.log', SHORT.subarray(0, SHORT.lastIndexOf('\n', SHORT.length - 2) + 1));
    expect(await leave('two')).toBe('1 trace: 1 analysed now, 0 of them failed, 0 had a result\n');
    const { traces } = JSON.parse((await runProgram(['merge', results, '-f', 'json'])).stdout);
    expect(traces.map(({ trace }: { trace: string }) => trace)).toEqual([`${url}/logs/vm1.log`]);
  });
});
