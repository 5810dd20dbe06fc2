import { humanSize } from '../../base/address.ts';
import { countText, listed } from '../../base/words.ts';
import type { Result, Trace } from '../../result/types.ts';
import { acceptedText } from '../accepted.ts';
import { type Advice, adviceOfTrace } from '../advice.ts';
import { atRiskText, digestOf, memoryStillReachable, staleMappingsOf } from '../digest.ts';
import { bytesIn } from '../guest-ranges.ts';
import { headlineOf } from '../headline.ts';
import { answersText, migrationText } from '../migration.ts';
import { failuresOf } from '../verdicts.ts';
import { qemuText, traceName, trackedByText } from '../wording.ts';
import type { Assets } from './assets.ts';
import { batchOpening } from './batch.ts';
import { html } from './escape.ts';
import { head } from './head.ts';
import { factsOf, verdictClass, wordOf } from './payload.ts';

/** The page without its data: what is read first does not wait for a script. */

/** From the doctype to the places that the script fills. `sorted`: the traces, worst first. */
export function* opening(sorted: readonly Trace[], assets: Assets): Iterable<string> {
  const [worst] = sorted;
  const isBatch = sorted.length > 1;
  const title =
    worst === undefined
      ? 'NO TRACE'
      : isBatch
        ? answersText(sorted)
        : `${wordOf(worst)}: ${traceName(worst.path)}`;
  yield `${head(`${title} - vtdscope`, assets)}<a class="skip" href="#findings">Skip to the findings</a>
<main>
`;
  if (worst === undefined) yield '<h1>No trace was analysed</h1>';
  else if (isBatch) yield* batchOpening(sorted);
  else yield `${verdictSection(worst)}\n${adviceSection(worst)}`;
  yield `
<noscript><p class="note">Charts, findings and details need JavaScript. The text report has the same facts: vtdscope --format text -v</p></noscript>
<section id="trace" tabindex="-1" aria-label="Details of a trace"></section>
<section id="findings" aria-label="Findings"></section>
<section id="basis" aria-label="What the verdict rests on"></section>
</main>
`;
}

/** The scripts, and the rest. */
export function closing({ tool, schemaVersion }: Result, { scripts, notice }: Assets): string {
  return `<footer>
<p>${html(`${tool.name} ${tool.version}, result schema ${schemaVersion}.`)} This page is complete in itself: it loads nothing and sends nothing.</p>
<details><summary>Licence of the chart library in this page</summary><pre>${noticeLines(notice)}</pre></details>
</footer>
${scripts.map(({ text }) => `<script>${text}</script>`).join('\n')}
</body>
</html>
`;
}

/** Text of several lines. */
function noticeLines(text: string): string {
  return text.trim().split('\n').map(html).join('\n');
}

function verdictSection(trace: Trace): string {
  const { meaning, also, order } = headlineOf(trace);
  const migration = trace.error === undefined ? migrationText(trace.migration) : '';
  return `<header class="verdict ${verdictClass(trace)}">
<p class="subject">${html(traceName(trace.path))}</p>
<h1>${html(wordOf(trace))}</h1>
<p class="meaning">${html(meaning)}</p>
${paragraph('order', also)}${paragraph('answer', migration)}${paragraph('order', order)}${paragraph('order', acceptedText(trace))}${trace.error === undefined ? `<p class="note">${html(factsOf(trace))}</p>` : ''}
</header>
<dl class="tiles">
${traceTiles(trace)
  .map(([label, value]) => `<div><dt>${html(label)}</dt><dd>${html(value)}</dd></div>`)
  .join('\n')}
</dl>`;
}

/** '' where there is nothing to say. */
function paragraph(kind: string, text: string): string {
  return text === '' ? '' : `<p class="${kind}">${html(text)}</p>\n`;
}

type Tile = readonly [label: string, value: string];

function traceTiles(trace: Trace): readonly Tile[] {
  const { sessions, totals } = trace;
  const reachable = sessions.reduce(
    (bytes, session) => bytes + bytesIn(memoryStillReachable(digestOf(session).real)),
    0,
  );
  const devices = new Set(
    sessions.flatMap(({ containers }) => containers.flatMap((container) => container.devices)),
  );
  const ways = new Set(
    sessions.flatMap(({ trackingWindows }) => trackingWindows.map(({ by }) => trackedByText(by))),
  );
  const { zeroAddress, harmfulZeroAddress, unmaps } = totals.tracked;
  return [
    ['Failed unmaps', countText(failuresOf(trace))],
    ['Dirty bits lost of', atRiskText(trace) || 'nothing seen'],
    [
      'Stale host mappings',
      [countText(staleMappingsOf(trace)), reachable === 0 ? '' : `of ${humanSize(reachable)}`].join(
        ' ',
      ),
    ],
    [
      'Unmaps with address 0 while tracked',
      zeroAddress === 0
        ? '0'
        : `${countText(zeroAddress)}, ${countText(harmfulZeroAddress)} harmful`,
    ],
    ['QEMU', [...new Set(sessions.map(({ model }) => qemuText(model)))].join(', ') || 'unknown'],
    ['Devices', [...devices].sort().join(', ') || 'none named'],
    ['Dirty tracking on by', listed([...ways]) || (unmaps > 0 ? 'not traced' : 'nothing seen')],
  ];
}

function adviceSection(trace: Trace): string {
  const { releases, today } = adviceOfTrace(trace);
  if (releases.length === 0 && today.length === 0) return '';
  const hasHappened = trace.sessions.some((session) =>
    digestOf(session).real.some(({ severity }) => severity !== 'note'),
  );
  return `<div class="advice">
${adviceList(hasHappened ? 'What fixes it' : 'What would fix it', releases)}
${adviceList('What to do today', today)}
</div>`;
}

function adviceList(title: string, all: readonly Advice[]): string {
  if (all.length === 0) return '';
  const items = all.map(
    ({ text, rules }) =>
      `<li>${html(text)} <span class="rules">${html(rules.join(', '))}</span></li>`,
  );
  return `<section><h2>${html(title)}</h2><ul>${items.join('\n')}</ul></section>`;
}
