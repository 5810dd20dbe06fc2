import { spawnSync } from 'node:child_process';
import { lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const fails = 'traces/qemu-10.0/blocked-aw48-minimal.log';
const second = 'traces/qemu-10.0/segv-aw48.log.gz';

const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');

describe('files beside the report', () => {
  it('hold what the same report prints', async () => {
    const folder = testFolder();
    const formats = [
      'json',
      'ndjson',
      'html',
      'markdown',
      'sarif',
      'junit',
      'csv',
      'text',
      'github',
      'perfetto',
    ];
    const outputs = formats.flatMap((name) => ['--output', `${name}=${join(folder, name)}`]);
    expect((await runProgram([fails, ...outputs])).status).toBe(1);
    for (const name of formats) {
      const { stdout } = await runProgram([fails, '--format', name]);
      expect(readFileSync(join(folder, name), 'utf8'), name).toBe(stdout);
    }
  });

  it('are the unmaps as lines of JSON, or as CSV, with the trace where there are several', async () => {
    const folder = testFolder();
    const [json, csv] = [join(folder, 'unmaps.ndjson'), join(folder, 'unmaps.csv')];
    await runProgram([fails, second, '--unmaps', json]);
    await runProgram([fails, second, '--unmaps', csv]);
    const records = linesOf(json).map((line) => JSON.parse(line) as Record<string, unknown>);
    const [head = '', ...rows] = linesOf(csv);
    expect(rows.length).toBe(records.length);
    const columns = head.split(',');
    expect(columns).toEqual(Object.keys(records[0] ?? {}));
    for (const [index, row] of rows.entries()) {
      const record = records[index] ?? {};
      const cells = columns.map((column) => {
        const value = record[column];
        if (!Array.isArray(value)) return value === null ? '' : String(value);
        return value.map((range: readonly string[]) => range.join('+')).join(' ');
      });
      expect(row).toBe(cells.join(','));
    }
  });

  it('cannot be made to run as formulas by the name of a trace', async () => {
    const folder = testFolder();
    const csv = join(folder, 'unmaps.csv');
    const log = readFileSync(fails);
    const name = '=cmd("x",1).log';
    writeFileSync(join(folder, name), log);
    writeFileSync(join(folder, 'other.log'), log);
    await runProgram([name, 'other.log', '--unmaps', csv], { folder });
    expect(linesOf(csv)[1]).toMatch(/,"'=cmd\(""x"",1\)\.log"$/);
  });

  it('move no cursor by the name of a trace, and neither do messages', async () => {
    const folder = testFolder();
    const name = '\u001b[2J\u202e\u009b31mname';
    writeFileSync(join(folder, `${name}.log`), readFileSync(fails));
    writeFileSync(join(folder, 'other.log'), readFileSync(fails));
    const outputs = ['--unmaps', 'unmaps.csv', '-o', 'csv=findings.csv', '-o', 'markdown=page.md'];
    const missing = `${name}.none`;
    const found = await runProgram([`${name}.log`, 'other.log', missing, ...outputs], { folder });
    expect(found.status).toBe(2);
    expect(found.stderr).toContain('no such file');
    const files = ['unmaps.csv', 'findings.csv', 'page.md'].map((file) =>
      readFileSync(join(folder, file), 'utf8'),
    );
    for (const text of [found.stdout, found.stderr, ...files]) {
      expect(text).toContain('name');
      expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
    }
    expect((await runProgram([`--${name}`], { folder })).stderr).not.toMatch(
      /(?!\n)[\p{Cc}\p{Cf}]/u,
    );
  });

  it('are no traces of their own folder, now or next time', async () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'qemu.log'), readFileSync(fails));
    const args = ['.', '-q', '-o', 'markdown=report.md', '-o', 'text=report.txt'];
    for (let time = 0; time < 2; time += 1) {
      const { stdout, status } = await runProgram([...args, '--unmaps', 'unmaps.ndjson'], {
        folder,
      });
      expect(stdout.trimEnd().split('\n')).toHaveLength(1);
      expect(status).toBe(1);
    }
  });

  it('are not written over a trace, or over each other', async () => {
    const folder = testFolder();
    const log = readFileSync(fails);
    writeFileSync(join(folder, 'qemu.log'), log);
    const over = await runProgram(['./qemu.log', '-o', 'text=qemu.log'], { folder });
    expect(over).toMatchObject({ status: 2, stdout: '' });
    expect(over.stderr).toContain('qemu.log: an input, which an output would overwrite');
    expect(readFileSync(join(folder, 'qemu.log'))).toEqual(log);
    const twice = await runProgram(['qemu.log', '-o', 'json=out', '--unmaps', './out'], { folder });
    expect(twice).toMatchObject({ status: 2, stdout: '' });
    expect(twice.stderr).toContain('two outputs would go to this file');
  });

  it('are not made of an input without a name', async () => {
    const { status, stderr } = await runProgram(['']);
    expect(status).toBe(2);
    expect(stderr).toContain('an input without a name');
  });
});

describe('a file in whose place an output goes', () => {
  it('is what a link leads to, which stays a link', async () => {
    const folder = testFolder();
    const [file, link] = [join(folder, 'file.json'), join(folder, 'link.json')];
    writeFileSync(file, 'old');
    symlinkSync('file.json', link);
    await runProgram([fails, '-q', '-o', `json=${link}`]);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ verdict: 'fails' });
  });

  it('is that of standard output, in front of what else goes there', async () => {
    const path = join(testFolder(), 'out');
    await runProgram([fails, '-q', '--unmaps', '/dev/stdout'], { stdoutTo: path });
    const lines = linesOf(path);
    expect(JSON.parse(lines[0] ?? '')).toHaveProperty('iova');
    expect(lines.at(-1)).toMatch(/^fails\t/);
  });

  it('may be a pipe whose reader has had enough, while others are written', async () => {
    const other = join(testFolder(), 'other.json');
    const outputs = ['-o', 'json=/dev/stdout', '-o', `json=${other}`];
    const shell = '{ "$0" dist/src/cli.js "$@"; echo "status $?" >&2; } | true';
    const args = ['-c', shell, process.execPath, fails, '-q', ...outputs];
    const { stderr } = spawnSync('/bin/sh', args, { cwd: root, encoding: 'utf8' });
    expect(stderr).toBe('status 0\n');
    expect(JSON.parse(readFileSync(other, 'utf8'))).toMatchObject({ verdict: 'fails' });
  });
});

describe('-q', () => {
  it.each([[[fails, '-q']], [['-q', fails]], [['analyze', '--quiet', fails]]])(
    '%j prints a line per trace',
    async (args) => {
      const { stdout, status } = await runProgram(args);
      expect(stdout).toMatch(/^fails\t[^\n]*\n$/);
      expect(status).toBe(1);
    },
  );
});
