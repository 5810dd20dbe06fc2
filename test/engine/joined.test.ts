import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import { testFolder } from '../helpers/folder.ts';
import { bytesOf } from '../helpers/ground-truth.ts';

const CAPTURES = [
  'qemu-10.0/blocked-aw48.log.gz',
  'qemu-7.2/blocked-aw48.log.gz',
  'qemu-11.1/blocked-aw48.log.gz',
];

/** Most cuts are inside a line. */
function inFive(bytes: Buffer): readonly Buffer[] {
  return [0, 1, 2, 3, 4].map((index) => {
    const [from, to] = [index, index + 1].map((at) => Math.floor((bytes.length * at) / 5) + at);
    return bytes.subarray(from, index === 4 ? bytes.length : to);
  });
}

describe.each(CAPTURES)('%s in five pieces', (name) => {
  it.each([
    ['plain', 'none', false],
    ['the older ones compressed', 'gzip, none', true],
  ])('is analysed as the whole: %s', async (_, compression, isPacked) => {
    const folder = testFolder();
    const bytes = bytesOf(`traces/${name}`);
    const whole = join(folder, 'whole');
    writeFileSync(whole, bytes);
    const pieces = inFive(bytes).map((piece, index) => {
      const age = 4 - index;
      const path = join(
        folder,
        `vm.log${age === 0 ? '' : `.${age}`}${age > 0 && isPacked ? '.gz' : ''}`,
      );
      writeFileSync(path, age > 0 && isPacked ? gzipSync(piece) : piece);
      return path;
    });
    const { traces } = await run({ inputs: pieces, isJoined: true, jobs: 1 });
    const [expected] = (await run({ inputs: [whole], jobs: 1 })).traces;
    expect(traces).toEqual([{ ...expected, path: join(folder, 'vm.log'), compression }]);
  });
});

const STAMPED = [
  'qemu-10.0/blocked-aw48-ts.log.gz',
  'qemu-11.1/blocked-aw48-minimal-ts.log',
  'qemu-11.1/virtio-migrate.log.gz',
];

/** Names of five pieces, oldest first. */
const NAMES = {
  'days of logrotate': [1, 2, 3, 4].map((day) => `vm.log-2026112${day}.gz`).concat('vm.log'),
  'times of logrotate': [1, 2, 3, 4].map((at) => `vm.log-20261124-0${at}1500`).concat('vm.log'),
  'seconds of logrotate': [1, 2, 3, 4].map((at) => `vm.log-179560${at}000.gz`).concat('vm.log'),
  'days before an extension': [1, 2, 3, 4].map((day) => `vm-2026112${day}.log`).concat('vm.log'),
  'numbers that grow': [1, 2, 3, 4, 5].map((number) => `vm.log.${number}`),
  'names that tell nothing': ['monday', 'afterwards.txt', 'b', 'a.log', 'last'],
} as const;

/** The pieces in a folder, given in another order than that of their names. */
function written(pieces: readonly Uint8Array[], names: readonly string[]) {
  const folder = testFolder();
  const paths = pieces.map((piece, index) => {
    const path = join(folder, names[index] ?? '');
    writeFileSync(path, path.endsWith('.gz') ? gzipSync(piece) : piece);
    return path;
  });
  return { folder, paths: [...paths.slice(2), ...paths.slice(0, 2)] };
}

describe.each(STAMPED)('%s', (name) => {
  const bytes = bytesOf(`traces/${name}`);

  it.each(Object.entries(NAMES))('has the order that its pieces tell: %s', async (_, names) => {
    const { folder, paths } = written(inFive(bytes), names);
    const whole = join(folder, 'whole');
    writeFileSync(whole, bytes);
    const { traces } = await run({ inputs: paths, isJoined: true, jobs: 1 });
    const [expected] = (await run({ inputs: [whole], jobs: 1 })).traces;
    const path = join(folder, names.at(-1) ?? '');
    const compression = names[0]?.endsWith('.gz') ? 'gzip, none' : 'none';
    expect(traces).toEqual([{ ...expected, path, compression }]);
  });

  it('is not clean where its third piece is missing, and says where', async () => {
    const [one, two, , four, five] = inFive(bytes) as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const { paths } = written(
      [one, two, four, five],
      ['vm.log.4', 'vm.log.3', 'vm.log.1', 'vm.log'],
    );
    const { traces } = await run({ inputs: paths, isJoined: true, jobs: 1 });
    const line = Buffer.concat([one, two]).toString('latin1').split('\n').length + 1;
    expect(traces[0]?.losses).toContainEqual(
      expect.objectContaining({ detail: 'the piece with the number 2 is missing', line }),
    );
    expect(traces[0]?.verdict).not.toBe('clean');
  });

  it.each([
    ['by another name', 'other.log.1', 'neither follows the other'],
    ['by its date', 'vm.log-20261120', 'is newer than'],
  ])('is refused where pieces hold the same time: %s', async (_, copy, message) => {
    const [one, two] = inFive(bytes) as [Buffer, Buffer];
    const twice = Buffer.concat([two, two.subarray(0, 5000)]);
    const { paths } = written([twice, one, two], [copy, 'vm.log-20261121', 'vm.log']);
    await expect(run({ inputs: paths, isJoined: true, jobs: 1 })).rejects.toThrow(message);
  });
});

