import { humanSize } from '../../base/address.ts';
import { migrationAnswers } from '../../base/vocabulary.ts';
import { countText } from '../../base/words.ts';
import type { Fleet, FleetTrace } from '../../result/fleet.ts';
import { ownAsset } from '../html/assets.ts';
import { html } from '../html/escape.ts';
import { head } from '../html/head.ts';
import { answersText, countOfAnswer } from '../migration.ts';
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

/** A page with the answer, filters by it, and a row for each trace that leads to its own result. */
export function* htmlOfFleet(fleet: Fleet): Iterable<string> {
  const styles = [ownAsset('style.css'), ownAsset('fleet-page.css')];
  const script = ownAsset('fleet-page.js');
  yield head(`${answersText(fleet.traces)} - vtdscope`, { scripts: [script], styles });
  yield opening(fleet);
  yield `<table class="traces">
<caption>Traces, worst first</caption>
<thead><tr><th scope="col">migrate</th><th scope="col">verdict</th><th scope="col">trace</th><th scope="col">QEMU</th><th scope="col">failed</th><th scope="col">at risk</th><th scope="col">why</th></tr></thead>
<tbody>
`;
  for (const trace of worstFirst(fleet)) yield row(trace);
  yield `</tbody></table>
${table('Sessions by version and verdict', verdictsByVersion(fleet))}
${table('Sessions with a finding', sessionsByRule(fleet))}
</main>
<footer><p>${html(`${fleet.tool.name} ${fleet.tool.version}.`)} This page is complete in itself: it loads nothing and sends nothing.</p></footer>
<script>${script.text}</script>
</body>
</html>
`;
}

function opening(fleet: Fleet): string {
  const gaps = gapsText(fleet);
  const buttons = migrationAnswers.map((name) => {
    const count = countText(countOfAnswer(fleet.traces, name));
    return `<button type="button" data-answer="${name}" aria-pressed="false">${count} ${name}</button>`;
  });
  return `<main class="fleet">
<h1>${html(answersText(fleet.traces))}</h1>
${gaps === '' ? '' : `<p class="unknown">${html(gaps)}: of these the answer is not known.</p>`}
<div class="controls" hidden>
<div class="counts" role="group" aria-label="Traces by the answer whether to migrate">${buttons.join('')}</div>
<label for="search">Only with this text: </label><input id="search" type="search">
<p id="shown" role="status"></p>
</div>
`;
}

function row(trace: FleetTrace): string {
  const { error, key, migration, state, verdict } = trace;
  const name = html(traceName(trace.trace));
  const link =
    state === 'missing'
      ? name
      : `<a href="${key}${state === 'failed' ? '.failed' : ''}.json">${name}</a>`;
  const risk = atRiskOf(trace);
  const cells = [
    `<td class="${migration.answer}">${migration.answer}</td>`,
    `<td>${state === 'analysed' ? verdict : state}</td>`,
    `<td>${link}</td>`,
    `<td>${html(versionsOf(trace))}</td>`,
    `<td class="number">${failuresOf(trace) || ''}</td>`,
    `<td class="number">${risk === 0 ? '' : html(humanSize(risk))}</td>`,
    `<td>${html(error ?? migration.why)}</td>`,
  ];
  return `<tr data-answer="${migration.answer}">${cells.join('')}</tr>\n`;
}

function table(caption: string, counts: Counts): string {
  if (counts.length === 0) return '';
  const rows = counts.map(
    ([name, count]) => `<tr><td class="number">${countText(count)}</td><td>${html(name)}</td></tr>`,
  );
  return `<table><caption>${html(caption)}</caption><thead><tr><th scope="col">sessions</th><th scope="col">what</th></tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}
