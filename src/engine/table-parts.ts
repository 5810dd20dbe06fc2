import { jsonText } from '../base/json-text.ts';
import { linesOfPart, type Part, removePart } from '../bytes/part-files.ts';
import type { TableFormat } from './table-format.ts';
import { type LeadingBytes, TRACKING_OFF, TRACKING_UNKNOWN } from './table-writer.ts';

/** The part of a table that one trace gave. */
export interface TablePart {
  readonly part: Part;
  readonly leading: readonly LeadingBytes[];
  /** Its name, to be added to each line where there is more than one trace. */
  readonly trace: string | null;
}

/** Joins the parts of several traces into one table and takes them away. */
export async function joinParts(table: TableFormat, parts: readonly TablePart[]): Promise<void> {
  try {
    for (const { part, leading, trace } of parts) {
      const suffix = trace === null ? null : `,"trace":${jsonText(trace)}}`;
      await copyPart(part, leading, suffix, table);
    }
    table.finish();
  } finally {
    for (const { part } of parts) removePart(part);
  }
}

async function copyPart(
  part: Part,
  leading: readonly LeadingBytes[],
  suffix: string | null,
  table: TableFormat,
): Promise<void> {
  for await (const { text, offset } of linesOfPart(part)) {
    const end = offset + text.length;
    const isTouched = leading.some(({ from, to }) => from < end && to > offset);
    table.write(isTouched || suffix !== null ? rewrite(text, offset, leading, suffix) : text);
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
