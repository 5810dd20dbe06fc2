import { csvCell } from '../base/csv-cell.ts';
import type { NewFile } from '../bytes/new-file.ts';
import type { TableFormat } from './table-format.ts';

/** A table as rows of CSV (RFC 4180 with LF), the first row naming the columns. */
export class CsvTable implements TableFormat {
  readonly #file: NewFile;
  #columns: readonly string[] | null = null;

  constructor(file: NewFile) {
    this.#file = file;
  }

  write(lines: string): void {
    for (const line of lines.split('\n')) {
      if (line === '') continue;
      const record = JSON.parse(line) as Readonly<Record<string, unknown>>;
      if (this.#columns === null) {
        this.#columns = Object.keys(record);
        this.#file.write(`${this.#columns.join(',')}\n`);
      }
      this.#file.write(`${this.#columns.map((column) => cellOf(record[column])).join(',')}\n`);
    }
  }

  finish(): void {}
}

/** A value as a cell: lists of ranges as `start+size`. */
function cellOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = Array.isArray(value)
    ? value.map((range: readonly string[]) => range.join('+')).join(' ')
    : String(value);
  return csvCell(text);
}
