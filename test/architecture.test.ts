import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './helpers/ground-truth.ts';

/** Imports and dynamic imports of a file, as written. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g);
  return [...found].map(([, name]) => name as string);
}

const files = ['src', 'workers'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .filter((name) => name.endsWith('.ts')),
);

/** The room that a file belongs to: its folder in src, or its own name at the top. */
function roomOf(file: string): string {
  const [top, name = ''] = file.split('/');
  return top === 'src' ? name.replace(/\.ts$/, '') : (top as string);
}

interface Edge {
  readonly from: string;
  readonly to: string;
}

const edges: readonly Edge[] = files.flatMap((from) =>
  importsOf(from)
    .filter((name) => name.startsWith('.'))
    .map((name) => ({ from, to: relative(root, join(root, dirname(from), name)) })),
);

/** Whom a room may import, beside itself. Data runs down this list, imports run up it. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  bytes: ['base'],
  events: ['base'],
  decoding: ['base', 'bytes', 'events'],
  // QEMU and the host, which know nothing of logs.
  emulation: ['base'],
  inference: ['base', 'events', 'emulation'],
  boots: ['base', 'events', 'inference'],
  rules: ['base', 'events', 'emulation', 'inference'],
  findings: ['base', 'events', 'emulation', 'inference', 'result', 'rules'],
  result: ['base'],
  // What a report explains, it takes from the rules' pages; of the emulation it knows nothing.
  reports: ['base', 'result', 'rules'],
  engine: [
    'base',
    'boots',
    'bytes',
    'decoding',
    'events',
    'findings',
    'inference',
    'result',
    'workers',
  ],
  // What decodes loads no emulation: a thread is up sooner, and smaller.
  workers: ['engine'],
  // The simulator is written from the specification alone, so that it can be compared with the emulation.
  tools: [],
  cli: ['base', 'cli', 'emulation', 'engine', 'inference', 'reports', 'result', 'rules', 'tools'],
  index: ['base', 'emulation', 'engine', 'inference', 'reports', 'result', 'tools'],
};

describe('imports', () => {
  it('are found at all', () => {
    expect(edges.length).toBeGreaterThan(200);
    expect(new Set(files.map(roomOf))).toEqual(new Set(Object.keys(allowed)));
  });

  it('run only up the list of rooms', () => {
    const wrong = edges.filter(({ from, to }) => {
      const [room, other] = [roomOf(from), roomOf(to)];
      return room !== other && !allowed[room]?.includes(other);
    });
    expect(wrong).toEqual([]);
  });

  it('never join two carriers, or two kinds of records', () => {
    const folderOf = (file: string) =>
      /^src\/decoding\/(?:carriers|records)\/([^/]+)\//.exec(file)?.[1];
    const wrong = edges.filter(({ from, to }) => {
      const [one, other] = [folderOf(from), folderOf(to)];
      return one !== undefined && other !== undefined && one !== other;
    });
    expect(wrong).toEqual([]);
  });

  it('of reports reach the rules only for their texts', () => {
    const wrong = edges.filter(
      ({ from, to }) =>
        roomOf(from) === 'reports' && roomOf(to) === 'rules' && to !== 'src/rules/pages.ts',
    );
    expect(wrong).toEqual([]);
  });
});

describe('who touches what', () => {
  const users = (pattern: RegExp) =>
    files.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8'))).sort();
  const importers = (name: string) => files.filter((file) => importsOf(file).includes(name)).sort();

  it('only the pool knows of threads, and what hands batches over to them', () => {
    expect(importers('piscina')).toEqual(['src/engine/hand-over.ts', 'src/engine/pool.ts']);
    expect(importers('node:worker_threads')).toEqual([]);
  });

  it('only the progress bars draw', () => {
    expect(importers('cli-progress')).toEqual(['src/engine/progress.ts']);
  });

  it('only the command line parses arguments, sets the exit status and writes to the terminal', () => {
    expect(importers('commander').every((file) => file.startsWith('src/cli/'))).toBe(true);
    expect(users(/process\.exit|exitCode/)).toEqual(['src/cli/main.ts']);
    expect(users(/process\.(stdout|stderr)/).every((file) => file.startsWith('src/cli'))).toBe(
      true,
    );
    expect(users(/console\./)).toEqual([]);
  });

  it('traces are opened in one place, and read in ranges in another', () => {
    expect(users(/createGunzip/)).toEqual(['src/bytes/source.ts']);
  });

  it('only the JSON reader uses stream-json', () => {
    const found = files.filter((file) => importsOf(file).some((name) => /^stream-/.test(name)));
    expect(found.every((file) => file.startsWith('src/decoding/records/json/'))).toBe(true);
    expect(found.length).toBeGreaterThan(0);
  });

  it('modules stay small enough to read', () => {
    const long = files.filter((file) => readFileSync(join(root, file), 'utf8').length > 24_000);
    expect(long).toEqual([]);
  });
});
