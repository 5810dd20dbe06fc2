import { humanSize } from '../base/address.ts';
import type { PageRangeSet } from '../base/page-range-set.ts';
import { countText, listed, plural, timesText } from '../base/words.ts';
import { exposureText } from '../result/exposure.ts';
import type { Finding, Result, Session, Trace, UnknownMessages } from '../result/types.ts';
import { acceptanceText, acceptedText } from './accepted.ts';
import { type Advice, adviceOf } from './advice.ts';
import { captureAdvice, doubtsOf, wantsBetterTrace } from './capture.ts';
import { containerRows, hasLegacyLimits } from './container-rows.ts';
import {
  atRiskText,
  digestOf,
  isAboutBitmap,
  isAboutMapping,
  losesSomething,
  memoryAtRisk,
  memoryStillReachable,
  staleMappingsOf,
} from './digest.ts';
import { bytesIn, lowest } from './guest-ranges.ts';
import { headlineOf, migrationNote, placesText } from './headline.ts';
import { code, details, escaped, fence, tableRow } from './markdown-syntax.ts';
import { answersText, migrationText } from './migration.ts';
import type { Report } from './report.ts';
import { UNKNOWN_TITLE, unknownCount, unknownLeft, unknownLines } from './unknown-messages.ts';
import {
  failuresOf,
  isExposedOnly,
  sortedByVerdict,
  tracesWorstFirst,
  verdictWords,
} from './verdicts.ts';
import { windowNote } from './window.ts';
import {
  causeMeanings,
  causeStories,
  commonFolder,
  deviceText,
  errnoText,
  hasAwBits,
  modeMeanings,
  qemuText,
  traceName,
  trackedByText,
  trackedUnmapsText,
} from './wording.ts';

/** Comments of code hosts take 64 KiB, step summaries more. */
const MOST_BYTES = 60_000;
/** Room for the sentence that says what was cut. */
const ROOM_FOR_END = 300;
const MOST_ROWS = 100;
const MOST_FINDINGS = 30;
const MOST_RANGES = 20;

/**
 * For issues, merge requests and step summaries. Made of blocks that stand for themselves, so that
 * what is too long can be cut between any two of them.
 */
export const markdownReport: Report = {
  name: 'markdown',
  extension: 'md',
  *render(result) {
    let bytes = 0;
    let left = 0;
    for (const block of blocks(result)) {
      const size = Buffer.byteLength(block) + 1;
      // Once something is left out, so is all that follows: a part without what leads to it misleads.
      if (left > 0 || bytes + size > MOST_BYTES - ROOM_FOR_END) left += 1;
      else {
        bytes += size;
        yield `${block}\n`;
      }
    }
    if (left > 0) {
      yield `\n_Cut here, at ${Math.round(MOST_BYTES / 1000)} KB: ${plural(left, 'part')} of the report left out. \`--format text -v\`, \`html\` and \`json\` have everything._\n`;
    }
  },
};

function* blocks(result: Result): Iterable<string> {
  const [only] = result.traces;
  if (only === undefined) yield 'No trace was analysed.\n';
  else if (result.traces.length === 1) {
    yield `## ${titleOf(only)}: ${code(traceName(only.path))}\n`;
    yield* traceBlocks(only);
  } else yield* batchBlocks(result);
  const { name, version } = result.tool;
  yield `<sub>${escaped(`${name} ${version}`)}</sub>\n`;
}

const UNKNOWN_MEMORY =
  '**Guest memory whose dirty bits are lost**: unknown, the trace does not hold the guest addresses of mappings\n';

/** The table of traces, what mends them all, and each that is not clean in brief, folded up. */
function* batchBlocks({ traces, verdict }: Result): Iterable<string> {
  const sorted = tracesWorstFirst(traces);
  yield `## ${answersText(traces)}\n`;
  yield `The worst of ${plural(traces.length, 'trace')}: ${verdictWords[verdict]}\n`;
  const note = windowNote(traces);
  if (note !== '') yield `${note}\n`;
  yield* tableBlocks(sorted);
  const digests = sorted.flatMap(({ sessions }) => sessions.map(digestOf));
  yield* adviceBlocks(
    digests.flatMap(({ real }) => real),
    digests.flatMap(({ whatIf }) => whatIf),
  );
  for (const trace of sorted) {
    if (trace.verdict === 'clean') continue;
    const { meaning } = headlineOf(trace);
    yield details(
      `${titleOf(trace)}: ${traceName(trace.path)}. ${meaning}`,
      [...briefBlocks(trace)].join('\n'),
    );
  }
}

