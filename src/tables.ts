import {
  closeSync,
  createReadStream,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { hexOfPages } from './base/address.ts';
import { csvCell } from './base/csv-cell.ts';
import { systemReasonOf, UsageError } from './base/errors.ts';
import { LineBlocks } from './bytes/lines.ts';
import { timeText } from './model/machine.ts';
import type { Unmap } from './model/unmap.ts';
import { bdfText } from './model/vtd-address-space.ts';
import type { RecordSink } from './result/session-recorder.ts';
import type { MappingRecord, Mode } from './result/types.ts';

/** Text gathered before it is written. */
const BUFFER_CHARACTERS = 256 * 1024;

/** Whether a path is there already and is no file: a terminal, a pipe, `/dev/stdout`. */
export function isDevice(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/**
 * A file that is written beside its place and takes it only when it is complete. What is no file,
 * such as a pipe, is written as it is.
 */
export class NewFile {
  readonly path: string;
  #partial = '';
  #file: number | null = null;
  #buffer = '';
  /** Bytes written and buffered so far; the text is ASCII but for what users name. */
  bytes = 0;

  /** @throws UsageError if the file cannot be made there. */
  constructor(path: string) {
    this.path = path;
    this.#guard(() => {
      this.#partial = isDevice(path) ? path : `${path}.${process.pid}.partial`;
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
        throw new Error('it is a directory');
      }
      this.#file = openSync(this.#partial, 'w');
    });
  }

  write(text: string): void {
    this.#buffer += text;
    this.bytes += text.length;
    if (this.#buffer.length >= BUFFER_CHARACTERS) this.#flush();
  }

  /** The file is complete: puts it in its place. */
  finish(): void {
    this.#close();
    if (this.#partial !== this.path) {
      this.#guard(() => renameSync(this.#partial, this.path));
    }
  }

  /** Takes away what was written. */
  discard(): void {
    this.#buffer = '';
    this.#close();
    if (this.#partial !== this.path) rmSync(this.#partial, { force: true });
  }

  #flush(): void {
    const text = this.#buffer;
    this.#buffer = '';
    const file = this.#file;
    if (file !== null && text !== '') this.#guard(() => writeAll(file, Buffer.from(text)));
  }

  #close(): void {
    this.#flush();
    const file = this.#file;
    this.#file = null;
    if (file !== null) closeSync(file);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      throw new UsageError(`${this.path}: cannot be written: ${whyNot(this.path, thrown)}`);
    }
  }
}

/** Why a file cannot be made. */
export function whyNot(path: string, thrown: unknown): string {
  const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
  return isMissing ? `there is no folder ${dirname(path)}` : systemReasonOf(thrown);
}

/** Writes all of it: a pipe or a full disk may take less at once. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Bytes of a table in which unmaps wait to hear whether tracking had been off. */
interface LeadingStretch {
  /** Their session; those of others may stand between them. */
  readonly session: number;
  readonly from: number;
  to: number;
  wasOff: boolean;
}

/** The tables of one trace, written while it is replayed. Plain data, so that it can cross threads. */
export interface TableParts {
  readonly unmaps: string | null;
  readonly mappings: string | null;
  readonly leading: readonly LeadingStretch[];
}

/** Where the parts of one trace go. */
export interface PartPaths {
  readonly unmaps: string | null;
  readonly mappings: string | null;
}

/** Writes the tables of one trace: unmaps in the order of the trace, mappings at the end. */
export class TableWriter implements RecordSink {
  readonly #unmaps: NewFile | null;
  readonly #mappings: NewFile | null;
  readonly #leading = new Map<number, LeadingStretch>();

  constructor(paths: PartPaths) {
    this.#unmaps = paths.unmaps === null ? null : new NewFile(paths.unmaps);
    this.#mappings = paths.mappings === null ? null : new NewFile(paths.mappings);
  }

  unmap(unmap: Unmap, session: number, mode: Mode | null, isLeading: boolean): void {
    const file = this.#unmaps;
    if (file === null) return;
    const from = file.bytes;
    file.write(unmapLine(unmap, session, mode));
    if (!isLeading) return;
    const stretch = this.#leading.get(session);
    if (stretch === undefined)
      this.#leading.set(session, { session, from, to: file.bytes, wasOff: false });
    else stretch.to = file.bytes;
  }

