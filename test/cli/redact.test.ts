import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

const TRACE = 'traces/qemu-10.0/blocked-aw48.log.gz';

describe('redact', () => {
  it('writes the result of a trace, or one that is there, without its path and addresses', async () => {
    const folder = testFolder();
    const json = join(folder, 'result.json');
    const full = await runProgram([TRACE, '-f', 'json']);
    writeFileSync(json, full.stdout);
    const ofTrace = await runProgram(['redact', TRACE]);
    const ofResult = await runProgram(['redact', json]);
    expect(ofTrace.status).toBe(0);
    expect(ofResult.stdout).toBe(ofTrace.stdout);
    expect(ofTrace.stdout).not.toMatch(/blocked-aw48|guest address 0x8000000/);
    const [before, after] = [full.stdout, ofTrace.stdout].map((text) => JSON.parse(text) as Result);
    expect(after?.totals).toEqual(before?.totals);
    expect(after?.verdict).toBe('fails');
  });

  it('is an option of an analysis, for all of its reports', async () => {
    const folder = testFolder();
    const html = join(folder, 'x.html');
    const { status, stdout } = await runProgram([
      TRACE,
      '--redact',
      '-f',
      'json',
      '-o',
      `html=${html}`,
    ]);
    expect(status).toBe(1);
    expect(stdout).toBe((await runProgram(['redact', TRACE])).stdout);
    expect(readFileSync(html, 'utf8')).not.toMatch(/blocked-aw48|559396f7c430/);
    const tables = await runProgram([TRACE, '--redact', '--unmaps', join(folder, 'u.ndjson')]);
    expect(tables.status).toBe(2);
    expect(tables.stderr).toContain('--redact goes with reports');
  });

  it('refuses what is neither', async () => {
    expect((await runProgram(['redact', 'package.json'])).status).toBe(2);
  });
});
