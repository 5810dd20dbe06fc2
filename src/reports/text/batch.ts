import { type Verdict, verdicts } from '../../base/vocabulary.ts';
import { countText, listed, plural } from '../../base/words.ts';
import type { Result, Trace } from '../../result/types.ts';
import { adviceOf } from '../advice.ts';
import { atRiskText, digestOf, staleMappingsOf } from '../digest.ts';
import { answersText } from '../migration.ts';
import {
  failuresOf,
  isExposedOnly,
  tracesWorstFirst,
  verdictStyle,
  verdictWords,
} from '../verdicts.ts';
import { commonFolder, qemuText, traceName } from '../wording.ts';
import { columnsOf, padded } from './columns.ts';
import { type Page, shorten } from './layout.ts';
import type { Limits } from './limits.ts';
import { adviceSections, traceInBrief } from './trace.ts';

/** What is said of a number of traces with a verdict, after the number. */
const counted: Readonly<Record<Verdict, readonly [one: string, more: string]>> = {
  crashes: ['crashes', 'crash'],
  fails: ['fails', 'fail'],
  'loses-dirty-pages': ['loses dirty pages', 'lose dirty pages'],
  'leaves-mappings': ['leaves mappings', 'leave mappings'],
  inconclusive: ['is inconclusive', 'are inconclusive'],
  clean: ['is clean', 'are clean'],
};

/** Several traces: how many have which verdict, a table, what mends it, and the worst in more detail. */
export function batchSection(page: Page, result: Result, limits: Limits): void {
  page.text(answersText(result.traces), '', 'bold').text(summaryOf(result)).gap();
  const sorted = tracesWorstFirst(result.traces);
  tableOfTraces(page, sorted, limits);
  const all = sorted.flatMap(({ sessions }) => sessions.map(digestOf));
  const bad = all.flatMap(({ real }) => real).filter(({ severity }) => severity !== 'note');
  const told = bad.length > 0 ? bad : all.flatMap(({ whatIf }) => whatIf);
  adviceSections(page, adviceOf(told), bad.length > 0, limits);
  const worthTelling = sorted.filter(
    ({ verdict, error }) => verdict !== 'clean' || error !== undefined,
  );
  for (const trace of worstOfEachKind(worthTelling, limits.traces))
    traceInBrief(page.gap(), trace, limits);
  const left = worthTelling.length - Math.min(worthTelling.length, limits.traces);
  if (left > 0)
    page
      .gap()
      .text(`Details of ${left} more are left out: -v, or give one trace alone.`, '', 'dim');
}

/** The worst of each verdict, and then what is left, the worst first; in the order given. */
function worstOfEachKind(sorted: readonly Trace[], most: number): readonly Trace[] {
  const seen = new Set<string>();
  const isFirst = (trace: Trace) => {
    const word = wordOf(trace);
    return !seen.has(word) && seen.add(word).size > 0;
  };
  const firsts = sorted.filter(isFirst);
  const others = sorted.filter((trace) => !firsts.includes(trace));
  const told = new Set([...firsts, ...others].slice(0, Math.min(most, sorted.length)));
  return sorted.filter((trace) => told.has(trace));
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

/** What the rows of the table have in common. */
interface Columns {
  readonly verdict: number;
  readonly path: number;
  readonly qemu: number;
  readonly isWide: boolean;
  /** Characters of every path that are not told again. */
  readonly folder: number;
}

/** One line per trace: verdict, path, and what there is to say of it in the room that is left. */
function tableOfTraces(page: Page, traces: readonly Trace[], limits: Limits): void {
  const shown = traces.slice(0, limits.rows);
  const names = shown.map(({ path }) => traceName(path));
  const folder = commonFolder(names);
  if (folder !== '') page.text(shorten(folder, page.width - BELOW.length), BELOW, 'dim', 'dim');
  const isWide = page.width >= WIDE;
  const verdict = Math.max('verdict'.length, ...shown.map((trace) => wordOf(trace).length));
  const longest = Math.max(8, ...names.map((name) => columnsOf(name.slice(folder.length))));
  const qemu = Math.max(LEAST_QEMU, ...shown.map((trace) => qemuOf(trace).length));
  const room = page.width - ANSWER - verdict - 1 - (isWide ? NUMBERS + qemu : 0);
  const columns = { verdict, path: Math.min(longest, room), qemu, isWide, folder: folder.length };
  page.line(page.style('dim', head(columns)));
  for (const trace of shown) page.line(row(page, trace, columns));
  const left = traces.slice(limits.rows);
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

function legend(page: Page, traces: readonly Trace[], isWide: boolean): void {
  if (traces.some(isExposedOnly)) {
    page.text(
      '* unmaps of these would fail or lose dirty pages if dirty pages were tracked',
      '',
      'yellow',
    );
  }
  if (!isWide) return;
  if (traces.some((trace) => qemuOf(trace).startsWith('~'))) {
    page.text('~ inferred from the events of the trace: a version that behaves so', '', 'dim');
  }
}

function head({ verdict, path, qemu, isWide }: Columns): string {
  const numbers = [
    'QEMU'.padEnd(qemu),
    'failed'.padStart(FAILED),
    'stale'.padStart(STALE),
    'at risk'.padStart(AT_RISK),
  ];
  return [
    'migrate'.padEnd(ANSWER - 1),
    'verdict'.padEnd(verdict),
    isWide ? 'trace'.padEnd(path) : 'trace',
    ...(isWide ? numbers : []),
  ].join(' ');
}

function row(page: Page, trace: Trace, { verdict, path, qemu, isWide, folder }: Columns): string {
  const words = [
    trace.migration.answer.padEnd(ANSWER - 1),
    page.style(verdictStyle(trace), wordOf(trace).padEnd(verdict)),
  ].join(' ');
  const name = shorten(traceName(trace.path).slice(folder), path);
  if (!isWide || trace.error !== undefined) return `${words} ${name}`;
  const number = (count: number) => (count === 0 ? '-' : countText(count));
  return [
    words,
    padded(name, path),
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
