import { type Verdict, verdicts } from '../../base/vocabulary.ts';
import { countText, listed, plural } from '../../base/words.ts';
import type { Result, Trace } from '../../result/types.ts';
import { sharedAdvice } from '../advice.ts';
import { atRiskText, staleMappingsOf } from '../digest.ts';
import { answersText } from '../migration.ts';
import {
  failuresOf,
  isExposedOnly,
  tracesWorstFirst,
  verdictStyle,
  verdictWords,
} from '../verdicts.ts';
import { windowNote } from '../window.ts';
import { commonFolder, qemuText, traceName } from '../wording.ts';
import type { Page } from './layout.ts';
import { traceSection } from './trace.ts';

/** What is said of a number of traces with a verdict, after the number. */
const counted: Readonly<Record<Verdict, readonly [one: string, more: string]>> = {
  crashes: ['crashes', 'crash'],
  fails: ['fails', 'fail'],
  'loses-dirty-pages': ['loses dirty pages', 'lose dirty pages'],
  'leaves-mappings': ['leaves mappings', 'leave mappings'],
  inconclusive: ['is inconclusive', 'are inconclusive'],
  clean: ['is clean', 'are clean'],
};

/** Rows of the table, and pieces of advice of a kind, that a screen or two hold. */
const MOST_ROWS = 40;
const MOST_ADVICE = 3;
const ALL = Number.POSITIVE_INFINITY;

/** Several traces: how many have which verdict, a table, and what to do for how many; `isFull`: and all of each. */
export function batchSection(page: Page, result: Result, isFull: boolean): void {
  page.text(answersText(result.traces), '', 'bold').text(summaryOf(result));
  const note = windowNote(result.traces);
  if (note !== '') page.text(note);
  page.gap();
  const sorted = tracesWorstFirst(result.traces);
  tableOfTraces(page, sorted, isFull ? ALL : MOST_ROWS);
  advice(page, sorted, isFull ? ALL : MOST_ADVICE);
  if (!isFull) return;
  for (const trace of sorted) traceSection(page.gap(), trace);
}

function advice(page: Page, sorted: readonly Trace[], most: number): void {
  const all = sharedAdvice(sorted);
  for (const [kind, title] of [
    ['today', 'What to do today'],
    ['release', 'What fixes it'],
  ] as const) {
    const items = all.filter((item) => item.kind === kind);
    if (items.length === 0) continue;
    page.heading(title);
    for (const { text, rules, traces } of items.slice(0, most)) {
      page.text(
        `${text} For ${plural(traces.length, 'trace')}. [${rules.join(', ')}]`,
        `${INDENT}- `,
      );
    }
    const left = items.length - most;
    if (left > 0) page.text(`and ${left} more`, INDENT, 'dim');
  }
}

/** `3 traces: 1 fails and 2 are clean.` */
export function summaryOf({ traces }: Result): string {
  const unusable = traces.filter(({ error }) => error !== undefined).length;
  const parts = unusable === 0 ? [] : [`${unusable} could not be analysed`];
  for (const verdict of verdicts) {
    const count = traces.filter(
      (trace) => trace.error === undefined && trace.verdict === verdict,
    ).length;
    if (count > 0) parts.push(`${count} ${counted[verdict][count === 1 ? 0 : 1]}`);
  }
  return `${plural(traces.length, 'trace')}: ${listed(parts)}.`;
}

/** The column before the verdict: `refused` is the longest answer. */
const ANSWER = 8;
/** Columns after verdict and path, with their widths. */
const LEAST_QEMU = 6;
/** `10.0.13` and `v5-patch` fit; distributions' longer names are cut. */
const MOST_QEMU = 8;
const FAILED = 6;
const STALE = 5;
const AT_RISK = 9;
const NUMBERS = FAILED + STALE + AT_RISK + 4;
/** Narrower pages have no room for them. */
const WIDE = 64;

const BELOW = 'Paths below ';
const INDENT = '  ';