describe('exports of a journal', () => {
  const lines = bytesOf('traces/qemu-11.1/blocked-aw48-minimal-ts.log')
    .toString()
    .split(/(?<=\n)/);
  const shipped = {
    'as JSON': (line: string) =>
      `${JSON.stringify({ MESSAGE: line.trimEnd(), _PID: '4711', SYSLOG_IDENTIFIER: 'qemu' })}\n`,
    'as text': (line: string) => `2026-11-22T08:14:22.000000+0000 host qemu[4711]: ${line}`,
  };

  it.each(Object.entries(shipped))('are put in the order of their times: %s', async (_, ship) => {
    const all = lines.map(ship);
    const third = Math.ceil(all.length / 3);
    const parts = [0, 1, 2].map((at) => all.slice(at * third, (at + 1) * third).join(''));
    const { folder, paths } = written(
      parts.map((part) => Buffer.from(part)),
      ['c', 'a', 'b'],
    );
    writeFileSync(join(folder, 'whole'), all.join(''));
    const joined = await run({ inputs: paths, isJoined: true, jobs: 1 });
    const whole = await run({ inputs: [join(folder, 'whole')], jobs: 1 });
    expect(joined.traces).toEqual([{ ...whole.traces[0], path: join(folder, 'b') }]);
  });
});

/** Each thread's lines in a file of its own, named by it. */
function byThread(lines: readonly string[], threadOf: (line: string, index: number) => number) {
  const folder = testFolder();
  const files = new Map<string, string[]>();
  for (const [index, line] of lines.entries()) {
    const path = join(folder, `qemu-${threadOf(line, index)}.log`);
    const own = files.get(path) ?? [];
    own.push(line);
    files.set(path, own);
  }
  for (const [path, own] of files) writeFileSync(path, own.join(''));
  writeFileSync(join(folder, 'whole'), lines.join(''));
  return { folder, paths: [...files.keys()] };
}

