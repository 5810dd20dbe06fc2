import { plain } from '../../base/plain.ts';
import { exposureText } from '../../result/exposure.ts';
import type { Result, Trace } from '../../result/types.ts';
import { acceptedText } from '../accepted.ts';
import { compareFindings } from '../digest.ts';
import { headlineOf } from '../headline.ts';
import { answersText, answerWord } from '../migration.ts';
import type { Report, ReportOptions } from '../report.ts';
import { tracesWorstFirst, verdictStyle } from '../verdicts.ts';
import { traceName } from '../wording.ts';
import { batchSection } from './batch.ts';
import { Page } from './layout.ts';
import { traceInBrief, traceSection, wordOf } from './trace.ts';

/** For people at a terminal: the verdict first and last, and between them what a screen holds. */
export const textReport: Report = {
  name: 'text',
  extension: 'txt',
  *render(result, options) {
    if (options.verbosity < 0) yield* oneLineEach(result, options);
    else for (const line of page(result, options)) yield `${line.trimEnd()}\n`;
  },
};

/** What else there is, and what it adds. */
function more(named: string | null, isFull: boolean): string {
  const ways = [
    ...(isFull
      ? []
      : [
          '-v (findings in full, with lines of the trace; guest memory, what if, and what it rests on)',
        ]),
    ...(named === null ? [] : [`'vtdscope explain ${named}'`]),
    "'-o html=report.html' (charts)",
  ];
  return `More: ${ways.join(', ')}.`;
}

function page(result: Result, options: ReportOptions): readonly string[] {
  const { width, color, verbosity, cutsNames = false } = options;
  const page = new Page(width, color, cutsNames);
  const [first] = result.traces;
  const isFull = verbosity > 0;
  if (first === undefined) return page.text('No trace was analysed.').lines;
  const isAlone = result.traces.length === 1;
  if (isAlone && first.error !== undefined) return page.text(`NOT ANALYSED: ${first.error}`).lines;
  if (!isAlone) batchSection(page, result, isFull);
  else if (isFull) traceSection(page, first);
  else traceInBrief(page, first);
  const named = worstRule(result);
  page.gap();
  page.text(more(named, isFull), '', 'dim');
  const last = isAlone
    ? `${wordOf(first)}. Migrate? ${answerWord(first.migration)}.`
    : answersText(result.traces);
  return page.text(last, '', ['bold', isAlone ? verdictStyle(first) : 'white']).lines;
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
