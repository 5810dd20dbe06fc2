import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { reports } from '../../src/reports/index.ts';
import type { Report, ReportOptions } from '../../src/reports/report.ts';
import type { Result } from '../../src/result/types.ts';
import { goldenCaptures, goldenResult, jsonOf } from '../helpers/golden.ts';

/**
 * Every report of results of real captures, as it was when it was last looked at. `test/golden` has
 * a folder per capture with its result (`result.json`, with fewer steps of its course than the
 * program gives) and what each report makes of it.
 */

const UPDATE = 'npm run golden';
const { UPDATE_GOLDEN } = process.env;
const isUpdating = UPDATE_GOLDEN === '1';

const golden = new URL('../golden/', import.meta.url);
const options: ReportOptions = { color: false, width: 80, verbosity: 0 };

/** Without what is not of this project, has a test of its own, or changes with every line of code. */
function rendered(report: Report, result: Result, verbosity = 0): string {
  const text = [...report.render(result, { ...options, verbosity })].join('');
  switch (report.name) {
    case 'html':
      return text
        .replace(/<script>[\s\S]*?<\/script>/g, '<script>...</script>')
        .replace(/<style>[\s\S]*?<\/style>/g, '<style>...</style>')
        .replace(/<pre>[\s\S]*?<\/pre>/g, '<pre>...</pre>')
        .replace(/"page":"(?:[^"\\]|\\.)*"/g, '"page":"..."')
        .replace(/'sha256-[^']*'/g, "'sha256-...'");
    case 'sarif':
      return text.replace(
        /("help": \{\s*"text": )"(?:[^"\\]|\\.)*"(,\s*"markdown": )"(?:[^"\\]|\\.)*"/g,
        '$1"..."$2"..."',
      );
    default:
      return text;
  }
}

/** Compares with a file, or writes it. */
function check(path: string, text: string): void {
  const file = new URL(path, golden);
  if (isUpdating) {
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text, `test/golden/${path} is another. If it should be: ${UPDATE}`).toBe(contentOf(file));
}

function contentOf(file: URL): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return `a file that is not there yet: ${UPDATE}`;
  }
}

function resultIn(folder: string): Result {
  return JSON.parse(readFileSync(new URL(`${folder}/result.json`, golden), 'utf8')) as Result;
}

const folders = Object.keys(goldenCaptures);

if (isUpdating) {
  for (const [folder, capture] of Object.entries(goldenCaptures)) {
    const file = new URL(`${folder}/result.json`, golden);
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, jsonOf(await goldenResult(capture)));
  }
}

describe.each(folders)('%s', (folder) => {
  const result = resultIn(folder);

  it('is what the program gives for its capture', async () => {
    check(`${folder}/result.json`, jsonOf(await goldenResult(goldenCaptures[folder] ?? '')));
  });

  it.each(reports.filter(({ name }) => name !== 'json'))('as $name', (report) => {
    check(`${folder}/report.${report.extension}`, rendered(report, result));
  });

  it('as text with -v', () => {
    const [text] = reports.filter(({ name }) => name === 'text');
    if (text === undefined) throw new Error('no text report');
    check(`${folder}/report-full.txt`, rendered(text, result, 1));
  });
});

it('is what the README shows', () => {
  const readme = readFileSync(new URL('../../README.md', golden), 'utf8');
  const [, sample = ''] = /^\$ npm ci && npm start .*\n([\s\S]*?)^```/m.exec(readme) ?? [];
  const printed = contentOf(new URL('10.0-fails/report.txt', golden));
  expect(sample.trim()).toBe(printed.trim());
});

it('has at least three captures', () => {
  expect(folders.length).toBeGreaterThanOrEqual(3);
});

it.each(reports.filter(({ name }) => name === 'text' || name === 'markdown'))(
  'all captures as one batch, as $name',
  (report) => {
    const results = folders.map(resultIn);
    const [first] = results;
    if (first === undefined) throw new Error('no captures');
    const batch = { ...first, traces: results.flatMap(({ traces }) => traces) };
    check(`batch/report.${report.extension}`, rendered(report, batch));
  },
);
