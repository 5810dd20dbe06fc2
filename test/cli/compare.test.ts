import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/result/comparison.ts';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

const OLD = 'traces/qemu-10.0/blocked-aw48.log.gz';
const NEW = 'traces/qemu-11.1/blocked-aw48.log.gz';
const NARROW = 'traces/qemu-10.0/blocked-aw39.log.gz';

const schemas = ['result-1.1', 'comparison-1'].map((name) => {
  const file = new URL(`../../src/result/${name}.schema.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as { readonly $id: string };
});
const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, schemas });

async function compare(...args: readonly string[]) {
  const ended = await runProgram(['compare', ...args, '-f', 'json']);
  return { ...ended, comparison: JSON.parse(ended.stdout) as Comparison };
}

describe('compare', () => {
  it('tells which unmaps of the pieces fail no more, and what is new in QEMU 11', async () => {
    const { comparison, status } = await compare(OLD, NEW);
    expect(status).toBe(1);
    expect(comparison.worse).toEqual([
      expect.stringContaining('new: VTD005 stale-host-mapping of 00:10.0, what-if'),
      expect.stringContaining('new: VTD005 stale-host-mapping of 00:10.0, active'),
    ]);
    const failed = comparison.unmaps?.changed.filter(({ before }) => before.errno === -7);
    expect(failed?.map(({ after, before }) => [before.iova, before.fate, after.fate])).toEqual(
      [44, 45, 46, 47].map((bit) => [`0x${(2n ** BigInt(bit)).toString(16)}`, 'fails', 'harmless']),
    );
  });

  it.each([
    { name: 'of different versions', before: OLD, after: NEW },
    { name: 'of different widths', before: NARROW, after: OLD },
  ])('$name gives valid JSON', async ({ after, before }) => {
    const { comparison } = await compare(before, after);
    const validate = ajv.getSchema('urn:vtdscope:schema:comparison-1');
    expect(validate?.(comparison)).toBe(true);
    const worse = { ...comparison, before: { ...comparison.before, verdict: 'bad' } };
    expect(validate?.(worse)).toBe(false);
  });

  it('finds nothing worse in what is the same, nor where less fails', async () => {
    const same = await compare(OLD, OLD);
    expect(same.status).toBe(0);
    expect(same.comparison).toMatchObject({
      isWorse: false,
      findings: { new: [], gone: [] },
      unmaps: { changed: [], onlyBefore: { ranges: 0 }, onlyAfter: { ranges: 0 } },
    });
  });

  it('finds what a narrower IOMMU mends, and what it brings', async () => {
    const { comparison, status } = await compare(OLD, NARROW);
    expect(comparison.findings.gone.map(({ rule }) => rule)).toContain('VTD001');
    expect(comparison.worse).toEqual([
      expect.stringContaining('new: VTD006 mark-past-ram of 00:10.0, what-if'),
      '1 range of unmaps with a worse end than before',
    ]);
    expect(status).toBe(1);
    expect((await compare(OLD, NARROW, '--exit-zero')).status).toBe(0);
  });

  it('takes results for traces', async () => {
    const folder = testFolder();
    const result = join(folder, 'before.json.gz');
    const { stdout } = await runProgram([OLD, '-f', 'json']);
    writeFileSync(result, gzipSync(stdout));
    const { comparison, status } = await compare(result, OLD);
    expect(status).toBe(0);
    expect(comparison).toMatchObject({ findings: { new: [], gone: [] }, unmaps: null });
    expect(comparison.before.totals).toEqual(comparison.after.totals);
    const both = await compare(result, result);
    expect(both.comparison.findings.unchanged.length).toBeGreaterThan(5);
  });

  it.each(['trace', 'result'])('reads a pipe that holds a %s once', async (kind) => {
    const folder = testFolder();
    const held = join(folder, 'held');
    const { stdout } = await runProgram([OLD, '-f', 'json']);
    writeFileSync(held, kind === 'trace' ? readFileSync(OLD) : stdout);
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const writer = spawn('sh', ['-c', 'cat "$0" >"$1"', held, pipe]);
    const { comparison, status } = await compare(pipe, OLD);
    writer.kill();
    expect(status).toBe(0);
    expect(comparison.findings.new).toEqual([]);
    expect(comparison.before.totals).toEqual(comparison.after.totals);
  });

  it('writes its reports, with what was given in them', async () => {
    const folder = testFolder();
    const [markdown, json] = [join(folder, 'x.md'), join(folder, 'x.json')];
    const { status, stdout } = await runProgram(
      ['compare', OLD, NEW, '-o', `markdown=${markdown}`, '-o', `json=${json}`],
      { environment: { COLUMNS: '80' } },
    );
    expect(status).toBe(1);
    expect(stdout).toMatch(/^WORSE\n/);
    expect(stdout).toContain('  verdict               fails               loses-dirty-pages\n');
    expect(stdout).toMatch(
      /better {2}00:10\.0, iova 0x100000000000, 16 TiB \(whole-unmap\): fails with/,
    );
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(readFileSync(markdown, 'utf8')).toMatch(/^## WORSE: `traces/);
    expect(readFileSync(markdown, 'utf8')).toContain('| failures | 4 | 0 |');
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ isWorse: true });
  });

  it.each([
    { name: 'what is not there', args: [OLD, 'no.log'], says: 'no.log: no such file' },
    { name: 'what is no trace', args: ['package.json', OLD], says: 'package.json: ' },
    { name: 'standard input twice', args: ['-', '-'], says: "'-' stands for standard input once" },
    { name: 'an input as its output', args: [OLD, NEW, '-o', `json=${OLD}`], says: 'an input' },
    { name: 'one input', args: [OLD], says: "missing required argument 'after'" },
  ])('refuses $name', async ({ args, says }) => {
    const { status, stderr, stdout } = await runProgram(['compare', ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(says);
  });

  it.each([
    { name: 'cut', text: (json: string) => json.slice(0, -100), says: 'a damaged result' },
    {
      name: 'of another version',
      text: (json: string) => json.replace('1.1', '1.0'),
      says: 'schema version 1.0',
    },
    {
      name: 'without fields',
      text: (json: string) =>
        json.replace('"totals"', '"sums"').replaceAll('"findings"', '"found"'),
      says: 'lacks fields',
    },
  ])('refuses a result that is $name', async ({ says, text }) => {
    const path = join(testFolder(), 'result.json');
    const { stdout } = await runProgram([
      'traces/qemu-10.0/blocked-aw48-minimal.log',
      '-f',
      'json',
    ]);
    writeFileSync(path, text(stdout));
    const { status, stderr } = await runProgram(['compare', path, OLD]);
    expect(status).toBe(2);
    expect(stderr).toContain(says);
  });
});
