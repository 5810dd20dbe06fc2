import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { WhatIf } from '../../src/result/what-if.ts';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

const TRACE = 'traces/qemu-10.0/blocked-aw48.log.gz';

const schemas = ['result-1.1', 'what-if-1'].map((name) => {
  const file = new URL(`../../src/result/${name}.schema.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as object;
});
const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, schemas });

describe('whatif', () => {
  it('shows every machine, the traced one marked, and the cheapest change first', async () => {
    const { status, stdout } = await runProgram(['whatif', TRACE], {
      environment: { COLUMNS: '80' },
    });
    expect(status).toBe(0);
    expect(stdout).toContain('No unmap fails: with aw-bits=39.\n');
    expect(stdout).toContain(
      'No dirty page is lost: with no version, container, width or page size.',
    );
    expect(stdout).toMatch(
      /^> 8\.1 to 10\.1 \(m\) legacy {2}48 4k {6}4 \/ 16 {2}4\.10 MiB \/ 1 GiB/m,
    );
    expect(stdout).toMatch(/^ {2}11\.1 {12}legacy {2}48 any {5}- .* 16 \/ 52 /m);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('says nothing of other machines for a VM behind another IOMMU than theirs', async () => {
    const folder = testFolder();
    const [markdown, page] = [join(folder, 'x.md'), join(folder, 'x.html')];
    const outputs = ['-o', `markdown=${markdown}`, '-o', `html=${page}`];
    const amd = 'traces/qemu-11.1/amd-migrate.log.gz';
    const { status, stdout } = await runProgram(['whatif', amd, '-f', 'json', ...outputs]);
    expect(status).toBe(0);
    const whatIf = JSON.parse(stdout) as WhatIf;
    expect(ajv.getSchema('urn:vtdscope:schema:what-if-1')?.(whatIf)).toBe(true);
    expect(whatIf.sessions).toMatchObject([{ machines: [], advice: [] }]);
    expect(whatIf.sessions[0]?.reasons[0]).toContain('this VM has amd-iommu');
    const { stdout: text } = await runProgram(['whatif', amd]);
    for (const report of [text, readFileSync(markdown, 'utf8'), readFileSync(page, 'utf8')]) {
      expect(report).toContain('this VM has amd-iommu');
      expect(report).not.toContain('aw-bits=39');
    }
  });

  it('writes valid JSON, Markdown and a page, the same each time', async () => {
    const folder = testFolder();
    const [markdown, page] = [join(folder, 'x.md'), join(folder, 'x.html')];
    const args = [
      'whatif',
      TRACE,
      '-f',
      'json',
      '-o',
      `markdown=${markdown}`,
      '-o',
      `html=${page}`,
    ];
    const { stdout } = await runProgram(args);
    const whatIf = JSON.parse(stdout) as WhatIf;
    const validate = ajv.getSchema('urn:vtdscope:schema:what-if-1');
    expect(validate?.(whatIf)).toBe(true);
    expect(validate?.({ ...whatIf, left: '0' })).toBe(false);
    expect(whatIf.sessions[0]?.machines).toHaveLength(78);
    expect(readFileSync(markdown, 'utf8')).toContain(
      '| **8.1 to 10.1 (m)** | **legacy** | **48** |',
    );
    const html = readFileSync(page, 'utf8');
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).not.toContain('<script');
    expect(html.match(/<tr>/g)?.length).toBeGreaterThan(30);
    expect((await runProgram(args)).stdout).toBe(stdout);
  });

  it('takes a pipe, and says what the trace does not show', async () => {
    const stdin = readFileSync(
      new URL('../../traces/qemu-10.0/blocked-aw48-minimal.log', import.meta.url),
    );
    const { status, stdout } = await runProgram(['whatif', '-'], { stdin });
    expect(status).toBe(0);
    expect(stdout).toMatch(/not known: no vtd_page_walk_one/);
    expect(stdout).not.toContain('No dirty page is lost');
  });

  it.each([
    { name: 'what is not there', args: ['no.log'], says: 'no.log: no such file' },
    { name: 'what is no trace', args: ['package.json'], says: 'package.json: ' },
    { name: 'its input as an output', args: [TRACE, '-o', `json=${TRACE}`], says: 'an input' },
    { name: 'a size that is none', args: [TRACE, '--max-decompressed', 'x'], says: 'size' },
  ])('refuses $name', async ({ args, says }) => {
    const { status, stderr, stdout } = await runProgram(['whatif', ...args]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(says);
  });
});
