import { plain } from '../base/plain.ts';
import { countText, timesText } from '../base/words.ts';
import type { Finding, Result, Trace } from '../result/types.ts';
import { acceptanceText } from './accepted.ts';
import { compareFindings } from './digest.ts';
import { headlineOf } from './headline.ts';
import type { Report } from './report.ts';
import { verdictWords } from './verdicts.ts';
import { windowLead } from './window.ts';
import { deviceText, modeMeanings, traceName } from './wording.ts';

/** GitHub shows no more of a level from one step. */
const MOST_OF_A_LEVEL = 10;

type Level = 'error' | 'warning' | 'notice';
const LEVELS: readonly Level[] = ['error', 'warning', 'notice'];

interface Annotation {
  readonly level: Level;
  readonly path: string;
  readonly line: number | null;
  readonly title: string;
  readonly message: string;
}

/**
 * Workflow commands of GitHub Actions, which become annotations: errors and warnings are what happened,
 * notices what would have, and what a baseline accepts. The worst come first, as GitHub shows few.
 */
export const githubReport: Report = {
  name: 'github',
  extension: 'github.txt',
  *render(result) {
    const all = annotationsOf(result);
    for (const level of LEVELS) {
      for (const annotation of all.filter((one) => one.level === level).slice(0, MOST_OF_A_LEVEL)) {
        yield commandOf(annotation);
      }
    }
    // Lines of their own, which no trace can make a command of.
    for (const trace of result.traces) {
      const word = trace.error === undefined ? verdictWords[trace.verdict] : 'NOT ANALYSED';
      const told = windowLead(trace) + word;
      yield `vtdscope: ${plain(traceName(trace.path))}: ${plain(told)}; migrate: ${trace.migration.answer}\n`;
    }
    for (const level of LEVELS) {
      const left = all.filter((one) => one.level === level).length - MOST_OF_A_LEVEL;
      if (left > 0) yield `vtdscope: and ${countText(left)} more of level ${level}\n`;
    }
  },
};

function annotationsOf({ traces }: Result): readonly Annotation[] {
  const ofTraces = traces.flatMap(annotationsOfTrace);
  const found = traces
    .flatMap((trace) =>
      trace.sessions.flatMap(({ findings }) => findings.map((finding) => ({ trace, finding }))),
    )
    .sort((a, b) => compareFindings(a.finding, b.finding));
  return [...ofTraces, ...found.map(({ trace, finding }) => annotationOf(trace, finding))];
}

/** What keeps a trace from a verdict. */
function annotationsOfTrace(trace: Trace): readonly Annotation[] {
  const { error, path, reasons, verdict } = trace;
  const place = { path, line: null };
  if (error !== undefined) {
    return [{ ...place, level: 'error', title: 'not analysed', message: error }];
  }
  if (verdict !== 'inconclusive') return [];
  const message = [headlineOf(trace).meaning, ...reasons].join(' ');
  return [{ ...place, level: 'warning', title: 'inconclusive', message }];
}

function annotationOf({ path }: Trace, finding: Finding): Annotation {
  const { accepted, count, first, fix, message, mode, rule, slug } = finding;
  const device = deviceText(finding);
  const how = mode === null ? '' : `, ${modeMeanings[mode]}`;
  const title = `${rule} ${slug}${device === '' ? '' : `, ${device}`}: ${timesText(count)}${how}`;
  const reason = accepted === undefined ? '' : ` Accepted: ${acceptanceText(accepted)}.`;
  const text = `${message} ${fix}${reason}`.trim();
  return { level: levelOf(finding), path, line: first.line, title, message: text };
}

function levelOf({ accepted, mode, severity }: Finding): Level {
  if (accepted !== undefined || mode === 'what-if' || severity === 'note') return 'notice';
  return severity;
}

function commandOf({ level, line, message, path, title }: Annotation): string {
  const properties = [
    ...(path === '-' ? [] : [`file=${property(path)}`]),
    ...(line === null ? [] : [`line=${Math.max(1, line)}`]),
    `title=${property(title)}`,
  ];
  return `::${level} ${properties.join(',')}::${data(message)}\n`;
}

/** Text in which nothing ends the command, or starts another one. */
function data(text: string): string {
  return plain(text).replaceAll('%', '%25');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
