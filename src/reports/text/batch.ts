import { humanSize } from '../../base/address.ts';
import { type Verdict, verdicts } from '../../base/vocabulary.ts';
import type { Result, Trace } from '../../result/types.ts';
import { adviceOf, digestOf } from '../digest.ts';
import { plain } from '../plain.ts';
import {
  failuresOf,
  isExposedOnly,
  tracesWorstFirst,
  verdictStyle,
  verdictWords,
} from '../verdicts.ts';
import { listed, traceName } from '../wording.ts';
import { type Page, shorten } from './layout.ts';
import type { Limits } from './limits.ts';
import { adviceSections, traceInBrief } from './trace.ts';

/** What is said of a number of traces with a verdict, after the number. */
const counted: Readonly<Record<Verdict, readonly [one: string, more: string]>> = {
  fails: ['fails', 'fail'],
  'loses-dirty-pages': ['loses dirty pages', 'lose dirty pages'],
  'leaves-mappings': ['leaves mappings', 'leave mappings'],
  inconclusive: ['is inconclusive', 'are inconclusive'],
  clean: ['is clean', 'are clean'],
};

/** Several traces: how many have which verdict, a table, what mends it, and the worst in more detail. */
export function batchSection(page: Page, result: Result, limits: Limits): void {
  page.text(summaryOf(result), '', 'bold').gap();
  const sorted = tracesWorstFirst(result.traces);
  tableOfTraces(page, sorted, limits);
  const all = sorted.flatMap(({ sessions }) => sessions.map(digestOf));
  const bad = all.flatMap(({ real }) => real).filter(({ severity }) => severity !== 'note');
  const told = bad.length > 0 ? bad : all.flatMap(({ whatIf }) => whatIf);
  adviceSections(page, adviceOf(told), bad.length > 0, limits);
  const worthTelling = sorted.filter(
    ({ verdict, error }) => verdict !== 'clean' || error !== undefined,
  );
  for (const trace of worthTelling.slice(0, limits.traces)) traceInBrief(page.gap(), trace, limits);
  const left = worthTelling.length - Math.min(worthTelling.length, limits.traces);
  if (left > 0)
    page
      .gap()
      .text(`Details of ${left} more are left out: -v, or give one trace alone.`, '', 'dim');
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
  return `${traces.length} traces: ${listed(parts)}.`;
}

/** Columns after verdict and path, with their widths. */
const QEMU = 5;
const FAILED = 6;
const AT_RISK = 10;
/** Narrower pages have no room for them. */
const WIDE = 64;

/** One line per trace: verdict, path, and what there is to say of it in the room that is left. */
function tableOfTraces(page: Page, traces: readonly Trace[], limits: Limits): void {
  const shown = traces.slice(0, limits.rows);
  const isWide = page.width >= WIDE;
  const verdictWidth = Math.max('verdict'.length, ...shown.map((trace) => wordOf(trace).length));
  const longest = Math.max(8, ...shown.map(({ path }) => [...traceName(path)].length));
  const room = page.width - verdictWidth - 1 - (isWide ? QEMU + FAILED + AT_RISK + 3 : 0);
  const widths = [verdictWidth, Math.min(longest, room)] as const;
  const numbers = `${'QEMU'.padEnd(QEMU)} ${'failed'.padStart(FAILED)} ${'at risk'.padStart(AT_RISK)}`;
  const head = `${'verdict'.padEnd(widths[0])} ${'trace'.padEnd(widths[1])}${isWide ? ` ${numbers}` : ''}`;
  page.line(page.style('dim', head));
  for (const trace of shown) page.line(row(page, trace, widths, isWide));
  const left = traces.slice(limits.rows);
  if (left[0] !== undefined) {
    const best = verdictWords[left[0].verdict].toLowerCase();
    page.text(`and ${left.length} more, ${best} or better: -v, -q or --format json`, '', 'dim');
  }
  if (traces.some(isExposedOnly)) {
    page.text(
      '* unmaps of these would fail or lose dirty pages if dirty pages were tracked',
      '',
      'yellow',
    );
  }
}

function row(
  page: Page,
  trace: Trace,
  [verdictWidth, pathWidth]: readonly [number, number],
  isWide: boolean,
): string {
  const verdict = page.style(verdictStyle(trace), wordOf(trace).padEnd(verdictWidth));
  const path = shorten(traceName(trace.path), pathWidth);
  if (!isWide || trace.error !== undefined) return `${verdict} ${path}`;
  const { atRiskBytes } = trace.totals.tracked;
  const failed = failuresOf(trace);
  return [
    verdict,
    path + ' '.repeat(pathWidth - [...path].length),
    plain(trace.sessions.at(-1)?.model.qemu.value ?? '?')
      .slice(0, QEMU)
      .padEnd(QEMU),
    (failed === 0 ? '-' : String(failed)).padStart(FAILED),
    (atRiskBytes === 0 ? '-' : humanSize(atRiskBytes)).padStart(AT_RISK),
  ].join(' ');
}

function wordOf(trace: Trace): string {
  if (trace.error !== undefined) return 'unusable';
  return trace.verdict + (isExposedOnly(trace) ? '*' : '');
}
