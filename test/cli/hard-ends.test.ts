import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';

const clean = `${root}traces/qemu-7.2/blocked-aw48.log.gz`;

/** Runs the program behind something that a shell does first. */
function inShell(shell: string, folder: string, ...args: readonly string[]) {
  const command = `${shell}exec "$0" "$@"`;
  const program = [process.execPath, `${root}dist/src/cli.js`, ...args];
  return spawnSync('/bin/sh', ['-c', command, ...program], { cwd: folder, encoding: 'utf8' });
}

describe('standard input that is no trace', () => {
  it('since it is a directory, cannot be used', async () => {
    const { status, stderr } = await runProgram(['-', '-q'], { stdinFrom: testFolder() });
    expect([status, stderr]).toEqual([2, expect.stringContaining('is a directory')]);
  });

  it.skipIf(!existsSync('/dev/null'))('since it is closed, cannot be used', () => {
    const { status, stderr } = inShell('exec <&-; ', testFolder(), '-', '-q');
    expect([status, stderr]).toEqual([2, 'vtdscope: -: standard input is closed\n']);
  });

  it('since it can only be written, cannot be used', () => {
    const { status, stderr } = inShell('exec 0>only-written; ', testFolder(), '-', '-q');
    expect([status, stderr]).toEqual([2, expect.stringContaining('cannot be read')]);
  });

  it.skipIf(!existsSync('/dev/null'))('since nothing is in it, is empty', async () => {
    expect((await runProgram(['-', '-q'], { stdinFrom: '/dev/null' })).status).toBe(3);
  });
});

describe('a pipe into which nobody writes', () => {
  it.skipIf(!existsSync('/proc/self/fd'))('is left with one SIGINT', async () => {
    const folder = testFolder();
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const input of ['pipe', '@pipe']) {
      const ended = await runProgram([input, '-o', 'json=out.json'], {
        folder,
        onStart: (child) => {
          const isWaiting = () =>
            readdirSync(`/proc/${child.pid}/fd`).some((fd) => {
              try {
                return readlinkSync(`/proc/${child.pid}/fd/${fd}`) === pipe;
              } catch {
                // It has been closed meanwhile.
                return false;
              }
            });
          const timer = setInterval(() => {
            if (!isWaiting()) return;
            clearInterval(timer);
            child.kill('SIGINT');
          }, 20);
        },
      });
      expect([input, ended.status, ended.signal, ended.stderr]).toEqual([input, 130, null, '']);
      expect(readdirSync(folder)).toEqual(['pipe']);
    }
  });
});

describe('too few files that may be open', () => {
  const run = (files: number) => {
    const folder = testFolder();
    for (const name of ['a', 'b', 'c', 'd']) copyFileSync(clean, join(folder, `${name}.log.gz`));
    const args = ['.', '-q', '--jobs', '4', '-o', 'json=out.json', '--unmaps', 'unmaps.ndjson'];
    const { status, stderr } = inShell(`ulimit -n ${files}; `, folder, ...args);
    const litter = readdirSync(folder).filter((name) => name.startsWith('.'));
    return { status, stderr, litter };
  };

  it('to start with are told in a sentence', () => {
    const { status, stderr } = run(40);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^vtdscope: .*(?:too many open files|too many files are open).*\n$/);
  });

  it.each([80, 100, 120])('later (%i) never look like a finding', (files) => {
    const { status, litter } = run(files);
    expect([0, 2]).toContain(status);
    expect(litter).toEqual([]);
  });
});

describe('a file that may not become larger', () => {
  it('is told by the name that the user gave it, and nothing is left', () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'old'), 'old');
    const outputs = ['--unmaps', 'unmaps.ndjson', '-o', 'json=old'];
    const { status, stderr } = inShell('ulimit -f 1; ', folder, clean, '-q', ...outputs);
    expect([status, stderr]).toEqual([
      2,
      'vtdscope: unmaps.ndjson: cannot be written: file too large\n',
    ]);
    expect(readdirSync(folder)).toEqual(['old']);
  });
});
