import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { runProgram } from '../helpers/program.ts';

async function scriptFor(shell: string): Promise<string> {
  const { status, stdout } = await runProgram(['completion', shell]);
  expect(status).toBe(0);
  return stdout;
}

describe('bash', () => {
  let script = '';
  beforeAll(async () => {
    script = await scriptFor('bash');
  });

  /** What a real bash completes the last word of a line to. */
  function completed(...words: readonly string[]): readonly string[] {
    const folder = testFolder();
    writeFileSync(join(folder, 'completion'), script);
    const text = `source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_vtdscope
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const args = ['--norc', '-c', text, 'bash', join(folder, 'completion'), 'vtdscope', ...words];
    const { status, stderr, stdout } = spawnSync('bash', args, { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout.split('\n').filter((line) => line !== '');
  }

  it.each([
    { line: ['exp'], all: ['explain'] },
    { line: ['--fail'], all: ['--fail-on'] },
    { line: ['--fail-on', ''], all: ['observed', 'active', 'what-if', 'none'] },
    { line: ['-f', 'js'], all: ['json'] },
    { line: ['qemu.log', '--backend', 'io'], all: ['iommufd'] },
    { line: ['analyze', '--strict', '--tracking', 'o'], all: ['on', 'off'] },
    { line: ['explain', 'VTD001'], all: ['VTD001'] },
    { line: ['explain', 'bitmap-t'], all: ['bitmap-too-big'] },
    { line: ['explain', '-f', ''], all: ['text', 'markdown', 'json'] },
    { line: ['completion', ''], all: ['bash', 'zsh', 'fish'] },
    { line: ['guide', 'c'], all: ['ci'] },
    // Files, by bash itself.
    { line: ['--baseline', ''], all: [] },
    { line: ['explain', 'zzz'], all: [] },
  ])('completes $line', ({ all, line }) => {
    expect(completed(...line)).toEqual(expect.arrayContaining([...all]));
    if (all.length === 0) expect(completed(...line)).toEqual([]);
    else expect(completed(...line).every((word) => word.startsWith(line.at(-1) ?? ''))).toBe(true);
  });

  it('knows every command, and no option of another', () => {
    const commands = completed('');
    expect(commands).toEqual(expect.arrayContaining(['analyze', 'explain', 'record', 'merge']));
    expect(completed('explain', '--')).not.toContain('--fail-on');
    expect(completed('analyze', '--')).toContain('--help');
  });
});

describe.each(['bash', 'zsh', 'fish'])('the script for %s', (shell) => {
  it('has every command and option that the help has', async () => {
    const script = await scriptFor(shell);
    const { stdout: help } = await runProgram(['--help']);
    const options = [...help.matchAll(/^ {2}(?:-\w, )?--([a-z0-9-]+)/gm)].map(([, name]) => name);
    const list = help.slice(help.indexOf('Other commands:'), help.indexOf('Examples:'));
    const commands = [...list.matchAll(/^ {2}(\w+) /gm)];
    expect(options.length).toBeGreaterThan(20);
    expect(commands.length).toBeGreaterThan(5);
    // That of the program itself stands in no command.
    const wanted = [
      ...options.filter((name) => name !== 'version'),
      ...commands.map(([, name]) => name),
    ];
    expect(wanted.filter((name) => !script.includes(name ?? ''))).toEqual([]);
  });
});

it('of another shell there is none', async () => {
  const { status, stderr } = await runProgram(['completion', 'bsh']);
  expect(status).toBe(2);
  expect(stderr).toContain('Did you mean bash?');
});
