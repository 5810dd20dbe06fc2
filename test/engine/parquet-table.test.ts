import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NewFile } from '../../src/bytes/new-file.ts';
import { run } from '../../src/engine/run.ts';
import { tableFormat } from '../../src/engine/table-format.ts';
import { joinParts } from '../../src/engine/table-parts.ts';
import type { UnmapRecord } from '../../src/result/types.ts';
import { ask, questionsOfReadme } from '../helpers/duckdb.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';

const withStamps = `${root}traces/qemu-10.0/blocked-aw48-ts.log.gz`;
const stale = `${root}traces/qemu-11.1/stale-aw48.log.gz`;

type Row = Readonly<Record<string, unknown>>;

const linesOf = (path: string): readonly Row[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);

/** Rows as lines of JSON have them: DuckDB gives 64-bit numbers as text. */
const rowsOf = async (path: string): Promise<readonly Row[]> =>
  (await ask(`SELECT * FROM '${path}'`)).map(({ line, ...row }) =>
    line === undefined ? row : { ...row, line: Number(line) },
  );

/** The tables of the same traces, both ways. */
async function bothWays(inputs: readonly string[]) {
  const folder = testFolder();
  const tables = (end: string) => ({
    unmaps: join(folder, `unmaps.${end}`),
    mappings: join(folder, `mappings.${end}`),
  });
  const json = tables('ndjson');
  const parquet = tables('parquet');
  for (const paths of [json, parquet]) await run({ inputs, jobs: 1, ...paths });
  return { json, parquet };
}

/** A table of unmaps with these lines, read back. */
async function written(lines: readonly string[], isBatch = false): Promise<readonly Row[]> {
  const folder = testFolder();
  const path = join(folder, 'part');
  writeFileSync(path, lines.join(''));
  const table = new NewFile(join(folder, 'table.parquet'));
  const trace = isBatch ? 'a.log' : null;
  const parts = [{ part: { path, table: table.path }, leading: [], trace }];
  await joinParts(await tableFormat(table, 'unmaps', isBatch), parts);
  table.finish();
  table.place();
  return rowsOf(table.path);
}

describe('a table in Parquet', () => {
  it.each([
    ['of a trace', [withStamps]],
    ['of several', [withStamps, stale]],
  ])('has the rows of the lines of JSON: %s', async (_, inputs) => {
    const { json, parquet } = await bothWays(inputs);
    for (const kind of ['unmaps', 'mappings'] as const) {
      const lines = linesOf(json[kind]);
      expect(lines.length, kind).toBeGreaterThan(0);
      expect(await rowsOf(parquet[kind])).toEqual(lines);
    }
  });

  it('has columns also where it has no row', async () => {
    expect(await written([])).toEqual([]);
  });

  it('holds rows of many row groups, and lists of any length', async () => {
    const record: UnmapRecord = {
      line: 2 ** 40,
      time: null,
      session: 0,
      device: null,
      container: null,
      domain: null,
      cause: 'request',
      iova: '0x0',
      size: '0x10000000000000000',
      tracked: null,
      query: null,
      carriedAddress: null,
      bitmapBytes: '0x0',
      errno: 0,
      mode: null,
      atRisk: [],
    };
    const ranges = (count: number) =>
      Array.from({ length: count }, (_, at) => [`0x${at.toString(16)}000`, '0x1000'] as const);
    const records = [360_000, 0, 360_000, 1].map((count, at) => ({
      ...record,
      line: record.line + at,
      atRisk: ranges(count),
    }));
    const rows = await written(
      records.map((one) => `${JSON.stringify({ ...one, trace: 'é.log' })}\n`),
      true,
    );
    expect(rows.length).toBe(records.length);
    for (const [at, { atRisk, ...rest }] of records.entries()) {
      const { atRisk: found, trace, ...others } = rows[at] as { atRisk: unknown; trace: unknown };
      expect(others).toEqual(rest);
      // Hundreds of thousands of ranges are compared as one text: a list of differences has no reader.
      expect(JSON.stringify(found) === JSON.stringify(atRisk)).toBe(true);
    }
  });
});

describe('the questions of the README to unmaps', () => {
  const questions = questionsOfReadme().unmaps;

  it('are answered alike whatever the table is written as', async () => {
    const { json, parquet } = await bothWays([withStamps]);
    expect(questions.length).toBeGreaterThan(3);
    let answered = 0;
    for (const question of questions) {
      const asked = (path: string) => ask(question.replaceAll(/unmaps\.\w+/g, path));
      const answer = await asked(json.unmaps);
      if (answer.length > 0) answered += 1;
      expect(new Set((await asked(parquet.unmaps)).map((row) => JSON.stringify(row)))).toEqual(
        new Set(answer.map((row) => JSON.stringify(row))),
      );
    }
    expect(answered).toBe(questions.length);
  });
});
