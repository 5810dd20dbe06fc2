import {
  chmodSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { type ProgramOptions, runProgram } from '../helpers/program.ts';

const log = readFileSync(`${root}traces/qemu-10.0/blocked-aw48-minimal.log`);

/** A folder with a trace, `qemu.log`, and others by the names of their contents. */
function folderOf(others: Readonly<Record<string, Uint8Array | string>> = {}): string {
  const folder = testFolder();
  for (const [name, content] of Object.entries({ 'qemu.log': log, ...others })) {
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** All files of a folder, with what they hold. */
function contentsOf(folder: string) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => [name, readFileSync(join(folder, name), 'latin1')])
    .sort();
}

/** Nothing is written by such a call; returns what it says. */
async function refused(folder: string, args: readonly string[], options: ProgramOptions = {}) {
  const before = contentsOf(folder);
  const { status, stdout, stderr } = await runProgram(args, { folder, ...options });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(contentsOf(folder)).toEqual(before);
  return stderr;
}

const OVER_INPUT = 'an input, which an output would overwrite';

describe('an output never takes the place of a trace that is analysed,', () => {
  const flags = [
    (path: string) => ['-o', `json=${path}`],
    (path: string) => ['--unmaps', path],
    (path: string) => ['--mappings', path],
  ];

  it.each(flags.map((flag) => [flag('PATH').join(' '), flag] as const))('%s', async (_, flag) => {
    const folder = folderOf();
    expect(await refused(folder, ['qemu.log', ...flag('./qemu.log')])).toContain(OVER_INPUT);
  });

  it('called by a link, or reached through one', async () => {
    const folder = folderOf();
    symlinkSync('qemu.log', join(folder, 'link'));
    symlinkSync('.', join(folder, 'same'));
    expect(await refused(folder, ['link', '-o', 'json=qemu.log'])).toContain(OVER_INPUT);
    expect(await refused(folder, ['qemu.log', '-o', 'json=link'])).toContain(OVER_INPUT);
    expect(await refused(folder, ['qemu.log', '-o', 'json=same/qemu.log'])).toContain(OVER_INPUT);
  });

  it('by another name of the same file', async () => {
    const folder = folderOf();
    linkSync(join(folder, 'qemu.log'), join(folder, 'other'));
    expect(await refused(folder, ['qemu.log', '-o', 'json=other'])).toContain(OVER_INPUT);
  });

  it('named in a list, which is none of its own either', async () => {
    const folder = folderOf({ list: 'qemu.log\n' });
    expect(await refused(folder, ['@list', '-o', 'json=qemu.log'])).toContain(OVER_INPUT);
    expect(await refused(folder, ['@list', '-o', 'json=list'])).toContain(OVER_INPUT);
  });

  it('found by a pattern', async () => {
    const folder = folderOf();
    expect(await refused(folder, ['*.log', '-o', 'json=qemu.log'])).toContain(OVER_INPUT);
  });

  it('found in a folder', async () => {
    const folder = folderOf({ 'other.log': log });
    expect(await refused(folder, ['.', '-o', 'json=qemu.log'])).toContain('qemu.log: a trace,');
    expect(await refused(folder, ['.', '--unmaps', 'qemu.log'])).toContain('qemu.log: a trace,');
  });

  it('that is standard input, or is what standard output goes to', async () => {
    const folder = folderOf();
    const { status, stderr } = await runProgram(['-', '-o', 'json=qemu.log'], {
      folder,
      stdinFrom: join(folder, 'qemu.log'),
    });
    expect([status, stderr]).toEqual([2, expect.stringContaining(OVER_INPUT)]);
    const printed = await runProgram(['qemu.log'], {
      folder,
      stdoutTo: join(folder, 'qemu.log'),
      appends: true,
    });
    expect([printed.status, printed.stderr]).toEqual([2, expect.stringContaining(OVER_INPUT)]);
    expect(readFileSync(join(folder, 'qemu.log'))).toEqual(log);
  });

  it('that is not there yet', async () => {
    const folder = folderOf();
    symlinkSync('new', join(folder, 'link'));
    expect(await refused(folder, ['qemu.log', 'new', '-o', 'json=link'])).toContain(OVER_INPUT);
  });
});

describe('an output never takes the place of a trace that nobody analyses,', () => {
  it.each([
    ['a log', log, 'a trace'],
    ['one that is compressed', gzipSync(log), 'a trace'],
    ['one that is compressed otherwise', Buffer.from('04224d1864', 'hex'), 'lz4-compressed'],
  ])('%s', async (_, content, what) => {
    const folder = folderOf({ old: content });
    expect(await refused(folder, ['qemu.log', '-o', 'json=old'])).toContain(`old: ${what},`);
  });
});

describe('two outputs never go to one file,', () => {
  it('there or not, by whatever names', async () => {
    const folder = folderOf({ old: 'old' });
    symlinkSync('old', join(folder, 'old-link'));
    symlinkSync('new', join(folder, 'new-link'));
    for (const [one, other] of [
      ['old', 'old-link'],
      ['new', 'new-link'],
      ['new', './new'],
    ]) {
      const outputs = ['-o', `json=${one}`, '--unmaps', `${other}`];
      expect(await refused(folder, ['qemu.log', ...outputs])).toContain('two outputs');
    }
  });

  it('one of them being standard output', async () => {
    const folder = folderOf();
    const path = join(folder, 'report');
    const ended = await runProgram(['qemu.log', '-o', `json=${path}`], { stdoutTo: path, folder });
    expect(ended.status).toBe(2);
    expect(ended.stderr).toContain('two outputs would go to this file');
    expect(readFileSync(path, 'utf8')).toBe('');
  });
});

describe('a file that an output replaces', () => {
  it('is a report of before, or anything that is no trace', async () => {
    const folder = folderOf({ old: 'a letter\n', 'empty.log': '' });
    const formats = ['text', 'json', 'ndjson', 'html', 'markdown', 'sarif', 'junit', 'csv'];
    const outputs = [
      ...formats.flatMap((name) => ['-o', `${name}=out.${name}`]),
      ...['--unmaps', 'unmaps.ndjson', '--mappings', 'mappings.csv'],
    ];
    for (let time = 0; time < 2; time += 1) {
      const { status, stderr } = await runProgram(['qemu.log', '-v', ...outputs], { folder });
      expect([status, stderr]).toEqual([1, '']);
    }
    for (const path of ['old', 'empty.log']) {
      expect((await runProgram(['qemu.log', '-o', `text=${path}`], { folder })).status).toBe(1);
      expect(readFileSync(join(folder, path), 'utf8')).toContain('FAILS');
    }
  });

  it('gives it its mode', async () => {
    const folder = folderOf({ 'secret.json': 'old', 'open.ndjson': 'old' });
    chmodSync(join(folder, 'secret.json'), 0o600);
    chmodSync(join(folder, 'open.ndjson'), 0o664);
    await runProgram(['qemu.log', '-o', 'json=secret.json', '--unmaps', 'open.ndjson'], { folder });
    const modeOf = (name: string) => statSync(join(folder, name)).mode & 0o777;
    expect([modeOf('secret.json'), modeOf('open.ndjson')]).toEqual([0o600, 0o664]);
    expect(readFileSync(join(folder, 'secret.json'), 'utf8')).toContain('schemaVersion');
  });

  it('may be behind a link that leads nowhere yet', async () => {
    const folder = folderOf();
    symlinkSync('new.json', join(folder, 'link'));
    await runProgram(['qemu.log', '-o', 'json=link'], { folder });
    expect(readFileSync(join(folder, 'new.json'), 'utf8')).toContain('schemaVersion');
  });
});

describe('what a run that was killed has left', () => {
  /** Kills a run that waits for more of its input, and returns what it leaves in the folder. */
  async function litterIn(folder: string): Promise<readonly string[]> {
    const before = new Set(readdirSync(folder));
    const isNew = (name: string) => !before.has(name);
    await runProgram(['-', '-o', 'json=out.json', '--unmaps', 'unmaps.ndjson'], {
      folder,
      onStart: (child) => {
        child.stdin.write(log);
        const timer = setInterval(() => {
          const hasParts = readdirSync(folder).filter(isNew).length === 3;
          if (!hasParts) return;
          clearInterval(timer);
          child.kill('SIGKILL');
        }, 20);
      },
    });
    return readdirSync(folder).filter(isNew);
  }

  it('is taken away by the next, and nothing else', async () => {
    const folder = folderOf({ '.vtdscope-notes': 'mine', 'out.json.123.partial': 'mine' });
    const others = [
      // Of another machine, whose processes are not seen here.
      `.vtdscope-${'0'.repeat(12)}-1-1-${'0'.repeat(32)}`,
    ];
    for (const name of others) writeFileSync(join(folder, name), 'theirs');
    expect(await litterIn(folder)).toHaveLength(3);
    const { status } = await runProgram(['qemu.log', '-o', 'json=out.json'], { folder });
    expect(status).toBe(1);
    expect(readdirSync(folder).sort()).toEqual(
      ['.vtdscope-notes', 'out.json', 'out.json.123.partial', 'qemu.log', ...others].sort(),
    );
  });

  it('is no trace of its folder, and neither is what a run at work holds', async () => {
    const folder = folderOf();
    const [name = ''] = (await litterIn(folder)).filter((name) =>
      statSync(join(folder, name)).isFile(),
    );
    writeFileSync(join(folder, name), log);
    const { stdout } = await runProgram(['.', '-q'], { folder });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(existsSync(join(folder, name))).toBe(true);
  });

  it('is not what a run at work holds', async () => {
    const folder = folderOf();
    await runProgram(['-', '-q', '-o', 'json=slow.json', '--unmaps', 'slow.ndjson'], {
      folder,
      onStart: (child) => {
        child.stdin.write(log);
        const timer = setInterval(() => {
          if (readdirSync(folder).length < 4) return;
          clearInterval(timer);
          void runProgram(['qemu.log', '-o', 'json=quick.json'], { folder }).then(() =>
            child.stdin.end(),
          );
        }, 20);
      },
    });
    expect(readdirSync(folder).sort()).toEqual([
      'qemu.log',
      'quick.json',
      'slow.json',
      'slow.ndjson',
    ]);
    expect(readFileSync(join(folder, 'slow.json'), 'utf8')).toContain('"verdict": "fails"');
  });
});
