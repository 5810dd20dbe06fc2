import {
  appendFileSync,
  closeSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openToRead } from '../../src/bytes/open-file.ts';
import { openSource, type SourceEnd } from '../../src/bytes/source.ts';
import { type Fate, TraceFile } from '../../src/bytes/trace-file.ts';
import { testFolder } from '../helpers/folder.ts';
import { someLog } from './read-source.ts';

const log = someLog(3_000_000);

/** Overwrites some bytes of a file in place. */
function overwrite(path: string, offset: number, text: string): void {
  const file = openSync(path, 'r+');
  writeSync(file, text, offset);
  closeSync(file);
}

/** What may happen to a log while it is read, what it comes to, and how much is read of it. */
const fates: readonly {
  readonly name: string;
  readonly happens: (path: string) => void;
  readonly fate: Fate;
  readonly bytes?: number;
}[] = [
  { name: 'nothing', happens: () => {}, fate: 'unchanged' },
  { name: 'it loses its name', happens: (path) => rmSync(path), fate: 'unchanged' },
  {
    name: 'it is rotated, and another takes its name',
    happens(path) {
      renameSync(path, `${path}.1`);
      writeFileSync(path, 'another\n');
    },
    fate: 'unchanged',
  },
  { name: 'it grows', happens: (path) => appendFileSync(path, 'more\n'), fate: 'grown' },
  {
    name: 'it grows after it was rotated',
    happens(path) {
      renameSync(path, `${path}.1`);
      appendFileSync(`${path}.1`, 'more\n');
    },
    fate: 'grown',
  },
  {
    name: 'it is cut short',
    happens: (path) => truncateSync(path, 1_500_000),
    fate: 'rewritten',
    bytes: 1_500_000,
  },
  { name: 'it is emptied', happens: (path) => truncateSync(path), fate: 'rewritten', bytes: 0 },
  {
    name: 'it is emptied, and written to its old end by who still has it open',
    happens(path) {
      truncateSync(path);
      overwrite(path, log.length, 'more\n');
    },
    fate: 'rewritten',
  },
  {
    name: 'another is copied into it',
    happens: (path) => writeFileSync(path, someLog(4_000_000).fill('x', 0, 100)),
    fate: 'rewritten',
  },
  {
    name: 'its end is overwritten',
    happens(path) {
      overwrite(path, log.length - 10, 'other text, and more\n');
    },
    fate: 'rewritten',
  },
  {
    name: 'something is written into it, and nothing behind',
    happens(path) {
      overwrite(path, 1_500_000, 'x');
      // Whatever the clock's steps.
      utimesSync(path, 1, 1);
    },
    fate: 'rewritten',
  },
];

describe.each(fates)('a trace file of which $name', ({ happens, fate, bytes = log.length }) => {
  const pathOf = () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, log);
    return path;
  };

  it('is what it was, or is not', async () => {
    const path = pathOf();
    const file = new TraceFile(openToRead(path));
    happens(path);
    let length = 0;
    for await (const chunk of file.chunks(1_000_000)) length += chunk.length;
    expect([file.fate(), length]).toEqual([fate, bytes]);
    file.close();
  });

  it('tells it in the end', async () => {
    const path = pathOf();
    const source = await openSource(path);
    const { ranges } = source;
    happens(path);
    // As threads do, which read by themselves.
    const ended: SourceEnd = source.finish(bytes);
    source.close();
    expect(ranges?.bytes).toBe(log.length);
    expect(ended.hasGrown).toBe(fate === 'grown');
    expect(ended.losses.map(({ kind }) => kind)).toEqual(fate === 'rewritten' ? ['truncated'] : []);
  });
});

it('a trace file is not read behind the size that it had', async () => {
  const path = join(testFolder(), 'log');
  writeFileSync(path, log);
  const file = new TraceFile(openToRead(path));
  appendFileSync(path, 'more\n');
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.chunks(70_000)) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(log)).toBe(true);
  file.close();
});
