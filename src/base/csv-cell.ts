import { plain } from './plain.ts';

const FORMULA = /^[=+\-@\t\r]/;
/** The same signs in full width, which some programs take for the narrow ones. */
const WIDE_FORMULA = /^[\uff1d\uff0b\uff0d\uff20]/;

/**
 * Text as a cell of CSV (RFC 4180): nothing in it ends the row or moves a cursor, and what a
 * spreadsheet would take for a formula gets a quote before it.
 */
export function csvCell(untrusted: string): string {
  // What looked like a formula before control characters went may be one after, and the other way.
  const text = plain(untrusted);
  const isFormula =
    FORMULA.test(untrusted) || FORMULA.test(text.trimStart()) || WIDE_FORMULA.test(text);
  const safe = isFormula ? `'${text}` : text;
  return /[",\n]/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A row of CSV: texts as cells, numbers as they are, null as nothing. */
export function csvRow(cells: readonly (string | number | null)[]): string {
  return `${cells.map(cellText).join(',')}\n`;
}

function cellText(cell: string | number | null): string {
  if (cell === null) return '';
  return typeof cell === 'number' ? String(cell) : csvCell(cell);
}
