import { plain } from '../../base/plain.ts';
import { exposureText } from '../../result/exposure.ts';
import type { Result, Trace } from '../../result/types.ts';
import { acceptedText } from '../accepted.ts';
import { compareFindings } from '../digest.ts';
import { headlineOf } from '../headline.ts';
import type { Report, ReportOptions } from '../report.ts';
import { tracesWorstFirst, verdictStyle } from '../verdicts.ts';
import { traceName } from '../wording.ts';
import { batchSection } from './batch.ts';
import { Page } from './layout.ts';
import { everything, forOneTrace, forSeveralTraces, type Limits } from './limits.ts';
import { traceSection } from './trace.ts';

/** Lines that a person reads; more only for those who ask for everything. */
const MOST_LINES = 198;

/** For people at a terminal: the verdict first, then what happened, what is at risk and what to do. */
export const textReport: Report = {
  name: 'text',
  extension: 'txt',
  *render(result, options) {
    if (options.verbosity < 0) yield* oneLineEach(result, options);
    else
      yield* lines(
        options.verbosity > 0 ? page(result, options, everything) : fitted(result, options),
      );
  },
};

function* lines(all: readonly string[]): Iterable<string> {
  for (const line of all) yield `${line.trimEnd()}\n`;
}

/** The most that fits. */
function fitted(result: Result, options: ReportOptions): readonly string[] {
  let all: readonly string[] = [];
  for (const limits of result.traces.length > 1 ? forSeveralTraces : forOneTrace) {
    all = page(result, options, limits);
    if (all.length <= MOST_LINES) return all;
  }
  return [...all.slice(0, MOST_LINES - 1), '... cut here: -v shows everything'];
}

function page(result: Result, { width, color }: ReportOptions, limits: Limits): readonly string[] {
  const page = new Page(width, color);
  const [first] = result.traces;
  if (first === undefined) return page.text('No trace was analysed.').lines;
  if (result.traces.length === 1) traceSection(page, first, limits);
  else batchSection(page, result, limits);
  const named = worstRule(result);
  page.gap();
  if (named !== null)
    page.text(`'vtdscope explain ${named}' tells the whole story of a finding.`, '', 'dim');
  page.text(
    "'--output html=report.html' draws charts and lists every finding; '-v' prints everything.",
    '',
    'dim',
  );
  return page.lines;
}

/** The rule of the first trace's worst finding. */
function worstRule(result: Result): string | null {
  const [worst] = tracesWorstFirst(result.traces);
  const findings = worst?.sessions.flatMap((session) => session.findings) ?? [];
  const [leading] = [...findings].sort(compareFindings);
  return leading === undefined || leading.severity === 'note' ? null : leading.rule;
}

function* oneLineEach(result: Result, { color }: ReportOptions): Iterable<string> {
  const page = new Page(80, color);
  for (const trace of result.traces) yield `${oneLine(page, trace)}\n`;
}

/** `verdict  path  why`, for people and for grep; never wrapped. */
function oneLine(page: Page, trace: Trace): string {
  const isUnusable = trace.error !== undefined;
  const word = isUnusable ? 'unusable' : trace.verdict;
  const { meaning } = headlineOf(trace);
  const exposure = trace.verdict === 'clean' ? exposureText(trace.exposed) : '';
  const why = [meaning, exposure === '' ? '' : `But ${exposure}.`, acceptedText(trace)]
    .filter((text) => text !== '')
    .join(' ');
  return `${page.style(verdictStyle(trace), word)}\t${traceName(trace.path)}\t${plain(why)}`;
}
