import { pipeline } from '../base/commands.ts';
import { ForeignError } from '../base/errors.ts';
import { commandsOf } from '../bytes/compression/index.ts';
import type { EventBatch } from '../events/batch.ts';
import { BatchCursor } from '../events/cursor.ts';
import { BatchWriter } from '../events/writer.ts';
import type { Carrier } from './carrier.ts';
import { container } from './carriers/container.ts';
import { cri } from './carriers/cri.ts';
import { ftrace } from './carriers/ftrace.ts';
import { plain } from './carriers/plain.ts';
import { syslog } from './carriers/syslog.ts';
import { systemTap } from './carriers/systemtap.ts';
import { declaredEvents } from './declared-events.ts';
import { adviceForJson, foreignTrace } from './foreign.ts';
import type { LineFormat, StreamFormat, TraceFormat } from './format.ts';
import { JoinedLines } from './joined-lines.ts';
import { newKernel } from './kernels.ts';
import { isOwnReport, OWN_REPORT } from './own-reports.ts';
import { babeltraceDetails } from './records/babeltrace/details.ts';
import { babeltraceText } from './records/babeltrace/text.ts';
import { bpftraceJson, bpftraceText } from './records/bpftrace/index.ts';
import { converted } from './records/converted/index.ts';
import { jsonArray } from './records/json/array.ts';
import { jsonLines } from './records/json/lines.ts';
import { lokiAnswer } from './records/json/loki.ts';
import { perfScript } from './records/perf/index.ts';
import { simple, simpleHeaderless } from './records/simple/index.ts';
import { simpleText } from './records/simple/text.ts';

const LF = 0x0a;

/** Lines behind a carrier, as a format. */
function carried(carrier: Carrier): TraceFormat {
  const { name, title, clock, stampsTellVersion, joins = false } = carrier;
  const base = {
    name,
    title,
    clock,
    stampsTellVersion,
    recognises: (head: Uint8Array) => carrier.recognises(head),
    ...(carrier.isQuotedIn !== undefined && { isQuotedIn: carrier.isQuotedIn }),
  };
  if (joins)
    return { ...base, kind: 'stream', open: async (emit) => new JoinedLines(carrier, emit) };
  return {
    ...base,
    kind: 'lines',
    decoder() {
      const kernel = newKernel();
      return { decode: (block, writer) => kernel.decode(block, carrier, writer) };
    },
  };
}

/** All formats, in the order in which they are tried: what is sure before what is a guess. */
export const formats: readonly TraceFormat[] = [
  converted,
  bpftraceJson,
  lokiAnswer,
  simple,
  simpleHeaderless,
  simpleText,
  jsonArray,
  jsonLines,
  babeltraceText,
  babeltraceDetails,
  perfScript,
  bpftraceText,
  carried(ftrace),
  carried(systemTap),
  carried(cri),
  carried(syslog),
  carried(container),
  carried(plain),
];

/** A text that is mostly control bytes is no text. */
function isBinary(head: Uint8Array): boolean {
  let control = 0;
  for (const byte of head) if (byte < 9 || (byte > 13 && byte < 32 && byte !== 27)) control += 1;
  // Runs of NUL at the start of a rotated log do not make it binary.
  const nuls = head.findIndex((byte) => byte !== 0);
  return control - Math.max(0, nuls) > head.length / 20;
}

/** What a trace is told by. */
export interface Opened {
  readonly path: string;
  /** Outermost first, joined by `+`; `none`. */
  readonly compression: string;
  /** The first bytes, decompressed. */
  readonly head: Uint8Array;
  /** It was found in a folder, and nobody named it. */
  readonly isFound?: boolean;
  /** The text of the `trace-events-all` of the build of QEMU, where the user gave it. */
  readonly eventList?: string | null;
}

/**
 * The format of a trace, by its first bytes.
 *
 * @throws ForeignError where they are of no known kind, saying what was found.
 */
