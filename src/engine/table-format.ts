import type { NewFile } from '../bytes/new-file.ts';
import { CsvTable } from './csv-table.ts';

/** The tables of a run. */
export const tableKinds = ['unmaps', 'mappings'] as const;
export type TableKind = (typeof tableKinds)[number];

/** How a table is written. It is given whole lines of JSON, in the order of the table. */
export interface TableFormat {
  /** @throws UsageError if the file cannot be written. */
  write(lines: string): void;
  /**
   * All lines were given.
   *
   * @throws UsageError if the file cannot be written.
   */
  finish(): void;
}

/**
 * The format that the name of the file asks for by its end: `.csv`, `.parquet`, else lines of JSON.
 * `isBatch`: the lines have the name of their trace.
 */
export async function tableFormat(
  file: NewFile,
  kind: TableKind,
  isBatch: boolean,
): Promise<TableFormat> {
  if (file.path.endsWith('.csv')) return new CsvTable(file);
  if (file.path.endsWith('.parquet')) {
    const { ParquetTable } = await import('./parquet-table.ts');
    return new ParquetTable(file, kind, isBatch);
  }
  return { write: (lines) => file.write(lines), finish: () => undefined };
}
