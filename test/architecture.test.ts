import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './helpers/ground-truth.ts';

interface Import {
  readonly name: string;
  /** Nothing is loaded for it. */
  readonly isType: boolean;
  /** Loaded only when it is asked for. */
  readonly isDynamic: boolean;
}

/** Imports, re-exports and dynamic imports of a text, as written. */
function importsIn(text: string): readonly Import[] {
  const found = text.matchAll(
    /(?:(import|export)\s+(type\s)?[^'"();]*?from\s*|import\s*\(?\s*)['"]([^'"]+)['"]/g,
  );
  return [...found].map(([text, , type, name = '']) => ({
    name,
    isType: type !== undefined,
    isDynamic: /^import\s*\(/.test(text),
  }));
}

const readImports = (file: string) => importsIn(readFileSync(join(root, file), 'utf8'));
const importsOf = (file: string) => readImports(file).map(({ name }) => name);

// The kernel's AssemblyScript is another language, and what compiles it runs before the program is there.
const files = ['src', 'workers'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .filter((name) => name.endsWith('.ts') && !/\/wasm\/(?:assembly|build)\//.test(name)),
);

/** The room that a file belongs to: its folder in src, or its own name at the top. */
function roomOf(file: string): string {
  const [top, name = ''] = file.split('/');
  return top === 'src' ? name.replace(/\.ts$/, '') : (top as string);
}

interface Edge extends Omit<Import, 'name'> {
  readonly from: string;
  readonly to: string;
}

const edges: readonly Edge[] = files.flatMap((from) =>
  readImports(from)
    .filter(({ name }) => name.startsWith('.'))
    .map(({ name, ...how }) => ({
      from,
      to: relative(root, join(root, dirname(from), name)),
      ...how,
    })),
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
    'rules',
  ],
  fleet: ['base', 'bytes', 'engine', 'reports', 'result'],
  // How to capture what is replayed: the catalogue's names, and nothing else.
  recording: ['base', 'events'],
  // What decodes loads no emulation: a thread is up sooner, and smaller.
  workers: ['engine'],
  // The simulator is written from the specification alone, so that it can be compared with the emulation.
  tools: [],
  cli: [
    'base',
    'bytes',
    'emulation',
    'engine',
    'fleet',
    'inference',
    'recording',
    'reports',
    'result',
    'rules',
    'tools',
  ],
  index: ['base', 'emulation', 'engine', 'inference', 'reports', 'result', 'tools'],
};

describe('imports', () => {
  it('are read as they are written', () => {
    const text = `
import { a } from './a.ts';
import type { B } from './b.ts';
import {
  c,
  type D,
} from "./c.ts";
export type * from './e.ts';
export { f } from './f.ts';
const g = await import('./g.ts');
import './h.ts';
`;
    expect(importsIn(text)).toEqual(
      ['a', 'b', 'c', 'e', 'f', 'g', 'h'].map((name) => ({
        name: `./${name}.ts`,
        isType: name === 'b' || name === 'e',
        isDynamic: name === 'g',
      })),
    );
  });

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
      /^src\/decoding\/(?:carriers|records)\/([^/.]+)/.exec(file)?.[1];
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

/** All that a file loads, be it at once or later, itself included; what is only a type is not loaded. */
function loadedBy(file: string, when: 'ever' | 'at once' = 'ever'): ReadonlySet<string> {
  const loaded = new Set<string>();
  const load = (name: string) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const { from, to, isType, isDynamic } of edges) {
      if (from === name && !isType && (when === 'ever' || !isDynamic)) load(to);
    }
  };
  load(file);
  return loaded;
}

describe('threads', () => {
  it('that decode load no emulation, no inference and no pool', () => {
    const rooms = new Set([...loadedBy('workers/decode.ts')].map(roomOf));
    expect([...rooms].sort()).toEqual(['base', 'bytes', 'decoding', 'engine', 'events', 'workers']);
    expect(loadedBy('workers/decode.ts')).not.toContain('src/engine/pool.ts');
  });

  it('that analyse load neither the pool nor the reports', () => {
    const loaded = loadedBy('workers/analyze.ts');
    expect(loaded).toContain('src/engine/replay.ts');
    expect(loaded).not.toContain('src/engine/pool.ts');
    expect([...loaded].filter((file) => roomOf(file) === 'reports')).toEqual([]);
  });
});

describe('rules', () => {
  const ruleOf = (file: string) => /^src\/rules\/([^/]+)\//.exec(file)?.[1];

  it('know operations and facts, and no machine', () => {
    const wrong = edges.filter(
      ({ from, to }) => roomOf(from) === 'rules' && to === 'src/inference/machine.ts',
    );
    expect(wrong).toEqual([]);
  });

  it('never know each other', () => {
    const wrong = edges.filter(({ from, to }) => {
      const [one, other] = [ruleOf(from), ruleOf(to)];
      return one !== undefined && other !== undefined && one !== other;
    });
    expect(wrong).toEqual([]);
  });

  it('are named in the registry, by their pages, and nowhere else', () => {
    const folders = new Set(files.flatMap((file) => ruleOf(file) ?? []));
    const named = edges.filter(({ from, to }) => ruleOf(from) === undefined && ruleOf(to));
    expect(named.map(({ from }) => from)).toEqual(named.map(() => 'src/rules/registry.ts'));
    expect(named.map(({ to }) => to).sort()).toEqual(
      [...folders].sort().map((folder) => `src/rules/${folder}/page.ts`),
    );
  });

  it('are loaded by no page before they are asked for', () => {
    const loaded = [...loadedBy('src/rules/pages.ts', 'at once')];
    expect(loaded.filter((file) => ruleOf(file) && !file.endsWith('/page.ts'))).toEqual([]);
    expect(loaded.filter((file) => file.endsWith('/page.ts')).length).toBeGreaterThan(10);
    expect(loaded.filter((file) => roomOf(file) !== 'rules')).toEqual([]);
  });
});

describe('src/README.md', () => {
  const readme = readFileSync(join(root, 'src/README.md'), 'utf8');

  it('has the table of imports as it is here', () => {
    const rows = [...readme.matchAll(/^\| (\w+) \|(?: (.*))? \|$/gm)];
    const table = rows
      .filter(([, room = '']) => room !== 'room')
      .map(([, room, others = '']) => [room, others === '' ? [] : others.split(', ')]);
    expect(Object.fromEntries(table)).toEqual(allowed);
  });

  it('names files and folders that are there', () => {
    const named = [...readme.matchAll(/`((?:[\w.-]+\/)*[\w.-]+(?:\.ts|\.md|\/))`/g)].map(
      ([, name = '']) => name,
    );
    const places = ['src/', '', 'src/emulation/', 'src/rules/query-over-hole/'];
    expect(named.length).toBeGreaterThan(30);
    expect(
      named.filter((name) => places.every((place) => !existsSync(join(root, place, name)))),
    ).toEqual([]);
  });
});

describe('the top of src', () => {
  it('holds the program and the library, and nothing loose', () => {
    const loose = readdirSync(join(root, 'src')).filter((name) => name.endsWith('.ts'));
    expect(loose.sort()).toEqual(['cli.ts', 'index.ts']);
  });
});

describe('who touches what', () => {
  const users = (pattern: RegExp) =>
    files.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8'))).sort();
  const importers = (...names: readonly string[]) =>
    files.filter((file) => importsOf(file).some((name) => names.includes(name))).sort();

  it('only bytes opens files, but for what the package itself brings along', () => {
    const found = importers('node:fs', 'node:fs/promises', 'tinyglobby');
    expect(found.filter((file) => roomOf(file) !== 'bytes')).toEqual([
      // Its guides, and the schema that one is made of.
      'src/cli/guide.ts',
      // Its kernel.
      'src/decoding/wasm/module.ts',
      // Its style and script.
      'src/reports/html/assets.ts',
      // Its package.json, for the version.
      'src/result/version.ts',
    ]);
  });

  it('only one file reaches over the network, but for the drivers of a queue', () => {
    expect(importers('node:http', 'node:https')).toEqual([
      'src/bytes/objects/exchange.ts',
      // Where it is reached, by Prometheus.
      'src/fleet/queue/metrics.ts',
    ]);
    expect(users(/\bfetch\(/)).toEqual([]);
  });

  it('only one folder of bytes decompresses', () => {
    const found = importers('node:zlib', 'zstddec/stream', 'xz-decompress');
    expect(found).toEqual(['gzip', 'xz', 'zstd'].map((name) => `src/bytes/compression/${name}.ts`));
  });

  it('only the engine knows of threads: the pool, and what hands batches over to it', () => {
    expect(importers('piscina')).toEqual(['src/engine/hand-over.ts', 'src/engine/pool.ts']);
    expect(importers('node:worker_threads')).toEqual([]);
    expect(importers('p-map').filter((file) => roomOf(file) !== 'engine')).toEqual([]);
  });

  it('only the command line knows the terminal, its arguments and the exit status', () => {
    for (const name of ['cli-progress', 'commander']) {
      expect(importers(name).length).toBeGreaterThan(0);
      expect(importers(name).filter((file) => roomOf(file) !== 'cli')).toEqual([]);
    }
    expect(users(/process\.exit|exitCode/)).toEqual(['src/cli.ts', 'src/cli/main.ts']);
    expect(users(/process\.(stdout|stderr)/).filter((file) => roomOf(file) !== 'cli')).toEqual([]);
    expect(users(/console\./)).toEqual([]);
  });

  it('what is emulated, inferred and judged knows nothing of the system it runs on', () => {
    const pure = new Set(
      Object.keys(allowed).filter(
        (room) =>
          !['bytes', 'cli', 'engine', 'fleet', 'reports', 'result', 'workers'].includes(room),
      ),
    );
    const found = files.flatMap((file) =>
      pure.has(roomOf(file)) ? importsOf(file).filter((name) => /^node:/.test(name)) : [],
    );
    // A finding's fingerprint; a kernel's own code.
    expect(found.sort()).toEqual(['node:crypto', 'node:fs']);
  });

  it('only the JSON reader uses stream-json', () => {
    const found = files.filter((file) => importsOf(file).some((name) => /^stream-/.test(name)));
    expect(found.every((file) => file.startsWith('src/decoding/records/json/'))).toBe(true);
    expect(found.length).toBeGreaterThan(0);
  });
});

describe('modules', () => {
  it('name a subject: how long they are does not matter', () => {
    expect(files.filter((file) => !/^[a-z0-9-]+(?:\.\d+)?\.ts$/.test(basename(file)))).toEqual([]);
    const vague = /(?:^|[-/])(?:utils?|helpers?|misc|common|manager|more|part-?\d)(?:[-.]|$)/;
    expect(files.filter((file) => vague.test(file.slice(file.indexOf('/'))))).toEqual([]);
  });

  /** Contracts may name each other's types; what is loaded goes one way. */
  it('do not load each other in circles', () => {
    expect(files.filter((file) => isInCircle(file))).toEqual([]);
  });

  it('keep no state of their own: two traces in one process do not meet', () => {
    const stateful = /^(?:export )?let /m;
    expect(files.filter((file) => stateful.test(readFileSync(join(root, file), 'utf8')))).toEqual(
      [],
    );
  });
});

function isInCircle(file: string): boolean {
  return edges.some(({ from, to, isType }) => from === file && !isType && loadedBy(to).has(file));
}
