import { humanSize } from '../../base/address.ts';
import { plain } from '../../base/plain.ts';
import { countText, listed, plural } from '../../base/words.ts';
import { exposureText, viaText } from '../../result/exposure.ts';
import type { Model, Resolved, Session, Trace } from '../../result/types.ts';
import { acceptedText } from '../accepted.ts';
import { type Advice, adviceOf } from '../advice.ts';
import { captureAdvice, doubtsOf, wantsBetterTrace } from '../capture.ts';
import { containerRows, hasLegacyLimits } from '../container-rows.ts';
import { type Digest, digestOf } from '../digest.ts';
import { headlineOf, migrationNote } from '../headline.ts';
import { migrationText } from '../migration.ts';
import { UNKNOWN_TITLE, unknownCount, unknownLeft, unknownLines } from '../unknown-messages.ts';
import { isExposedOnly, sortedByVerdict, verdictStyle, verdictWords } from '../verdicts.ts';
import { hasAwBits, traceName, trackedByText, trackedUnmapsText, unmapsText } from '../wording.ts';
import { briefly } from './brief.ts';
import { columnsOf } from './columns.ts';
import { happened, memory, wouldHappen } from './findings.ts';
import type { Page } from './layout.ts';

const INDENT = '  ';

/** The first screen of a trace. */
export function traceInBrief(page: Page, trace: Trace): void {
  titleLine(page, trace);
  headline(page, trace);
  briefly(page, trace);
}

/** Everything about one trace. */
export function traceSection(page: Page, trace: Trace): void {
  titleLine(page, trace);
  headline(page, trace);
  if (trace.error !== undefined) return;
  page.gap().text(described(trace), '', 'dim');
  const isInconclusive = trace.verdict === 'inconclusive';
  if (isInconclusive) {
    doubts(page, trace);
    page.gap();
  }
  for (const session of sortedByVerdict(trace.sessions)) sessionSection(page, session, trace);
  if (!isInconclusive) doubts(page, trace);
  betterTrace(page, trace);
}

function headline(page: Page, trace: Trace): void {
  const { meaning, also, order } = headlineOf(trace);
  page.text(meaning, '', 'bold');
  if (also !== '') page.text(also);
  if (trace.error === undefined) page.text(migrationText(trace.migration));
  if (order !== '') page.text(order);
  const accepted = acceptedText(trace);
  if (accepted !== '') page.text(accepted);
}

/** `path` and its verdict at the ends of a line. */
function titleLine(page: Page, trace: Trace): void {
  const word = wordOf(trace);
  const name = page.name(traceName(trace.path), page.width - word.length - 2);
  const blanks = ' '.repeat(Math.max(2, page.width - columnsOf(name) - word.length));
  page
    .gap()
    .line(page.style('bold', name) + blanks + page.style(['bold', verdictStyle(trace)], word));
}

/** `FAILS`, `CLEAN, BUT EXPOSED`. */
export function wordOf(trace: Trace): string {
  if (trace.error !== undefined) return 'NOT ANALYSED';
  return verdictWords[trace.verdict] + (isExposedOnly(trace) ? ', BUT EXPOSED' : '');
}

function described({ format, compression, lines, bytes, totals, sessions }: Trace): string {
  const packed = compression === 'none' ? '' : `, ${compression}`;
  const several = sessions.length > 1 ? `, ${plural(sessions.length, 'session')}` : '';
  return `${format}${packed}, ${plural(lines, 'line')}, ${humanSize(bytes)}${several}; ${unmapsText(totals)}.`;
}

function sessionSection(page: Page, session: Session, trace: Trace): void {
  const { sessions } = trace;
  if (sessions.length > 1) {
    const vm = session.vm === null ? '' : `, ${plain(session.vm)}`;
    const number = sessions.indexOf(session) + 1;
    page.gap();
    page.text(
      `Session ${number} of ${sessions.length}${vm}, lines ${session.firstLine} to ${session.lastLine}: ${verdictWords[session.verdict]}`,
      '== ',
      'bold',
    );
  }
  const digest = digestOf(session);
  const told = [...digest.real, ...digest.notes.filter(({ rule }) => rule !== 'VTD014')];
  if (session.trackingWindows.length > 0) windows(page, session);
  happened(page, told, session, trace);
  memory(page, digest.real, session);
  advice(page, digest);
  exposure(page, digest, session);
  unknown(page, session);
  modelTable(page, session.model, session);
}

/** Windows that a sentence has room for. */
const MOST_WINDOWS = 3;

function windows(page: Page, session: Session): void {
  const all = session.trackingWindows;
  const shown = all.slice(0, MOST_WINDOWS).map(({ firstLine, lastLine, by, unmaps }) => {
    const end = lastLine === null ? 'to the end' : `to ${lastLine}`;
    return `lines ${firstLine} ${end} by ${trackedByText(by)} (${trackedUnmapsText(unmaps)})`;
  });
  const left = all.length - shown.length;
  if (left > 0) shown.push(plural(left, 'more time'));
  page.text(`Dirty tracking was on: ${listed(shown)}. ${migrationNote(session)}`, '', 'dim');
}

