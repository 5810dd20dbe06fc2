import { createHash } from 'node:crypto';
import { humanSize } from '../../base/address.ts';
import { plain } from '../../base/plain.ts';
import { countText, plural } from '../../base/words.ts';
import { exposureText } from '../../result/exposure.ts';
import type { Hazards, Resolved, Session, Trace } from '../../result/types.ts';
import { acceptedText } from '../accepted.ts';
import { captureAdvice, doubtsOf, wantsBetterTrace } from '../capture.ts';
import { containerRows, hasLegacyLimits } from '../container-rows.ts';
import { headlineOf, migrationNote } from '../headline.ts';
import { migrationText } from '../migration.ts';
import { UNKNOWN_TITLE, unknownCount, unknownLeft, unknownLines } from '../unknown-messages.ts';
import { isExposedOnly, verdictWords } from '../verdicts.ts';
import {
  commonFolder,
  hasAwBits,
  sourceMeanings,
  traceName,
  trackedByText,
  trackedUnmapsText,
  unmapsText,
} from '../wording.ts';
import { type Charts, chartsOf, seconds } from './charts.ts';
import type { Texts } from './finding-rows.ts';

/**
 * What the page's script is given: everything in words and numbers that it only has to show. Kept
 * small, as the page is mailed on: texts that come more than once are numbers of a list.
 */

export interface TracePayload {
  /** For addresses. */
  readonly id: string;
  readonly path: string;
  /** The path without the folders that all traces are in. */
  readonly name: string;
  readonly word: string;
  /** The class that gives its verdict a colour. */
  readonly tone: string;
  readonly meaning: string;
  readonly order: string;
  readonly facts: string;
  readonly sessions: readonly SessionPayload[];
  readonly doubts: readonly number[];
  readonly capture: {
    readonly missing: readonly number[];
    readonly hints: readonly number[];
    readonly command: readonly number[];
  } | null;
}

export interface SessionPayload {
  readonly title: string;
  readonly windows: readonly WindowPayload[];
  /** A row for each state of tracking; its numbers are those of `hazardColumns`. */
  readonly hazards: readonly (readonly [label: string, ...numbers: readonly string[]])[];
  readonly facts: readonly (readonly [label: string, text: string])[];
  /** Label, value, source and where that comes from. */
  readonly model: readonly (readonly [number, number, number, number])[];
  /** Null beyond the number of sessions that are drawn. */
  readonly charts: Charts | null;
}

export interface WindowPayload {
  readonly first: number;
  readonly last: number;
  /** Seconds; null where the trace does not tell, and at the end where the window does not end. */
  readonly firstTime: number | null;
  readonly lastTime: number | null;
  readonly text: string;
}

/** Sessions with charts, the worst first; a page with more would be slow to open. */
const MOST_CHARTS = 200;
/** Texts that no rule knows and that a page names. */
const MOST_UNKNOWN = 20;

/** The traces as the page shows them, in the order given; `number`s are those of `texts`. */
export function* tracePayloads(traces: readonly Trace[], texts: Texts): Iterable<TracePayload> {
  let charts = 0;
  const folder = commonFolder(traces.map(({ path }) => traceName(path)));
  for (const trace of traces) {
    const sessions = trace.sessions.map((session, index) => {
      charts += 1;
      return sessionPayload(trace, session, index, charts <= MOST_CHARTS, texts);
    });
    const { meaning, also, order } = headlineOf(trace);
    yield {
      id: traceId(trace.path),
      path: traceName(trace.path),
      name: traceName(trace.path).slice(folder.length),
      word: wordOf(trace),
      tone: verdictClass(trace),
      meaning: plain(`${meaning} ${also}`.trim()),
      order: plain(
        trace.error === undefined
          ? `${migrationText(trace.migration)} ${order} ${acceptedText(trace)}`.trim()
          : order,
      ),
      facts: factsOf(trace),
      sessions,
      doubts: doubtsOf(trace).map((doubt) => texts.number(plain(doubt))),
      capture: captureOf(trace, texts),
    };
  }
}

function captureOf(trace: Trace, texts: Texts): TracePayload['capture'] {
  if (trace.error !== undefined || !wantsBetterTrace(trace)) return null;
  const { missing, hints, command } = captureAdvice(trace);
  const numbers = (all: readonly string[]) => all.map((text) => texts.number(text));
  return { missing: numbers(missing), hints: numbers(hints), command: numbers(command) };
}

/** `FAILS`, `CLEAN, BUT EXPOSED`, `NOT ANALYSED`. */
export function wordOf(trace: Trace): string {
  if (trace.error !== undefined) return 'NOT ANALYSED';
  return verdictWords[trace.verdict] + (isExposedOnly(trace) ? ', BUT EXPOSED' : '');
}

/** The class that gives its verdict a colour. */
export function verdictClass(trace: Trace): string {
  if (trace.error !== undefined) return 'v-unusable';
  return trace.verdict === 'clean' && isExposedOnly(trace) ? 'v-exposed' : `v-${trace.verdict}`;
}

/** What the address of the page says to lead to a trace: made of its path, as that is what stays. */
export function traceId(path: string): string {
  return `t-${createHash('sha256').update(path).digest('hex').slice(0, 10)}`;
}

/** Format and size of a trace. */
export function factsOf({ format, compression, lines, bytes, events }: Trace): string {
  const packed = compression === 'none' ? '' : `, ${compression}`;
  return plain(
    `${format}${packed}, ${plural(lines, 'line')}, ${humanSize(bytes)}, ${plural(events, 'event')}`,
  );
}