function titleOf(trace: Trace): string {
  if (trace.error !== undefined) return 'NOT ANALYSED';
  return verdictWords[trace.verdict] + (isExposedOnly(trace) ? ', BUT EXPOSED' : '');
}

function* tableBlocks(sorted: readonly Trace[]): Iterable<string> {
  const shown = sorted.slice(0, MOST_ROWS);
  const folder = commonFolder(shown.map(({ path }) => traceName(path)));
  if (folder !== '') yield `Paths below ${code(folder)}\n`;
  const rows = shown.map((trace) => {
    const session = trace.sessions.at(-1);
    const word = trace.error === undefined ? trace.verdict : 'unusable';
    const number = (count: number) => (count === 0 ? '' : countText(count));
    return tableRow([
      trace.migration.answer,
      `**${word}**${isExposedOnly(trace) ? ' \\*' : ''}`,
      code(traceName(trace.path).slice(folder.length)),
      escaped(session === undefined ? '?' : qemuText(session.model)),
      number(failuresOf(trace)),
      number(staleMappingsOf(trace)),
      atRiskText(trace),
    ]);
  });
  yield `| migrate | verdict | trace | QEMU | failed unmaps | stale mappings | guest memory at risk |\n|---|---|---|---|--:|--:|--:|\n${rows.join('')}`;
  if (sorted.length > MOST_ROWS) yield `and ${countText(sorted.length - MOST_ROWS)} more\n`;
  if (sorted.some(isExposedOnly)) {
    yield '\\* unmaps of these would fail or lose dirty pages if dirty pages were tracked\n';
  }
}

function headlineBlock(trace: Trace): string {
  const { meaning, also, order } = headlineOf(trace);
  const migration = trace.error === undefined ? migrationText(trace.migration) : '';
  const rest = [also, migration, order, acceptedText(trace)]
    .filter((text) => text !== '')
    .join(' ');
  return `**${escaped(meaning)}** ${escaped(rest)}\n`;
}

function* traceBlocks(trace: Trace): Iterable<string> {
  yield headlineBlock(trace);
  const { sessions } = trace;
  for (const session of sortedByVerdict(sessions)) {
    if (sessions.length > 1) {
      const vm = session.vm === null ? '' : ` of ${code(session.vm)}`;
      yield `### Session ${sessions.indexOf(session) + 1}${vm}, lines ${session.firstLine} to ${session.lastLine}: ${session.verdict}\n`;
    }
    yield* sessionBlocks(session, trace);
  }
  yield* uncertainBlocks(trace);
}

/** Errors of the worst session that are told of a trace among others. */
const MOST_BRIEF = 3;

/** One trace among others: what happened in its worst session. */
function* briefBlocks(trace: Trace): Iterable<string> {
  yield headlineBlock(trace);
  const [worst] = sortedByVerdict(trace.sessions);
  if (trace.error !== undefined || worst === undefined) return;
  if (worst.trackingWindows.length > 0) yield windows(worst);
  const { real } = digestOf(worst);
  const errors = real.filter(({ severity }) => severity === 'error');
  for (const [index, finding] of errors.slice(0, MOST_BRIEF).entries()) {
    yield findingBlock(index === 0 ? finding : { ...finding, excerpt: [] }, trace);
  }
  const left = errors.length - MOST_BRIEF;
  if (left > 0) yield `and ${plural(left, 'more finding')}\n`;
  yield* memoryBlocks(real, worst);
  const doubts = doubtsOf(trace).slice(0, MOST_BRIEF);
  if (doubts.length > 0) yield doubts.map((doubt) => `- ${escaped(doubt)}\n`).join('');
}

