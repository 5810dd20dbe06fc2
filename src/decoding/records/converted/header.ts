import { jsonText } from '../../../base/json-text.ts';
import type { FormatClock } from '../../format.ts';

/** What the first line says of the trace that was converted: what the lines behind it do not show. */
export interface ConvertedHeader {
  /** The format that it had. */
  readonly format: string;
  readonly clock: FormatClock;
  readonly stampsTellVersion: boolean;
  /** As formats have it; only where it is so. */
  readonly infersOperations?: boolean;
}

/** Version of the notation; another one is not read. */
const VERSION = 1;
const CLOCKS: readonly FormatClock[] = ['wall', 'monotonic', 'boot'];

const LF = 0x0a;
/** How the first line begins, behind a log's comment sign or none. */
const FIRST_LINE = /^(?:# )?\{"vtdscope":"events",/;
/** The front of a record, where the first lines are missing. */
const RECORD = /^\{"line":\d{1,16},"event":"/;
/** Bytes of a first line that are looked at. */
const LONGEST = 1024;

export function headerText(header: ConvertedHeader): string {
  const { clock, format, infersOperations, stampsTellVersion } = header;
  return jsonText({
    vtdscope: 'events',
    version: VERSION,
    format,
    clock,
    stampsTellVersion,
    ...(infersOperations === true && { infersOperations }),
  });
}

/** True for the first bytes of what was converted, even if its first line is missing. */
export function isConverted(head: Uint8Array): boolean {
  const text = firstLineOf(head);
  return FIRST_LINE.test(text) || RECORD.test(text);
}

/** True for a line that begins a converted trace. */
export function isHeader(line: string): boolean {
  return FIRST_LINE.test(line);
}

/** What the first line says; null where there is none that can be read. */
export function headerOf(head: Uint8Array): ConvertedHeader | null {
  const line = firstLineOf(head);
  if (!FIRST_LINE.test(line)) return null;
  let fields: unknown;
  try {
    fields = JSON.parse(line.replace(/^# /, ''));
  } catch {
    // It is cut off.
    return null;
  }
  if (!isRecord(fields)) return null;
  const { clock, format, infersOperations, stampsTellVersion, version } = fields;
  const known = CLOCKS.find((one) => one === clock);
  if (version !== VERSION || known === undefined || typeof format !== 'string') return null;
  return {
    format,
    clock: known,
    stampsTellVersion: stampsTellVersion === true,
    ...(infersOperations === true && { infersOperations }),
  };
}

function firstLineOf(head: Uint8Array): string {
  const lf = head.indexOf(LF);
  const end = Math.min(lf < 0 ? head.length : lf, LONGEST);
  return Buffer.from(head.buffer, head.byteOffset, end).toString();
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
