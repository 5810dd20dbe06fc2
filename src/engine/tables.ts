import {
  closeSync,
  createReadStream,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { hexOfPages } from '../base/address.ts';
import { csvCell } from '../base/csv-cell.ts';
import { codeOf, systemReasonOf, UsageError } from '../base/errors.ts';
import { timeText } from '../base/place.ts';
import type { RecordSink } from '../findings/session-recorder.ts';
import type { Unmap } from '../inference/unmap.ts';
import { bdfText } from '../inference/vtd-address-space.ts';
import type { MappingRecord, Mode } from '../result/types.ts';

/** Text gathered before it is written. */
const BUFFER_CHARACTERS = 256 * 1024;

/** Whether a path is there already and is no file: a terminal, a pipe, `/dev/stdout`. */
function isDevice(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/** The number of a file that is open already: of `/dev/stdout`, or of what a shell hands over. */
function descriptorOf(path: string): number | null {
  const [whole, stream, number] =
    /^\/dev\/std(out|err)$|^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(path) ?? [];
  if (whole === undefined) return null;
  if (number !== undefined) return Number(number);
  return stream === 'out' ? 1 : 2;
}

/** Whether a path is written as it is, and not beside its place. */
export function isWrittenInPlace(path: string): boolean {
  return isDevice(path) || descriptorOf(path) !== null;
}

/** What a link leads to is replaced, and not the link. */
function behindLinks(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
}

/**
 * A file that is written beside its place and takes it only when it is complete. What is no file,
 * such as a pipe, or is open already, is written as it is.
 */
export class NewFile {
  readonly path: string;
  /** What is written beside what; null where the path is written as it is. */
  #place: { readonly partial: string; readonly final: string } | null = null;
  #file: number | null = null;
  #isOurs = true;
  #buffer = '';
  /** Bytes written and buffered so far; the text is ASCII but for what users name. */
  bytes = 0;

  /** @throws UsageError if the file cannot be made there. */
  constructor(path: string) {
    this.path = path;
    this.#guard(() => {
      if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
        throw new Error('it is a directory');
      }
      if (isDevice(path)) {
        this.#file = openSync(path, 'w');
        return;
      }
      this.#file = descriptorOf(path);
      this.#isOurs = this.#file === null;
      if (this.#file !== null) return;
      const final = behindLinks(path);
      this.#place = { partial: `${final}.${process.pid}.partial`, final };
      this.#file = openSync(this.#place.partial, 'w');
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
    const place = this.#place;
    if (place !== null) this.#guard(() => renameSync(place.partial, place.final));
  }

  /** Takes away what was written. */
  discard(): void {
    this.#buffer = '';
    this.#close();
    if (this.#place !== null) rmSync(this.#place.partial, { force: true });
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
    if (file !== null && this.#isOurs) closeSync(file);
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      // Whoever reads a pipe may have enough of it: the rest is written nowhere.
      if (codeOf(thrown) === 'EPIPE') this.#close();
      else throw new UsageError(`${this.path}: cannot be written: ${whyNot(this.path, thrown)}`);
    }
  }
}

/** Why a file cannot be made. */
export function whyNot(path: string, thrown: unknown): string {
  return codeOf(thrown) === 'ENOENT'
    ? `there is no folder ${dirname(path)}`
    : systemReasonOf(thrown);
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

  /** What the replay is to tell of; null: nothing. */
  get sink(): RecordSink | null {
    return this.#unmaps === null && this.#mappings === null ? null : this;
  }

  get takesMappings(): boolean {
    return this.#mappings !== null;
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
  const bdf = unmap.device;
  const container = unmap.isContainerSure ? unmap.container : null;
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

/** The part of a table that one trace gave. */
export interface TablePart {
  readonly part: string;
  readonly leading: readonly LeadingStretch[];
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
      const suffix = trace === null ? null : `,"trace":${JSON.stringify(trace)}}`;
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
  for await (const { text, offset } of linesOf(part)) {
    const end = offset + text.length;
    const isTouched = leading.some(({ from, to }) => from < end && to > offset);
    const lines = isTouched || suffix !== null ? rewrite(text, offset, leading, suffix) : text;
    table.write(csv === null ? lines : csv.rowsOf(lines));
  }
}

/** Some whole lines of a part of a table at a time, and where they begin. One can be very long. */
async function* linesOf(
  part: string,
): AsyncGenerator<{ readonly text: string; readonly offset: number }> {
  const options = { encoding: 'latin1', highWaterMark: BUFFER_CHARACTERS } as const;
  let pieces: string[] = [];
  let offset = 0;
  for await (const chunk of createReadStream(part, options) as AsyncIterable<string>) {
    const end = chunk.lastIndexOf('\n') + 1;
    if (end === 0) {
      pieces.push(chunk);
      continue;
    }
    const text = pieces.join('') + chunk.slice(0, end);
    yield { text, offset };
    offset += text.length;
    pieces = [chunk.slice(end)];
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