describe('files of threads', () => {
  const stampOf = (line: string) => /^\S+Z /.exec(line)?.[0] ?? null;

  it('of QEMU to 10.1 are one log, by the times of their lines', async () => {
    const lines = bytesOf('traces/qemu-10.0/blocked-aw48-ts.log.gz')
      .toString()
      .split(/(?<=\n)/);
    let thread = 1;
    const { folder, paths } = byThread(lines, (line) => {
      thread = Number(/^(\d+)@/.exec(line)?.[1] ?? thread);
      return thread;
    });
    expect(paths.length).toBeGreaterThan(1);
    const joined = await run({ inputs: paths, isJoined: true, jobs: 1 });
    const whole = await run({ inputs: [join(folder, 'whole')], jobs: 1 });
    expect(joined.traces).toEqual([{ ...whole.traces[0], path: joined.traces[0]?.path }]);
  });

  it.each([2, 300])('of later ones are, also where they are %i', async (count) => {
    const capture = bytesOf('traces/qemu-11.1/virtio-migrate.log.gz');
    let [thread, stamp] = [0, ''];
    const { folder, paths } = byThread(capture.toString().split(/(?<=\n)/), (line, index) => {
      const own = stampOf(line) ?? stamp;
      if (own !== stamp) thread = (index * 7919) % count;
      stamp = own;
      return 100 + thread;
    });
    const joined = await run({ inputs: paths, isJoined: true, jobs: 1 });
    const whole = await run({ inputs: [join(folder, 'whole')], jobs: 1 });
    expect(joined.traces).toEqual([{ ...whole.traces[0], path: joined.traces[0]?.path }]);
  });

  const written = (files: Readonly<Record<string, string>>) => {
    const folder = testFolder();
    return Object.entries(files).map(([name, text]) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    });
  };
  const line = (thread: number, at: number) => `${thread}@${at}.000000:vtd_reset_exit \n`;

  it('lose a last line that is cut', async () => {
    const inputs = written({
      'q-7.log': line(7, 1) + line(7, 5),
      'q-8.log': `${line(8, 2) + line(8, 3)}8@4.0000`,
    });
    const { traces } = await run({ inputs, isJoined: true, jobs: 1 });
    expect(traces[0]?.lines).toBe(4);
    expect(traces[0]?.losses).toMatchObject([{ kind: 'truncated' }]);
  });

  it.each([
    [{ 'q-7.log': line(7, 1) + line(7, 5), 'q-8.log': line(9, 2) }, 'not the lines of thread 8'],
    [{ 'q-7.log': line(7, 1) + line(7, 5), 'q-8.log': 'vtd_reset_exit \n' }, 'has no times'],
    [{ 'q.1': line(7, 1) + line(7, 5), 'q.2': line(9, 2) }, 'neither follows the other'],
  ])('are refused: %j', async (files, message) => {
    await expect(run({ inputs: written(files), isJoined: true, jobs: 1 })).rejects.toThrow(message);
  });
});

describe('pieces', () => {
  const line = (at: number) => `100@${at}.000000:vtd_reset_exit \n`;
  const joinOf = async (pieces: readonly string[], names: readonly string[]) => {
    const { paths } = written(
      pieces.map((piece) => Buffer.from(piece)),
      names,
    );
    const { traces } = await run({ inputs: paths, isJoined: true, jobs: 1 });
    return traces.flatMap(({ losses }) => losses.map(({ detail }) => detail));
  };

  it('between which a piece may be missing are said to be so, by their times', async () => {
    const pieces = [line(1000) + line(1500), line(1900) + line(2000), line(2900), line(2950)];
    expect(await joinOf(pieces, ['d', 'c', 'b', 'a'])).toEqual([
      'a piece may be missing: no line for 900 s between piece 2 and piece 3',
    ]);
  });

  it('whose numbers grow with time have their holes where they are', async () => {
    const pieces = [line(1), line(5) + line(6), line(7)];
    const { paths } = written(
      pieces.map((piece) => Buffer.from(piece)),
      ['a.3', 'a.7', 'a.8'],
    );
    const { traces } = await run({ inputs: paths, isJoined: true, jobs: 1 });
    expect(traces.flatMap(({ losses }) => losses)).toMatchObject([
      { detail: 'the pieces with the numbers 4 to 6 are missing', line: 2 },
    ]);
  });

  it('that are empty mean nothing', async () => {
    const { paths } = written(
      [line(1), line(2), ''].map((piece) => Buffer.from(piece)),
      ['a.2', 'a.1', 'a'],
    );
    const { traces } = await run({ inputs: paths, isJoined: true, jobs: 1 });
    expect(traces).toMatchObject([{ lines: 2, losses: [] }]);
  });

  it('between which a day is missing are said to be so, where there are no times', async () => {
    const names = ['log-20261120', 'log-20261121.gz', 'log-20261124', 'log'];
    expect(await joinOf(Array(4).fill('vtd_reset_exit \n'), names)).toEqual([
      'no piece of the 3 days from 2026-11-21 on, others come every 1',
    ]);
  });

  it.each([
    [['vtd_reset_exit \n', 'vtd_reset_exit \n'], ['a', 'b'], 'has no times'],
    [
      [line(1), 'qemu:vtd_reset_exit: (5) arg1=1\n', line(2)],
      ['a.1', 'a.1.gz', 'a'],
      'there twice',
    ],
    [
      [line(5), line(9), line(7)],
      ['a-20261101', 'a-20261102', 'a'],
      'by its name, and begins before',
    ],
    [['[{"event":"vtd_reset_exit"}]', line(2)], ['a.1', 'a'], 'which is whole'],
  ])('of %j named %j are refused', async (pieces, names, message) => {
    await expect(joinOf(pieces, names)).rejects.toThrow(message);
  });
});
