import { execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
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

/** Whether a process has opened a file. */
function hasOpen(pid: number | undefined, path: string): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === path;
    } catch {
      // It has been closed meanwhile.
      return false;
    }
  });
}

describe('whoever started it with a channel', () => {
  const gone = encodeURIComponent(
    `await new Promise((resolve) => process.once('disconnect', resolve))`,
  );
  it.each([
    ['before it has begun', [`--import=data:text/javascript,${gone}`]],
    ['at some time', []],
  ])('takes it along by ending %s', async (_, execArgv) => {
    const stdio = ['pipe', 'ignore', 'ignore', 'ipc'] as const;
    const child = fork(`${root}dist/src/cli.js`, ['-'], { stdio: [...stdio], execArgv });
    onTestFinished(() => void child.kill('SIGKILL'));
    child.disconnect();
    const [status] = await once(child, 'exit');
    expect(status).toBe(130);
  });
});

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
          const timer = setInterval(() => {
            if (!hasOpen(child.pid, pipe)) return;
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

describe('a line that takes longer to read than anybody waits', () => {
  it.each(['1', '2'])('is left with one SIGINT, with --jobs %s', async (jobs) => {
    const folder = testFolder();
    const path = join(folder, 'sparse.log');
    writeFileSync(path, 'global_dirty_changed bitmask 0x2\nvfio_');
    // A hole that takes no room, as it is left by a log that is emptied while QEMU writes it.
    truncateSync(path, 2 ** 42);
    const ended = await runProgram([path, '--jobs', jobs, '-o', 'json=out.json'], {
      folder,
      onStart: (child) => {
        const timer = setInterval(() => {
          if (!hasOpen(child.pid, path)) return;
          clearInterval(timer);
          setTimeout(() => child.kill('SIGINT'), 500);
        }, 20);
      },
    });
    expect([ended.status, ended.signal, ended.stderr]).toEqual([130, null, '']);
    expect(existsSync(join(folder, 'out.json'))).toBe(false);
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