function* sessionBlocks(session: Session, trace: Trace): Iterable<string> {
  const { real, notes, whatIf } = digestOf(session);
  if (session.trackingWindows.length > 0) yield windows(session);
  for (const finding of real.slice(0, MOST_FINDINGS)) yield findingBlock(finding, trace);
  if (real.length > MOST_FINDINGS)
    yield `and ${plural(real.length - MOST_FINDINGS, 'more finding')}\n`;
  for (const { message } of notes.slice(0, MOST_FINDINGS)) yield `- ${escaped(message)}\n`;
  yield* memoryBlocks(real, session);
  yield* adviceBlocks(real, whatIf);
  if (whatIf.length > 0) yield whatIfBlock(session, whatIf);
  if (session.unknownMessages !== undefined) yield unknownBlock(session.unknownMessages);
  yield modelBlock(session);
}

function* memoryBlocks(real: readonly Finding[], { totals }: Session): Iterable<string> {
  const lost = memoryAtRisk(real);
  if (lost.size > 0) yield spans('Guest memory whose dirty bits are lost', lost);
  else if (losesSomething(real)) yield UNKNOWN_MEMORY;
  const reachable = memoryStillReachable(real);
  if (reachable.size > 0) yield spans('Guest memory that a device still reaches', reachable);
  const { tracked } = totals;
  if (tracked.zeroAddress > 0) {
    yield `${plural(tracked.zeroAddress, 'unmap')} carried address 0 while dirty pages were tracked; ${countText(tracked.harmfulZeroAddress)} of them did harm.\n`;
  }
}

/** What mends what happened, or where nothing did, what might. */
function* adviceBlocks(real: readonly Finding[], whatIf: readonly Finding[]): Iterable<string> {
  const bad = real.filter(({ severity }) => severity !== 'note');
  const isReal = bad.length > 0;
  const { releases, today } = adviceOf(isReal ? bad : whatIf);
  if (releases.length > 0)
    yield adviceBlock(isReal ? 'What fixes it' : 'What would fix it', releases);
  if (today.length > 0) yield adviceBlock('What to do today', today);
}

function windows(session: Session): string {
  const { trackingWindows } = session;
  const shown = trackingWindows.slice(0, 5).map(({ firstLine, lastLine, by, unmaps }) => {
    const end = lastLine === null ? 'to the end' : `to ${lastLine}`;
    return `lines ${firstLine} ${end} by ${trackedByText(by)} (${trackedUnmapsText(unmaps)})`;
  });
  const left = trackingWindows.length - shown.length;
  if (left > 0) shown.push(plural(left, 'more time'));
  return `Dirty tracking was on: ${escaped(listed(shown))}. ${migrationNote(session)}\n`;
}

function findingBlock(finding: Finding, trace: Trace): string {
  const { rule, slug, severity, mode, count, excerpt, first, last } = finding;
  const how = mode === null ? '' : `, ${modeMeanings[mode]}`;
  const device = deviceText(finding);
  const facts: (readonly [string, string])[] = [
    ['device', escaped(device)],
    [
      isAboutMapping(finding) ? 'mapping' : 'unmap',
      finding.iova === null || finding.size === null
        ? ''
        : `iova \`${finding.iova}\`, size \`${finding.size}\` (${humanSize(BigInt(finding.size))})`,
    ],
    ['cause', finding.cause === null ? '' : causeStories[finding.cause]],
    ['errno', finding.errno === null || finding.errno === 0 ? '' : errnoText(finding.errno)],
    ['bitmap', isAboutBitmap(finding) ? bitmapFact(finding) : ''],
    ['address', addressFact(finding)],
    ['where', placesText(first, last, trace)],
    ['accepted', finding.accepted === undefined ? '' : escaped(acceptanceText(finding.accepted))],
  ];
  const rows = facts
    .filter(([, text]) => text !== '')
    .map(([label, text]) => tableRow([label, text]));
  const quote = excerpt.length === 0 ? '' : `\n${fence(excerpt)}`;
  return (
    `**${severity} ${escaped(`${rule} ${slug}`)}**: ${timesText(count)}${how}\n\n${escaped(finding.message)}\n\n` +
    `| | |\n|---|---|\n${rows.join('')}${quote}`
  );
}

function addressFact({ carriedAddress, expectedAddress }: Finding): string {
  if (carriedAddress === null || expectedAddress === null) return '';
  return `sent ${code(carriedAddress)}, right would be ${code(expectedAddress)}`;
}