function advice(page: Page, { real, whatIf }: Digest): void {
  const bad = real.filter(({ severity }) => severity !== 'note');
  adviceSections(page, adviceOf(bad.length > 0 ? bad : whatIf), bad.length > 0);
}

/** What mends it; `isReal`: something to mend has happened. */
export function adviceSections(
  page: Page,
  { releases, today }: ReturnType<typeof adviceOf>,
  isReal: boolean,
): void {
  if (releases.length > 0) {
    page.heading(isReal ? 'What fixes it' : 'What would fix it');
    bullets(page, releases);
  }
  if (today.length > 0) {
    page.heading('What to do today');
    bullets(page, today);
  }
}

function bullets(page: Page, all: readonly Advice[]): void {
  for (const { text, rules } of all) page.text(`${text} [${rules.join(', ')}]`, `${INDENT}- `);
}

function exposure(page: Page, { whatIf, real }: Digest, { exposed, totals }: Session): void {
  if (whatIf.length === 0) return;
  page.heading('What if dirty tracking had been on');
  const text = exposureText(exposed);
  const { untracked, unknownTracking } = totals;
  const unmaps = untracked.unmaps + unknownTracking.unmaps;
  const also = real.length > 0 ? 'also ' : '';
  page.text(
    text === ''
      ? `${plural(unmaps, 'unmap')} came while it was off, or not known to be on:`
      : `Of the ${plural(unmaps, 'unmap')} that came while it was off or not known to be on, some would ${also}do harm if ${viaText(exposed)} turned it on:`,
    INDENT,
  );
  wouldHappen(page, whatIf);
  const zero = untracked.zeroAddress + unknownTracking.zeroAddress;
  if (zero > 0) {
    const harmful = untracked.harmfulZeroAddress + unknownTracking.harmfulZeroAddress;
    page.text(
      `${plural(zero, 'unmap')} of these carried address 0; ${countText(harmful)} would do harm.`,
      INDENT,
    );
  }
}

/** As many as the result has. */
const ALL = Number.POSITIVE_INFINITY;

function unknown(page: Page, { unknownMessages }: Session): void {
  if (unknownMessages === undefined) return;
  page.heading(UNKNOWN_TITLE);
  page.text(unknownCount(unknownMessages), INDENT);
  for (const line of unknownLines(unknownMessages, ALL)) {
    page.quote(line, INDENT.repeat(2), 'dim', line.indexOf(':') + 2);
  }
  const left = unknownLeft(unknownMessages, ALL);
  if (left !== '') page.text(left, INDENT.repeat(2), 'dim');
}

// --- What it rests on --------------------------------------------------------------------------------

const MODEL_LABEL = 13;

function modelTable(page: Page, model: Model, { containers }: Session): void {
  page.heading('What this rests on');
  const row = (label: string, value: string, { source, from }: Resolved<unknown>) =>
    page.field(label, `${value} [${source}] ${from}`, INDENT, MODEL_LABEL);
  row('QEMU', model.qemu.value ?? 'unknown', model.qemu);
  for (const { text, known } of containerRows(containers)) row('container', text, known);
  row('vIOMMU', model.vIommu.value ?? 'unknown', model.vIommu);
  if (hasAwBits(model)) row('aw-bits', String(model.awBits.value ?? 'unknown'), model.awBits);
  row('host page', humanSize(model.hostPageSize.value), model.hostPageSize);
  if (hasLegacyLimits(containers)) {
    row('bitmap limit', humanSize(model.maxDirtyBitmapBytes.value), model.maxDirtyBitmapBytes);
    row('mappings', `${model.dmaEntryLimit.value} at most`, model.dmaEntryLimit);
  }
  row('guest RAM', sizeText(model.ramSize.value), model.ramSize);
  row('tracking', model.tracking.value, model.tracking);
}

function sizeText(value: string | null): string {
  return value === null ? 'unknown' : humanSize(BigInt(value));
}

function doubts(page: Page, trace: Trace): void {
  const all = doubtsOf(trace);
  if (all.length === 0) return;
  const isInconclusive = trace.verdict === 'inconclusive';
  page.heading(isInconclusive ? 'Why it is inconclusive' : 'What is not certain');
  for (const doubt of all) page.text(doubt, `${INDENT}- `);
}

function betterTrace(page: Page, trace: Trace): void {
  if (!wantsBetterTrace(trace)) return;
  const { missing, hints, command } = captureAdvice(trace);
  page.heading('How to capture a better trace');
  if (missing.length > 0) page.text(`Not traced, or not all of it: ${missing.join(', ')}.`, INDENT);
  for (const hint of hints) page.text(hint, INDENT);
  page.text(
    'Start QEMU with these options, and keep its messages (standard error) in the same file:',
    INDENT,
  );
  for (const part of command) page.quote(part, INDENT.repeat(2));
}
