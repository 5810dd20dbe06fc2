import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { NewFile } from '../../src/bytes/new-file.ts';
import { tableFormat } from '../../src/engine/table-format.ts';
import { joinParts } from '../../src/engine/table-parts.ts';
import { testFolder } from '../helpers/folder.ts';

it('a table holds its lines whole, however long', async () => {
  const folder = testFolder();
  const path = join(folder, 'part');
  // An unmap of a large guest may put a hundred thousand ranges at risk.
  const lines = [3, 5_000_000, 0, 300_000].map((length) => `{"x":"${'y'.repeat(length)}"}\n`);
  writeFileSync(path, lines.join(''));
  const table = new NewFile(join(folder, 'table.ndjson'));
  const part = { part: { path, table: table.path }, leading: [], trace: 'a.log' };
  await joinParts(await tableFormat(table, 'unmaps', true), [part]);
  table.finish();
  table.place();
  const named = lines.map((line) => line.replace('}', ',"trace":"a.log"}'));
  expect(readFileSync(table.path, 'utf8') === named.join('')).toBe(true);
});
