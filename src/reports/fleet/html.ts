import { humanSize } from '../../base/address.ts';
import { countText } from '../../base/words.ts';
import type { Fleet, FleetTrace } from '../../result/fleet.ts';
import { STALE_RULE } from '../digest.ts';
import { readFleetAssets } from '../html/assets.ts';
import { html } from '../html/escape.ts';
import { head } from '../html/head.ts';
import { type TraceRow, traceTable } from '../html/trace-table.ts';
import { answersText } from '../migration.ts';
import { traceName } from '../wording.ts';
import {
  atRiskOf,
  type Counts,
  failuresOf,
  gapsText,
  sessionsByRule,
  verdictsByVersion,
  versionsOf,
  worstFirst,
} from './tables.ts';

/** A page with the answer, and a row for each trace, to be filtered, that leads to its own result. */
export function* htmlOfFleet(fleet: Fleet): Iterable<string> {
  const { scripts, styles } = readFleetAssets();
  yield head(`${answersText(fleet.traces)} - vtdscope`, { scripts, styles });
  const gaps = gapsText(fleet);
  yield `<main>
<header class="answers a-${fleet.migration.answer}"><h1>${html(answersText(fleet.traces))}</h1>
${gaps === '' ? '' : `<p class="gaps">${html(gaps)}: of these the answer is not known.</p>`}</header>
<section id="traces" aria-label="Traces">
`;
  yield* traceTable(worstFirst(fleet).map(row), 'Traces, worst first', true);
  yield `</section>
<div class="tables">
${table('Sessions by version and verdict', verdictsByVersion(fleet))}
${table('Sessions with a finding', sessionsByRule(fleet))}
</div>
</main>
<footer><p>${html(`${fleet.tool.name} ${fleet.tool.version}.`)} This page is complete in itself: it loads nothing and sends nothing.</p></footer>
${scripts.map(({ text }) => `<script>${text}</script>`).join('\n')}
</body>
</html>
`;
}

const SEVERITIES = ['error', 'warning', 'note'];

function row(trace: FleetTrace): TraceRow {
  const { error, key, migration, sessions, state, verdict } = trace;
  const findings = sessions
    .flatMap((session) => session.findings)
    .sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
  const devices = findings.flatMap(({ device }) => (device === null ? [] : [device]));
  const riskBytes = atRiskOf(trace);
  return {
    answer: migration.answer,
    word: state === 'analysed' ? verdict.replaceAll('-', ' ') : state,
    tone: state === 'analysed' ? `v-${verdict}` : 'v-unusable',
    name: traceName(trace.trace),
    link: state === 'missing' ? null : `${key}${state === 'failed' ? '.failed' : ''}.json`,
    qemu: versionsOf(trace),
    devices: [...new Set(devices)].sort(),
    rules: [...new Set(findings.map(({ rule }) => rule))],
    failed: failuresOf(trace),
    stale: findings
      .filter(
        ({ mode, rule, severity }) =>
          rule === STALE_RULE && severity === 'error' && mode !== 'what-if',
      )
      .reduce((sum, { count }) => sum + count, 0),
    risk: riskBytes === 0 ? '' : humanSize(riskBytes),
    riskBytes,
    why: error ?? migration.why,
    advice: [],
  };
}

function table(caption: string, counts: Counts): string {
  if (counts.length === 0) return '';
  const rows = counts.map(
    ([name, count]) => `<tr><td class="number">${countText(count)}</td><td>${html(name)}</td></tr>`,
  );
  return `<section><h2>${html(caption)}</h2><div class="scroll"><table><thead><tr><th scope="col" class="number">sessions</th><th scope="col">what</th></tr></thead><tbody>${rows.join('\n')}</tbody></table></div></section>`;
}
