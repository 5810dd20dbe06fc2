import { jsonText } from '../base/json-text.ts';
import type { NewFile } from '../bytes/new-file.ts';
import { linesOfPart, type Part, removePart } from '../bytes/part-files.ts';
import { CsvTable } from './csv-table.ts';
import { type LeadingBytes, TRACKING_OFF, TRACKING_UNKNOWN } from './table-writer.ts';

/** The part of a table that one trace gave. */
export interface TablePart {
  readonly part: Part;
  readonly leading: readonly LeadingBytes[];
  /** Its name, to be added to each line where there is more than one trace. */
  readonly trace: string | null;
}

/**
 * Joins the parts of several traces into one table and takes them away. The table is not finished
 * by this.
 */
export async function joinParts(table: NewFile, parts: readonly TablePart[]): Promise<void> {
  const csv = table.path.endsWith('.csv') ? new CsvTable() : null;
  try {
    for (const { part, leading, trace } of parts) {
      const suffix = trace === null ? null : `,"trace":${jsonText(trace)}}`;
      await copyPart(part, leading, suffix, csv, table);
    }
  } finally {
    for (const { part } of parts) removePart(part);
  }
}

async function copyPart(
  part: Part,
  leading: readonly LeadingBytes[],
  suffix: string | null,
  csv: CsvTable | null,
  table: NewFile,
): Promise<void> {
  for await (const { text, offset } of linesOfPart(part)) {
    const end = offset + text.length;
    const isTouched = leading.some(({ from, to }) => from < end && to > offset);
    const lines = isTouched || suffix !== null ? rewrite(text, offset, leading, suffix) : text;
    table.write(csv === null ? lines : csv.rowsOf(lines));
  }
}

function rewrite(
  text: string,
  offset: number,
  leading: readonly LeadingBytes[],
  suffix: string | null,
): string {
  let at = offset;
  return text.replace(/[^\n]*\n/g, (line) => {
    const from = at;
    at += line.length;
    const wasOff = leading.some(
      ({ session, from: start, to }) =>
        from >= start && from < to && line.includes(`,"session":${session},`),
    );
    const settled = wasOff ? line.replace(TRACKING_UNKNOWN, TRACKING_OFF) : line;
    return suffix === null ? settled : `${settled.slice(0, -2)}${suffix}\n`;
  });
}
