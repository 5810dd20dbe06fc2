import { jsonText } from '../base/json-text.ts';
import { plain } from '../base/plain.ts';
import type { Finding, Result, Session, Trace } from '../result/types.ts';
import { compareFindings } from './digest.ts';
import type { Report } from './report.ts';
import { deviceText, trackedByText } from './wording.ts';

/*
 * Chrome's trace event format (JSON), as Perfetto's page, speedscope and chrome://tracing open it: a
 * process for each boot, a track for dirty tracking, one for each finding and for losses, and counters.
 * Times are microseconds since the first of the trace. Where a trace has none, a line is a microsecond.
 */

/** Findings with a track of their own; the worst. */
const MOST_FINDINGS = 200;

/** An event of the format; `ph`: X complete, i instant, C counter, M metadata. */
interface TraceEvent {
  readonly ph: 'X' | 'i' | 'C' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly name: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly s?: 't';
  readonly cat?: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export const perfettoReport: Report = {
  name: 'perfetto',
  extension: 'perfetto.json',
  *render(result) {
    const { tool, traces } = result;
    const clocks = traces.map(({ path, time, window }) => ({
      path,
      clock: time.clock,
      first: time.first,
      ...(window !== undefined && { window }),
    }));
    const other = { tool: `${tool.name} ${tool.version}`, traces: clocks };
    yield `{"otherData":${jsonText(other)},\n"displayTimeUnit":"ms",\n"traceEvents":[`;
    let isFirst = true;
    for (const event of eventsOf(result)) {
      yield `${isFirst ? '' : ','}\n${jsonText(event)}`;
      isFirst = false;
    }
    yield '\n]}\n';
  },
};

function* eventsOf({ traces }: Result): Iterable<TraceEvent> {
  let pid = 0;
  for (const trace of traces) {
    for (const session of trace.sessions) {
      pid += 1;
      yield* sessionEvents(trace, session, pid);
    }
  }
}

/** Where something is on the axis: by its time, or by its line. */
class Axis {
  readonly #origin: bigint | null;
  readonly #session: Session;

  constructor({ time }: Trace, session: Session) {
    const times = session.activity.steps.flatMap((step) => step.time ?? []);
    this.#origin = times.length === 0 || time.first === null ? null : BigInt(time.first);
    this.#session = session;
  }

  /** Microseconds; of a line without a time, those of the step that it is in. */
  at(line: number, time: string | null): number {
    if (this.#origin === null) return line;
    const known = time ?? this.#stepTime(line);
    return known === null ? 0 : Math.max(0, Number(BigInt(known) - this.#origin) / 1000);
  }

  get name(): string {
    return this.#origin === null ? 'no times: a line is a microsecond' : 'by time';
  }

  #stepTime(line: number): string | null {
    const { steps } = this.#session.activity;
    const before = steps.filter((step) => step.line <= line && step.time !== null);
    return (before.at(-1) ?? steps.find((step) => step.time !== null))?.time ?? null;
  }
}

/** Numbers of the tracks; findings follow. */
const TRACKING = 1;
const LOSSES = 2;
const FIRST_FINDING = 10;

function* sessionEvents(trace: Trace, session: Session, pid: number): Iterable<TraceEvent> {
  const axis = new Axis(trace, session);
  const named = (tid: number, kind: string, name: string): TraceEvent => ({
    ph: 'M',
    pid,
    tid,
    name: kind,
    args: { name: plain(name) },
  });
  const vm = session.vm === null ? '' : ` ${session.vm}`;
  yield named(0, 'process_name', `${trace.path}${vm}: ${session.verdict} (${axis.name})`);
  if (session.trackingWindows.length > 0) yield named(TRACKING, 'thread_name', 'dirty tracking');
  const end = axis.at(session.lastLine, trace.time.last);
  for (const window of session.trackingWindows) {
    const { by, firstLine, firstTime, lastLine, lastTime, unmaps } = window;
    const ts = axis.at(firstLine, firstTime);
    const until = lastLine === null ? end : axis.at(lastLine, lastTime);
    const args = { firstLine, lastLine, unmaps };
    const name = `dirty tracking by ${trackedByText(by)}`;
    yield {
      ph: 'X',
      pid,
      tid: TRACKING,
      name,
      cat: 'tracking',
      ts,
      dur: duration(ts, until),
      args,
    };
  }
  const shown = [...session.findings].sort(compareFindings).slice(0, MOST_FINDINGS);
  for (const [index, finding] of shown.entries()) {
    const tid = FIRST_FINDING + index;
    yield named(tid, 'thread_name', trackOf(finding));
    yield findingEvent(finding, axis, pid, tid);
  }
  const losses = trace.losses.filter(
    ({ line }) => line >= session.firstLine && line <= session.lastLine,
  );
  if (losses.length > 0) yield named(LOSSES, 'thread_name', 'lost lines');
  for (const { count, detail, kind, line } of losses) {
    const args = { line, count, detail: plain(detail) };
    const ts = axis.at(line, null);
    yield { ph: 'i', s: 't', pid, tid: LOSSES, name: kind, cat: 'loss', ts, args };
  }
  yield* counters(session, axis, pid);
}

function trackOf(finding: Finding): string {
  const device = deviceText(finding);
  return `${finding.rule} ${finding.slug}${device === '' ? '' : ` ${device}`}`;
}

/** From the first to the last of what is found. */
function findingEvent(finding: Finding, axis: Axis, pid: number, tid: number): TraceEvent {
  const { cause, count, errno, first, iova, last, message, mode, severity, size } = finding;
  const ts = axis.at(first.line, first.time);
  const dur = duration(ts, axis.at(last.line, last.time));
  const args = {
    severity,
    mode,
    cause,
    count,
    lines: `${first.line} to ${last.line}`,
    iova,
    size,
    errno,
    message: plain(message),
  };
  const name = `${finding.rule} ${finding.slug} x${count}`;
  return { ph: 'X', pid, tid, name, cat: mode ?? 'note', ts, dur, args };
}

/** At least something that can be seen and clicked. */
function duration(from: number, until: number): number {
  return Math.max(1, until - from);
}

/** The course of the session: what is counted in each step stands from its beginning on. */
function* counters({ activity }: Session, axis: Axis, pid: number): Iterable<TraceEvent> {
  for (const { failures, hostMappings, line, pieces, time, unmaps } of activity.steps) {
    const at = { ph: 'C', pid, tid: 0, ts: axis.at(line, time) } as const;
    yield { ...at, name: 'host mappings', args: { mappings: hostMappings } };
    yield { ...at, name: 'unmaps', args: { 'whole unmaps': pieces, others: unmaps - pieces } };
    yield { ...at, name: 'failed unmaps under tracking', args: { failures } };
  }
}
