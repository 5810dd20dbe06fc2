import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BoundId, bounds } from '../src/inference/bounds.ts';
import { analyzeLines } from './helpers/analyze.ts';
import { testFolder } from './helpers/folder.ts';
import { root } from './helpers/ground-truth.ts';
import { madeUpLogs } from './helpers/made-up-logs.ts';

/** What a log can make up costs no more than its lines, and what is not replayed of it is said. */

/** Lines of a log: far more of each thing than its bound where that is small. */
const FEW = 1200;
const MANY = 2 * FEW;
/** Twice the lines may take little more than twice the work; what is quadratic takes four times. */
const MOST_RATIO = 2.7;

/** How many blocks of the program run for each of the files; counted, and not timed. */
function workOf(paths: readonly string[]): readonly number[] {
  const counter = join(root, 'test/helpers/count-work.mjs');
  const library = join(root, 'dist/src/index.js');
  const { stdout, stderr } = spawnSync(process.execPath, [counter, library, ...paths], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as readonly number[];
}

it('twice the lines take about twice the work', () => {
  const names = Object.keys(madeUpLogs);
  const folder = testFolder();
  const paths = names.flatMap((name) =>
    [FEW, MANY].map((count) => {
      const path = join(folder, `${name.replaceAll(' ', '-')}-${count}.log`);
      writeFileSync(path, `${madeUpLogs[name]?.(count).join('\n')}\n`);
      return path;
    }),
  );
  const counts = workOf(paths);
  const ratios = names.map((name, index) => {
    const [few = 0, many = 0] = counts.slice(2 * index, 2 * index + 2);
    expect(few).toBeGreaterThan(FEW);
    return { name, ratio: many / few };
  });
  expect(ratios.filter(({ ratio }) => ratio > MOST_RATIO)).toEqual([]);
}, 300_000);

/** What must be said of a log with more of a thing than its bound. */
const reached: Readonly<Partial<Record<string, BoundId>>> = {
  'devices that are unmapped': 'devices',
  'devices that are replayed': 'devices',
  domains: 'devices',
  containers: 'containers',
  'containers of iommufd': 'containers',
  'containers with sections': 'containers',
  notifiers: 'notifiers',
  'devices that save': 'saving-devices',
};

describe.each(Object.entries(reached))('a log of %s', (name, id = 'memory') => {
  const { most, text } = bounds[id];

  it('is replayed up to the bound, and said to be', async () => {
    const { session, trace } = await analyzeLines(madeUpLogs[name]?.(2 * most + 100) ?? []);
    const reason = session.reasons.find((told) => told.includes('the replay of this boot ends'));
    expect(reason).toMatch(/ends at line \d+, with more than/);
    expect(reason).toContain(`${most} ${text}`);
    expect(trace.verdict).not.toBe('clean');
    expect(session.addressSpaces.length).toBeLessThanOrEqual(bounds.devices.most + 2);
    expect(session.containers.length).toBeLessThanOrEqual(bounds.containers.most + 2);
    expect(session.lastLine).toBe(trace.lines);
  });
});

describe('the table of bounds', () => {
  const files = ['src/inference', 'src/findings'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file !== 'bounds.ts')
      .map((file) => readFileSync(join(root, folder, file), 'utf8')),
  );

  it.each(Object.entries(bounds))('%s is watched, and says why it is enough', (id, { reason }) => {
    const isOfAll = id === 'memory' || id === 'steps';
    const isWatched = files.some((text) => new RegExp(`\\b(?:add|check)\\('${id}'`).test(text));
    expect(isWatched || isOfAll).toBe(true);
    expect(reason.length).toBeGreaterThan(20);
  });
});
