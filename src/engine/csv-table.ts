import { csvCell } from '../base/csv-cell.ts';

/** Turns lines of a table into rows of CSV (RFC 4180 with LF), the first row naming the columns. */
export class CsvTable {
  #columns: readonly string[] | null = null;

  rowsOf(lines: string): string {
    let rows = '';
    for (const line of lines.split('\n')) {
      if (line === '') continue;
      const record = JSON.parse(line) as Readonly<Record<string, unknown>>;
      if (this.#columns === null) {
        this.#columns = Object.keys(record);
        rows += `${this.#columns.join(',')}\n`;
      }
      rows += `${this.#columns.map((column) => cellOf(record[column])).join(',')}\n`;
    }
    return rows;
  }
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