function bitmapFact({ bitmapBytes, limitBytes }: Finding): string {
  if (bitmapBytes === null || limitBytes === null) return '';
  return `needs ${humanSize(BigInt(bitmapBytes))}; the container accepts ${humanSize(BigInt(limitBytes))}`;
}

function spans(title: string, all: PageRangeSet): string {
  const shown = lowest(all, MOST_RANGES);
  const list = shown.map(
    ({ first, last }) =>
      `\`0x${first.toString(16)}\` - \`0x${last.toString(16)}\` (${humanSize(last - first + 1n)})`,
  );
  const left = all.size - shown.length;
  return `**${title}**: ${humanSize(bytesIn(all))} in ${plural(all.size, 'range')}: ${list.join(', ')}${left > 0 ? `, and ${left} more` : ''}\n`;
}

function adviceBlock(title: string, all: readonly Advice[]): string {
  return `**${title}**\n\n${all.map(({ text, rules }) => `- ${escaped(text)} (${escaped(rules.join(', '))})\n`).join('')}`;
}

function whatIfBlock({ exposed }: Session, findings: readonly Finding[]): string {
  const shown = findings.slice(0, MOST_FINDINGS).map((finding) => {
    const { rule, slug, count, cause, first, atRiskBytes } = finding;
    const what = cause === null ? '' : `, ${causeMeanings[cause]}`;
    const memory = atRiskBytes === 0 ? '' : `, ${humanSize(atRiskBytes)} of guest memory`;
    return `- ${escaped(`${rule} ${slug}`)}: ${timesText(count)}${what}, from line ${first.line}${memory}\n`;
  });
  const left = findings.length - shown.length;
  const exposure = exposureText(exposed);
  const summary = exposure === '' ? 'What if dirty tracking had been on' : `What if: ${exposure}`;
  return details(summary, `${shown.join('')}${left > 0 ? `- and ${left} more\n` : ''}`);
}

function unknownBlock(unknown: UnknownMessages): string {
  const left = unknownLeft(unknown, MOST_FINDINGS);
  const lines = fence(unknownLines(unknown, MOST_FINDINGS));
  return details(
    UNKNOWN_TITLE,
    `${unknownCount(unknown)}\n\n${lines}${left === '' ? '' : `${left}\n`}`,
  );
}

function modelBlock({ model, containers }: Session): string {
  const { qemu, vIommu, awBits, hostPageSize, maxDirtyBitmapBytes, ramSize } = model;
  const size = (value: string | null) => (value === null ? 'unknown' : humanSize(BigInt(value)));
  const rows = [
    ['QEMU', qemu.value ?? 'unknown', qemu],
    ...containerRows(containers).map(({ text, known }) => ['container', text, known] as const),
    ['vIOMMU', vIommu.value ?? 'unknown', vIommu] as const,
    ...(!hasAwBits(model) ? [] : [['aw-bits', String(awBits.value ?? 'unknown'), awBits] as const]),
    ['host page', humanSize(hostPageSize.value), hostPageSize],
    ...(hasLegacyLimits(containers)
      ? [['bitmap limit', humanSize(maxDirtyBitmapBytes.value), maxDirtyBitmapBytes] as const]
      : []),
    ['guest RAM', size(ramSize.value), ramSize],
  ] as const;
  const body = rows.map(([label, value, { source, from }]) =>
    tableRow([label, escaped(value), source, escaped(from)]),
  );
  return details(
    'What this rests on',
    `| | value | source | from |\n|---|---|---|---|\n${body.join('')}`,
  );
}

function* uncertainBlocks(trace: Trace): Iterable<string> {
  if (trace.error !== undefined) return;
  const doubts = doubtsOf(trace).slice(0, MOST_FINDINGS);
  if (doubts.length > 0) {
    yield `**What is not certain**\n\n${doubts.map((doubt) => `- ${escaped(doubt)}\n`).join('')}`;
  }
  if (!wantsBetterTrace(trace)) return;
  const { missing, hints, command } = captureAdvice(trace);
  const named =
    missing.length === 0
      ? ''
      : `Not traced, or not all of it: ${missing.map(code).join(', ')}.\n\n`;
  const items = hints.map((hint) => `- ${hint}\n`).join('');
  yield details('How to capture a better trace', `${named}${items}\n${fence(command)}`);
}
