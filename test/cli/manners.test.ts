import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nearest } from '../../src/cli/suggestions.ts';
import { columnsOf, wantsColor } from '../../src/cli/terminal.ts';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

const trace = 'traces/qemu-10.0/blocked-aw48-minimal.log';

describe('a misspelt word', () => {
  it.each([
    { word: 'jsn', near: 'json' },
    { word: 'JSON', near: 'json' },
    { word: 'jsno', near: 'json' },
    { word: 'makrdown', near: 'markdown' },
    { word: 'yaml', near: null },
    { word: '', near: null },
  ])('$word is near $near', ({ word, near }) => {
    expect(nearest(word, ['text', 'json', 'ndjson', 'markdown', 'csv'])).toBe(near);
  });

  it.each([
    { args: [trace, '--fromat', 'json'], says: 'Did you mean --format?' },
    { args: [trace, '--format', 'jsn'], says: 'Did you mean json?' },
    { args: [trace, '--color', 'alwys'], says: 'Did you mean always?' },
    { args: [trace, '-o', 'htm=x'], says: 'did you mean html?' },
    { args: ['explan', 'VTD001'], says: "did you mean 'vtdscope explain'?" },
    { args: ['analyse', trace], says: "did you mean 'vtdscope analyze'?" },
    { args: ['explain', 'bitmap-to-big'], says: 'did you mean VTD001 bitmap-too-big?' },
    {
      args: ['explain', 'bitmap'],
      says: 'did you mean VTD001 bitmap-too-big, VTD007 bitmap-memory?',
    },
    { args: ['generate', '--sed', '3'], says: 'Did you mean --seed?' },
  ])('$args is answered with a suggestion', async ({ args, says }) => {
    const { status, stdout, stderr } = await runProgram(args);
    expect(stderr).toContain(says);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  it('is no command where it is a path', async () => {
    const folder = testFolder();
    const { stdout } = await runProgram(['-q', join(folder, 'explan')]);
    expect(stdout).toMatch(/^unusable/);
  });
});

describe('help', () => {
  it.each([
    ['analyze'],
    ['compare'],
    ['convert'],
    ['explain'],
    ['generate'],
    ['redact'],
    ['whatif'],
  ])('of %s has examples', async (command) => {
    const { status, stdout } = await runProgram([command, '--help']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Examples:\n {2}vtdscope /m);
  });

  it('fits 80 columns', async () => {
    for (const command of [
      'analyze',
      'compare',
      'convert',
      'explain',
      'generate',
      'redact',
      'whatif',
    ]) {
      const { stdout } = await runProgram([command, '--help']);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });
});

describe('an output', () => {
  it('is told by its folder where that is not there', async () => {
    const folder = join(testFolder(), 'none');
    const { status, stderr } = await runProgram([trace, '-o', `html=${join(folder, 'x.html')}`]);
    expect(status).toBe(2);
    expect(stderr).toBe(
      `vtdscope: ${join(folder, 'x.html')}: cannot be written: there is no folder ${folder}\n`,
    );
  });

  it('is no file that is called -', async () => {
    const folder = testFolder();
    const { status, stderr } = await runProgram([join(process.cwd(), trace), '-o', 'html=-'], {
      folder,
    });
    expect(stderr).toContain('--format html');
    expect(status).toBe(2);
    expect(existsSync(join(folder, '-'))).toBe(false);
  });

  // What a device says when a disk is full.
  it.runIf(existsSync('/dev/full'))('that is full is an error, and not a finding', async () => {
    const { status, stderr } = await runProgram([trace, '-o', 'text=/dev/full']);
    expect(status).toBe(2);
    expect(stderr).toBe('vtdscope: /dev/full: cannot be written: no space left on device\n');
  });

  it('that nobody reads any more ends quietly', async () => {
    const ended = await runProgram(['generate', '--bytes', '4m'], {
      onStart: (child) => {
        child.stdin.end();
        child.stdout?.once('data', () => child.stdout?.destroy());
      },
    });
    expect(ended).toMatchObject({ status: 0, stderr: '' });
  });
});

describe('colours', () => {
  const sequence = '\u001b[';

  it.each([
    { args: ['--color', 'always'], environment: {}, isColored: true },
    { args: ['--color', 'always'], environment: { NO_COLOR: '1' }, isColored: true },
    { args: ['--color', 'never'], environment: { FORCE_COLOR: '1' }, isColored: false },
    { args: [], environment: {}, isColored: false },
    { args: [], environment: { FORCE_COLOR: '1' }, isColored: true },
    { args: [], environment: { FORCE_COLOR: '1', NO_COLOR: '1' }, isColored: false },
  ])('$args, $environment: $isColored', async ({ args, environment, isColored }) => {
    const { stdout } = await runProgram([trace, ...args], { environment });
    expect(stdout.includes(sequence)).toBe(isColored);
  });

  it('are on a terminal, unless it is dumb', () => {
    expect(wantsColor('auto', { TERM: 'xterm' }, { isTTY: true })).toBe(true);
    expect(wantsColor('auto', { TERM: 'dumb' }, { isTTY: true })).toBe(false);
    expect(wantsColor('auto', { NO_COLOR: '' }, { isTTY: true })).toBe(true);
    expect(wantsColor('auto', {}, {})).toBe(false);
  });

  it('are never in a file', async () => {
    const file = join(testFolder(), 'report.txt');
    await runProgram([trace, '--color', 'always', '-o', `text=${file}`]);
    expect(readFileSync(file, 'utf8')).not.toContain(sequence);
  });
});

describe('width', () => {
  it('is that of the terminal, then COLUMNS, then 80', () => {
    expect(columnsOf({ COLUMNS: '50' }, { isTTY: true, columns: 120 })).toBe(120);
    expect(columnsOf({ COLUMNS: '50' }, { isTTY: true, columns: 0 })).toBe(50);
    expect(columnsOf({ COLUMNS: '50' }, {})).toBe(50);
    expect(columnsOf({ COLUMNS: 'wide' }, {})).toBe(80);
    expect(columnsOf({}, {})).toBe(80);
  });

  it.each(['50', '60', '80'])('of %s columns is kept by the help', async (COLUMNS) => {
    const { stdout } = await runProgram(['--help'], { environment: { COLUMNS } });
    const lines = stdout.split('\n');
    expect(lines.filter((line) => line.length > Number(COLUMNS))).toEqual([]);
    expect(lines.join(' ')).toContain('Examples:');
  });

  it.each(['40', '60'])('of %s columns is kept through a pipe', async (COLUMNS) => {
    const { stdout } = await runProgram([trace], { environment: { COLUMNS } });
    // The name of the trace is as long as it is.
    const [, ...lines] = stdout.split('\n');
    const widest = Math.max(...lines.map((line) => line.length));
    expect(widest).toBeLessThanOrEqual(Number(COLUMNS));
    expect(widest).toBeGreaterThan(Number(COLUMNS) - 5);
  });
});
