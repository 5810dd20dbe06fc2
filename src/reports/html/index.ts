import type { Finding, Result, Trace } from '../../result/types.ts';
import { rulePages } from '../../rules/pages.ts';
import { compareFindings } from '../digest.ts';
import { timesOf } from '../headline.ts';
import type { Report } from '../report.ts';
import { tracesWorstFirst } from '../verdicts.ts';
import { readAssets } from './assets.ts';
import { closing, opening } from './document.ts';
import { scriptJson } from './escape.ts';
import { findingRow, Texts } from './finding-rows.ts';
import { tracePayloads } from './payload.ts';

/**
 * One file that is opened in a browser and mailed on: verdict, advice and the list of traces as
 * HTML, the rest drawn by a script from data in the page. It loads nothing, and its policy forbids it.
 */
export const htmlReport: Report = {
  name: 'html',
  extension: 'html',
  *render(result) {
    const assets = readAssets();
    const sorted = tracesWorstFirst(result.traces);
    yield* opening(sorted, assets);
    yield '<script type="application/json" id="data">';
    yield* data(sorted);
    yield '</script>\n';
    yield closing(result, assets);
  },
};

/** The data, in pieces, so that a large result is never one string. */
function* data(sorted: readonly Trace[]): Iterable<string> {
  const texts = new Texts();
  yield '{"traces":[';
  let separator = '';
  for (const trace of tracePayloads(sorted, texts)) {
    yield `${separator}${scriptJson(trace)}`;
    separator = ',';
  }
  const findings = findingsWorstFirst(sorted);
  const found = new Set<string>(findings.map(({ finding }) => finding.rule));
  const rules = rulePages
    .filter(({ id }) => found.has(id))
    .map(({ id, page, slug, title }) => ({ id, slug, title, page }));
  yield `],"rules":${scriptJson(rules)},"findings":[`;
  separator = '\n';
  let ordinal = 0;
  for (const { finding, trace, session } of findings) {
    const of = sorted[trace];
    const when = of === undefined ? '' : timesOf(finding.first, finding.last, of);
    yield `${separator}${scriptJson(findingRow(finding, trace, session, ordinal, texts, when))}`;
    separator = ',\n';
    ordinal += 1;
  }
  yield `],"texts":${scriptJson(texts.all)}}`;
}

interface Located {
  readonly finding: Finding;
  readonly trace: number;
  readonly session: number;
}

function findingsWorstFirst(traces: Result['traces']): readonly Located[] {
  const all = traces.flatMap(({ sessions }, trace) =>
    sessions.flatMap(({ findings }, session) =>
      findings.map((finding) => ({ finding, trace, session })),
    ),
  );
  return all.sort((a, b) => compareFindings(a.finding, b.finding));
}
