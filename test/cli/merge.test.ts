import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask, questionsOfReadme } from '../helpers/duckdb.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const TRACE = `${root}traces/qemu-10.0/blocked-aw48-minimal.log`;

describe('merge', () => {
  it('makes no folder of a name that is misspelt; nor does collect', async () => {
    const folder = join(testFolder(), 'resluts');
    const queue = ['--queue', 'redis://127.0.0.1:1'];
    for (const args of [
      ['merge', folder],
      ['collect', folder, ...queue],
    ]) {
      const { status, stderr } = await runProgram(args);
      expect({ status, stderr }).toEqual({
        status: 2,
        stderr: `vtdscope: ${folder}: no such folder\n`,
      });
      expect(existsSync(folder)).toBe(false);
    }
  });

  it('never puts a report in the place of a trace', async () => {
    const folder = testFolder();
    const trace = join(folder, 'qemu.log');
    const results = join(folder, 'results');
    copyFileSync(TRACE, trace);
    expect((await runProgram([trace, '--results', results])).status).toBe(0);
    const { status, stderr } = await runProgram(['merge', results, '-o', `html=${trace}`]);
    expect({ status, stderr }).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('a trace, which an output would overwrite'),
    });
    expect(readFileSync(trace)).toEqual(readFileSync(TRACE));
  });

  it('writes all of its reports, or none', async () => {
    const folder = testFolder();
    const results = join(folder, 'results');
    await runProgram([TRACE, '--results', results]);
    const [html, csv] = [join(folder, 'fleet.html'), join(folder, 'fleet.csv')];
    const good = await runProgram(['merge', results, '-o', `html=${html}`, '-o', `csv=${csv}`]);
    expect(good.status).toBe(1);
    expect(readFileSync(html, 'utf8')).toContain('1 of 1: do not migrate');
    const before = readdirSync(folder);
    const twice = ['-o', `json=${join(folder, 'x')}`, '-o', `csv=${join(folder, 'none/x')}`];
    expect((await runProgram(['merge', results, ...twice])).status).toBe(2);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('gives rows that answer the questions of the README', async () => {
    const folder = testFolder();
    const results = join(folder, 'results');
    const rows = join(folder, 'fleet.ndjson');
    await runProgram([TRACE, '--results', results]);
    await runProgram(['merge', results, '-o', `ndjson=${rows}`]);
    const questions = questionsOfReadme().fleet;
    const answers = await Promise.all(
      questions.map((question) => ask(question.replaceAll('fleet.ndjson', rows))),
    );
    expect(answers).toMatchObject([
      [{ verdict: 'fails', 'count_star()': '1' }],
      expect.arrayContaining([expect.objectContaining({ rule: 'VTD001' })]),
      [{ trace: TRACE }],
    ]);
  });
});
