import { readFileSync } from 'node:fs';
import { DuckDBInstance } from '@duckdb/node-api';
import { root } from './ground-truth.ts';

/** The rows that DuckDB answers with, of values that JSON knows. */
export async function ask(sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  try {
    const connection = await instance.connect();
    try {
      const reader = await connection.runAndReadAll(sql);
      return reader.getRowObjectsJson();
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

/** The questions in SQL of the README: those to unmaps, and those to a fleet. */
export function questionsOfReadme(): {
  readonly unmaps: readonly string[];
  readonly fleet: readonly string[];
} {
  const readme = readFileSync(`${root}README.md`, 'utf8');
  const [unmaps = [], fleet = []] = [...readme.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(
    ([, text = '']) =>
      text
        .split(';')
        .map((question) => question.trim())
        .filter((question) => question !== ''),
  );
  return { unmaps, fleet };
}