  settleLeading(session: number, wasOff: boolean): void {
    const stretch = this.#leading.get(session);
    if (stretch !== undefined) stretch.wasOff = wasOff;
  }

  mapping(record: MappingRecord): void {
    this.#mappings?.write(`${JSON.stringify(record)}\n`);
  }

  finish(): TableParts {
    this.#unmaps?.finish();
    this.#mappings?.finish();
    return {
      unmaps: this.#unmaps?.path ?? null,
      mappings: this.#mappings?.path ?? null,
      leading: [...this.#leading.values()].filter(({ wasOff }) => wasOff),
    };
  }

  discard(): void {
    this.#unmaps?.discard();
    this.#mappings?.discard();
  }
}

const TRACKING_UNKNOWN = '"tracked":null,"query":null';
const TRACKING_OFF = '"tracked":false,"query":"none"';

/** One line of the table of unmaps, written by hand: a trace may have millions. */
function unmapLine(unmap: Unmap, session: number, mode: Mode | null): string {
  const time = timeText(unmap.seconds, unmap.nanoseconds);
  const bdf = unmap.space?.bdf ?? null;
  const { container } = unmap;
  let risk = '';
  for (let index = 0; index < unmap.riskCount; index += 1) {
    const first = unmap.riskFirst(index);
    const pages = unmap.riskLast(index) - first + 1;
    risk += `${index === 0 ? '' : ','}["${hexOfPages(first)}","${hexOfPages(pages)}"]`;
  }
  return (
    `{"line":${unmap.line},"time":${time === null ? 'null' : `"${time}"`},"session":${session},` +
    `"device":${bdf === null ? 'null' : `"${bdfText(bdf)}"`},` +
    `"container":${container === null ? 'null' : `"${container.id}"`},"domain":${unmap.domain},` +
    `"cause":"${unmap.cause}","iova":"${hexOfPages(unmap.first)}",` +
    `"size":"${hexOfPages(unmap.last - unmap.first + 1)}","tracked":${unmap.tracked},` +
    `"query":${unmap.query === null ? 'null' : `"${unmap.query}"`},` +
    `"carriedAddress":${unmap.carried < 0 ? 'null' : `"${hexOfPages(unmap.carried)}"`},` +
    `"bitmapBytes":"0x${unmap.bitmapBytes.toString(16)}","errno":${unmap.errno},` +
    `"mode":${mode === null ? 'null' : `"${mode}"`},"atRisk":[${risk}]}\n`
  );
}

/**
 * Joins the parts of several traces into one table and takes them away. `traces`: names to add to
 * each line where there is more than one trace. The table is not finished by this.
 */
export async function joinParts(
  table: NewFile,
  parts: readonly { readonly part: string; readonly leading: readonly LeadingStretch[] }[],
  traces: readonly string[] | null,
): Promise<void> {
  const csv = table.path.endsWith('.csv') ? new CsvTable() : null;
  try {
    for (const [index, { part, leading }] of parts.entries()) {
      const suffix = traces === null ? null : `,"trace":${JSON.stringify(traces[index])}}`;
      await copyPart(part, leading, suffix, csv, table);
    }
  } finally {
    for (const { part } of parts) rmSync(part, { force: true });
  }
}

async function copyPart(
  part: string,
  leading: readonly LeadingStretch[],
  suffix: string | null,
  csv: CsvTable | null,
  table: NewFile,
): Promise<void> {
  const blocks = new LineBlocks();
  for await (const chunk of createReadStream(part, { highWaterMark: BUFFER_CHARACTERS })) {
    for (const { bytes, byteOffset } of blocks.push(chunk as Buffer)) {
      const text = Buffer.from(bytes).toString('latin1');
      const end = byteOffset + bytes.length;
      const isTouched = leading.some(({ from, to }) => from < end && to > byteOffset);
      const lines =
        isTouched || suffix !== null ? rewrite(text, byteOffset, leading, suffix) : text;
      table.write(csv === null ? lines : csv.rowsOf(lines));
    }
  }
}

/** Turns lines of a table into rows of CSV (RFC 4180 with LF), the first row naming the columns. */
class CsvTable {
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

function rewrite(
  text: string,
  offset: number,
  leading: readonly LeadingStretch[],
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
