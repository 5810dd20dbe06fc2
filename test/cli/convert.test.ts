import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';
import { tarOf } from '../helpers/tar.ts';

const TRACE = 'traces/qemu-10.0/blocked-aw48.log.gz';

async function resultOf(input: string, stdin = ''): Promise<Result['traces'][number]> {
  const { stdout } = await runProgram([input, '-f', 'json'], { stdin });
  const [trace] = (JSON.parse(stdout) as Result).traces;
  if (trace === undefined) throw new Error('no trace in the result');
  return trace;
}

const saidBy = ({ losses, migration, reasons, totals, verdict }: Result['traces'][number]) => ({
  losses: losses.map(({ byteOffset: _, ...loss }) => loss),
  migration,
  reasons,
  totals,
  verdict,
});

describe('convert', () => {
  it('prints lines of JSON, of which an analysis from a pipe says the same', async () => {
    const { status, stdout } = await runProgram(['convert', TRACE]);
    expect(status).toBe(0);
    expect(stdout.split('\n', 2)[1]).toMatch(/^\{"line":\d+,"event":"\w+",/);
    expect(saidBy(await resultOf('-', stdout))).toEqual(saidBy(await resultOf(TRACE)));
  });

  it('writes a log whole, or not at all, and over no trace', async () => {
    const folder = testFolder();
    const [path, log] = [join(folder, 'trace.log'), join(folder, 'events.log')];
    writeFileSync(path, bytesOf(TRACE));
    const args = ['convert', '--to', 'log', path, '-o'];
    expect(await runProgram([...args, log])).toMatchObject({ status: 0, stdout: '' });
    expect(saidBy(await resultOf(log))).toEqual(saidBy(await resultOf(TRACE)));
    const before = readFileSync(log);
    for (const taken of [path, log]) {
      const { status, stderr } = await runProgram([...args, taken]);
      expect(status).toBe(2);
      expect(stderr).toMatch(/an input|a trace/);
    }
    expect(readFileSync(log).equals(before)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['events.log', 'trace.log']);
  });

  it('tells of what is cut off, as the trace does', async () => {
    const folder = testFolder();
    const [path, events] = [join(folder, 'cut.gz'), join(folder, 'events.ndjson')];
    writeFileSync(path, gzipSync(bytesOf(TRACE)).subarray(0, 30_000));
    await runProgram(['convert', path, '-o', events]);
    const cut = await resultOf(path);
    expect(cut.losses.map(({ kind }) => kind)).toContain('truncated');
    expect(saidBy(await resultOf(events))).toEqual(saidBy(cut));
  });

  it('joins the pieces of a rotated log, and reads the one trace of an archive', async () => {
    const folder = testFolder();
    const bytes = gunzipSync(readFileSync(TRACE));
    const half = bytes.length >> 1;
    const pieces = ['vm.log.1', 'vm.log'].map((name) => join(folder, name));
    writeFileSync(pieces[0] as string, bytes.subarray(0, half));
    writeFileSync(pieces[1] as string, bytes.subarray(half));
    const archive = join(folder, 'all.tar');
    writeFileSync(archive, tarOf({ name: 'vm.log', content: bytes }));
    const whole = await runProgram(['convert', TRACE]);
    const joined = await runProgram(['convert', '--join', ...pieces]);
    expect(joined.stdout === whole.stdout).toBe(true);
    const member = await runProgram(['convert', archive]);
    expect(member.stdout === whole.stdout).toBe(true);
  });

  it('puts the messages of another file in their places', async () => {
    const folder = testFolder();
    const events = join(folder, 'events.ndjson');
    const stderr = join(folder, 'stderr');
    writeFileSync(stderr, 'qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000\n');
    await runProgram(['convert', TRACE, '--with-stderr', stderr, '-o', events]);
    expect(readFileSync(events, 'utf8')).toContain('"event":"message:bitmap-too-big"');
  });

  it.each([
    [['traces'], /one trace is converted at a time, and not \d+/],
    [['no-such.log'], /no-such\.log/],
    [['README.md', 'package.json'], /README|and not 2/],
    [[TRACE, '--to', 'xml'], /Allowed choices are ndjson, log/],
  ])('of %j is status 2, with words that help', async (args, words) => {
    const { status, stderr, stdout } = await runProgram(['convert', ...args]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(words);
  });

  it('of an empty trace is empty', async () => {
    expect(await runProgram(['convert', '-'])).toMatchObject({ status: 0, stdout: '' });
  });
});