/** What the rows of the table have in common. */
interface Columns {
  readonly verdict: number;
  readonly qemu: number;
  readonly isWide: boolean;
}

/** One line per trace: answer, verdict, what there is to say of it, and its name, which may be long. */
function tableOfTraces(page: Page, traces: readonly Trace[], most: number): void {
  const shown = traces.slice(0, most);
  const folder = commonFolder(shown.map(({ path }) => traceName(path)));
  if (folder !== '')
    page.line(page.style('dim', BELOW + page.name(folder, page.width - BELOW.length)));
  const isWide = page.width >= WIDE;
  const verdict = Math.max('verdict'.length, ...shown.map((trace) => wordOf(trace).length));
  const qemu = Math.max(LEAST_QEMU, ...shown.map((trace) => qemuOf(trace).length));
  const columns = { verdict, qemu, isWide };
  page.line(page.style('dim', head(columns)));
  const room = page.width - ANSWER - verdict - 1 - (isWide ? NUMBERS + qemu : 0);
  const names = namesOf(page, shown, folder, room);
  for (const [index, trace] of shown.entries())
    page.line(`${row(page, trace, columns)} ${names[index]}`);
  const left = traces.slice(most);
  if (left[0] !== undefined) {
    const best = verdictWords[left[0].verdict].toLowerCase();
    page.text(
      `and ${countText(left.length)} more, ${best} or better: -v, -q or --format json`,
      '',
      'dim',
    );
  }
  legend(page, traces, isWide);
}

/** The names below the folder, cut to the room where they stay different. */
function namesOf(
  page: Page,
  traces: readonly Trace[],
  folder: string,
  room: number,
): readonly string[] {
  const names = traces.map(({ path }) => traceName(path).slice(folder.length));
  const cut = names.map((name) => page.name(name, room));
  const counts = new Map<string, number>();
  for (const name of cut) counts.set(name, (counts.get(name) ?? 0) + 1);
  return names.map((name, index) => {
    const short = cut[index] ?? name;
    return counts.get(short) === 1 ? short : name;
  });
}

function legend(page: Page, traces: readonly Trace[], isWide: boolean): void {
  if (traces.some(isExposedOnly)) {
    page.text(
      '* unmaps of these would fail or lose dirty pages if dirty pages were tracked',
      '',
      'yellow',
    );
  }
  if (isWide && traces.some((trace) => qemuOf(trace).startsWith('~'))) {
    page.text('~ inferred from the events of the trace: a version that behaves so', '', 'dim');
  }
}

function head({ verdict, qemu, isWide }: Columns): string {
  const numbers = [
    'QEMU'.padEnd(qemu),
    'failed'.padStart(FAILED),
    'stale'.padStart(STALE),
    'at risk'.padStart(AT_RISK),
  ];
  return [
    'migrate'.padEnd(ANSWER - 1),
    'verdict'.padEnd(verdict),
    ...(isWide ? numbers : []),
    'trace',
  ].join(' ');
}

function row(page: Page, trace: Trace, { verdict, qemu, isWide }: Columns): string {
  const words = [
    trace.migration.answer.padEnd(ANSWER - 1),
    page.style(verdictStyle(trace), wordOf(trace).padEnd(verdict)),
  ].join(' ');
  if (!isWide) return words;
  const number = (count: number) => (count === 0 ? '-' : countText(count));
  return [
    words,
    qemuOf(trace).padEnd(qemu),
    number(failuresOf(trace)).padStart(FAILED),
    number(staleMappingsOf(trace)).padStart(STALE),
    (atRiskText(trace) || '-').padStart(AT_RISK),
  ].join(' ');
}

/** The version in the last session of a trace. */
function qemuOf({ sessions }: Trace): string {
  const last = sessions.at(-1);
  return last === undefined ? '?' : qemuText(last.model).slice(0, MOST_QEMU);
}

function wordOf(trace: Trace): string {
  if (trace.error !== undefined) return 'unusable';
  return trace.verdict + (isExposedOnly(trace) ? '*' : '');
}