function sessionPayload(
  trace: Trace,
  session: Session,
  index: number,
  hasCharts: boolean,
  texts: Texts,
): SessionPayload {
  const vm = session.vm === null ? '' : `${plain(session.vm)}, `;
  return {
    title:
      trace.sessions.length === 1
        ? ''
        : `Session ${index + 1} of ${trace.sessions.length}: ${vm}lines ${session.firstLine} to ${session.lastLine}, ${session.verdict}`,
    windows: session.trackingWindows.map(
      ({ firstLine, lastLine, firstTime, lastTime, by, unmaps }) => ({
        first: firstLine,
        last: lastLine ?? session.lastLine,
        firstTime: seconds(firstTime),
        lastTime: seconds(lastTime),
        text: `${trackedByText(by)}: lines ${firstLine} ${lastLine === null ? 'to the end' : `to ${lastLine}`}, ${trackedUnmapsText(unmaps)}`,
      }),
    ),
    hazards: hazardsOf(session),
    facts: factsOfSession(session),
    model: modelOf(session).map(
      ([label, value, source, from]) =>
        [
          texts.number(label),
          texts.number(value),
          texts.number(source),
          texts.number(from),
        ] as const,
    ),
    charts: hasCharts ? chartsOf(trace, session) : null,
  };
}

function hazardsOf({ totals }: Session): SessionPayload['hazards'] {
  const row = (label: string, hazards: Session['totals']['tracked']) => {
    const { unmaps, e2big, zeroAddress, harmfulZeroAddress, wrongAddress, noQuery } = hazards;
    const counts = [unmaps, e2big, zeroAddress, harmfulZeroAddress, wrongAddress, noQuery].map(
      countText,
    );
    return [label, ...counts, riskText(hazards)] as const;
  };
  const rows = [
    row('tracked: real', totals.tracked),
    row('not tracked: what if', totals.untracked),
  ];
  return totals.unknownTracking.unmaps === 0
    ? rows
    : [...rows, row('not known', totals.unknownTracking)];
}

/** Memory at risk; unknown where something is lost and no line names what. */
function riskText({ atRiskBytes, harmfulZeroAddress, wrongAddress, noQuery }: Hazards): string {
  if (atRiskBytes > 0) return humanSize(atRiskBytes);
  return harmfulZeroAddress + wrongAddress + noQuery > 0 ? 'unknown' : '0';
}

function factsOfSession({
  totals,
  exposed,
  addressSpaces,
  trackingWindows,
  unknownMessages,
}: Session): SessionPayload['facts'] {
  const stale = addressSpaces.reduce((sum, space) => sum + space.stale.length, 0);
  const rows: (readonly [string, string])[] = [
    ['Unmaps', unmapsText(totals)],
    ['Failures in the log', failuresText(totals.observed)],
    ['Host mappings', nowAndPeak(totals.hostMappings)],
    ['Shadow mappings', nowAndPeak(totals.shadowMappings)],
  ];
  if (stale > 0) rows.push(['Stale at the end', plural(stale, 'host mapping')]);
  const note = migrationNote({ trackingWindows });
  if (note !== '') rows.push(['Migration', note]);
  const exposure = exposureText(exposed);
  if (exposure !== '') rows.push(['Exposed', exposure]);
  if (unknownMessages !== undefined) {
    const lines = unknownLines(unknownMessages, MOST_UNKNOWN).map(plain);
    const left = unknownLeft(unknownMessages, MOST_UNKNOWN);
    const told = [unknownCount(unknownMessages), ...lines, ...(left === '' ? [] : [left])];
    rows.push([UNKNOWN_TITLE, told.join(' | ')]);
  }
  return rows;
}

function failuresText({ failures, e2big }: Session['totals']['observed']): string {
  return e2big === 0
    ? countText(failures)
    : `${countText(failures)}, ${countText(e2big)} of them E2BIG`;
}

function nowAndPeak({ now, peak }: Session['totals']['hostMappings']): string {
  return `${countText(now)} at the end, ${countText(peak)} at most`;
}

/** Label, value, source and where that comes from. */
type ModelRow = readonly [label: string, value: string, source: string, from: string];

function modelOf({ model, containers }: Session): readonly ModelRow[] {
  const size = (value: string | null) => (value === null ? 'unknown' : humanSize(BigInt(value)));
  const row = (label: string, value: string, { source, from }: Resolved<unknown>) =>
    [label, plain(value), sourceMeanings[source], plain(from)] as const;
  const { awBits, maxDirtyBitmapBytes, dmaEntryLimit } = model;
  const width = awBits.value === null ? 'unknown' : `${awBits.value} bits`;
  const limitRows = [
    row('Largest dirty bitmap', humanSize(maxDirtyBitmapBytes.value), maxDirtyBitmapBytes),
    row('Most mappings', String(dmaEntryLimit.value), dmaEntryLimit),
  ];
  return [
    row('QEMU', model.qemu.value ?? 'unknown', model.qemu),
    ...containerRows(containers).map(({ text, known }) => row('Container', text, known)),
    row('vIOMMU', model.vIommu.value ?? 'unknown', model.vIommu),
    ...(!hasAwBits(model) ? [] : [row('Address width', width, model.awBits)]),
    row('Host page', humanSize(model.hostPageSize.value), model.hostPageSize),
    ...(hasLegacyLimits(containers) ? limitRows : []),
    row('Guest RAM', size(model.ramSize.value), model.ramSize),
    row('RAM below 4 GiB', size(model.below4g.value), model.below4g),
    row('Dirty tracking', model.tracking.value, model.tracking),
  ];
}