export function recognise(opened: Opened): TraceFormat {
  const { compression, eventList = null, head, isFound = false, path } = opened;
  // An empty trace is one of any kind; that it shows nothing is for the result to say.
  if (head.length === 0) return lineFormatNamed(plain.name);
  const unpack = commandsOf(compression.split('+'));
  const buffer = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (isFound && isOwnReport(head)) {
    throw new ForeignError({ path }, OWN_REPORT, `${OWN_REPORT}; name it to have it read`);
  }
  const foreign = foreignTrace(path, unpack, buffer);
  if (foreign !== undefined) {
    const { what, advice } = foreign;
    throw new ForeignError({ path }, what, `${what} is not supported; ${advice}`);
  }
  const known = formats.find((one) => one.recognises(head));
  const format = known?.forHead?.(head) ?? known;
  if (format === undefined) throw new ForeignError({ path }, null, found(path, unpack, buffer));
  if (isFound && format.isQuotedIn?.(head) === true) {
    const what = 'a text that quotes lines of a log';
    throw new ForeignError({ path }, what, `${what}; name it to have it read`);
  }
  if (isNewestFirst(format, head)) {
    const command = format.kind === 'lines' ? 'tac' : 'jq reverse';
    const advice = pipeline(path, unpack, { command });
    throw new ForeignError(
      { path },
      'a log with its newest line first',
      `${NEWEST_FIRST}; try: ${advice}`,
    );
  }
  return format.kind === 'stream' ? withEvents(format, path, eventList) : format;
}

/** A format that has the user's list of events. */
function withEvents(format: StreamFormat, path: string, eventList: string | null): StreamFormat {
  if (eventList !== null) {
    const events = declaredEvents(eventList);
    return { ...format, open: (emit) => format.open(emit, events) };
  }
  if (format.needsEvents !== true) return format;
  const { title } = format;
  throw new ForeignError(
    { path },
    title,
    `${title}, which name no events; give the trace-events-all of that QEMU: --trace-events-all FILE`,
  );
}

const NEWEST_FIRST = 'its newest line comes first, expected the oldest';

function found(path: string, unpack: readonly string[], head: Buffer): string {
  if (/^[\ufeff\s]*[[{]\s*["{[\]}]/.test(head.toString('utf8', 0, 1024))) {
    return `found JSON without a trace event, ${adviceForJson(path, unpack)}`;
  }
  const what = isBinary(head) ? 'binary data' : 'text without a trace event';
  return `found ${what}, expected a QEMU log or JSON events; vtdscope reads what QEMU's -trace writes`;
}

/** Bytes whose times are compared. */
const TIMED_BYTES = 16 * 1024;
/** Steps of the clock that show a direction; threads race, and a clock may be set back once. */
const FEWEST_STEPS = 8;

/** True where the clock runs backwards from line to line, as in the answer of a log store. */
function isNewestFirst(format: TraceFormat, head: Uint8Array): boolean {
  const sample = sampleOf(format, head.subarray(0, TIMED_BYTES));
  if (sample === null) return false;
  const cursor = new BatchCursor(sample, 0);
  let [back, forth, last] = [0, 0, -1];
  while (cursor.next()) {
    if (!cursor.hasTime) continue;
    const time = cursor.seconds + cursor.nanoseconds / 1e9;
    if (last >= 0 && time < last) back += 1;
    if (last >= 0 && time > last) forth += 1;
    last = time;
  }
  return back >= FEWEST_STEPS && back > forth * 8;
}

/** The events in the first bytes of a trace; null where the format sorts them. */
function sampleOf(format: TraceFormat, part: Uint8Array): EventBatch | null {
  if (format.kind === 'stream') return format.sample?.(part) ?? null;
  const lines = part.subarray(0, part.lastIndexOf(LF) + 1);
  const writer = new BatchWriter();
  return writer.finish(lines, 0, format.decoder().decode(lines, writer));
}

/** A format of lines by its name. */
export function lineFormatNamed(name: string): LineFormat {
  const format = formats.find((known) => known.name === name);
  if (format?.kind !== 'lines') throw new Error(`${name} is no format of lines`);
  return format;
}
