import { humanSize } from '../../base/address.ts';
import { countText, listed, plural } from '../../base/words.ts';
import type { Result, Trace } from '../../result/types.ts';
import { acceptedText } from '../accepted.ts';
import { type Advice, adviceOf } from '../advice.ts';
import { atRiskText, digestOf, memoryStillReachable, staleMappingsOf } from '../digest.ts';
import { bytesIn } from '../guest-ranges.ts';
import { headlineOf } from '../headline.ts';
import { answersText, migrationText } from '../migration.ts';
import { failuresOf, isExposedOnly } from '../verdicts.ts';
import { commonFolder, qemuText, traceName, trackedByText } from '../wording.ts';
import type { Assets } from './assets.ts';
import { html } from './escape.ts';
import { head } from './head.ts';
import { factsOf, wordOf } from './payload.ts';

/** The page without its data: what is read first does not wait for a script. */

/** Rows of the list of traces; a page with more is slow, and nobody reads it. */
const MOST_ROWS = 1000;

/** From the doctype to the places that the script fills. `sorted`: the traces, worst first. */
export function opening(sorted: readonly Trace[], assets: Assets): string {
  const [worst] = sorted;
  const isBatch = sorted.length > 1;
  const word = worst === undefined ? 'NO TRACE' : wordOf(worst);
  const subject = isBatch
    ? `${sorted.length} traces`
    : worst === undefined
      ? ''
      : traceName(worst.path);
  return `${head(`${word}: ${subject} - vtdscope`, assets)}<a class="skip" href="#findings">Skip to the findings</a>
<main>
${worst === undefined ? '<h1>No trace was analysed</h1>' : verdictSection(sorted, worst)}
${adviceSection(sorted)}
${isBatch ? traceList(sorted) : ''}
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

function verdictSection(sorted: readonly Trace[], worst: Trace): string {
  const { meaning, also, order } = headlineOf(worst);
  const isBatch = sorted.length > 1;
  const migration = worst.error === undefined ? migrationText(worst.migration) : '';
  return `<header class="verdict ${verdictClass(worst)}">
${isBatch ? `<p class="answers">${html(answersText(sorted))}</p>\n` : ''}<p class="subject">${html(isBatch ? `The worst of ${plural(sorted.length, 'trace')}: ${traceName(worst.path)}` : traceName(worst.path))}</p>
<h1>${html(wordOf(worst))}</h1>
<p class="meaning">${html(meaning)}</p>
${paragraph('order', also)}${paragraph('answer', migration)}${paragraph('order', order)}${paragraph('order', acceptedText(worst))}${isBatch || worst.error !== undefined ? '' : `<p class="note">${html(factsOf(worst))}</p>`}
</header>
<dl class="tiles">
${(isBatch ? batchTiles(sorted) : traceTiles(worst)).map(([label, value]) => `<div><dt>${html(label)}</dt><dd>${html(value)}</dd></div>`).join('\n')}
</dl>`;
}

/** '' where there is nothing to say. */
function paragraph(kind: string, text: string): string {
  return text === '' ? '' : `<p class="${kind}">${html(text)}</p>\n`;
}

/** The class that gives a verdict its colour. */
function verdictClass(trace: Trace): string {
  if (trace.error !== undefined) return 'v-unusable';
  return trace.verdict === 'clean' && isExposedOnly(trace) ? 'v-exposed' : `v-${trace.verdict}`;
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

function batchTiles(sorted: readonly Trace[]): readonly Tile[] {
  const words = new Map<string, number>();
  for (const trace of sorted) words.set(wordOf(trace), (words.get(wordOf(trace)) ?? 0) + 1);
  return [...words].map(([word, count]) => [sentenceCase(word), countText(count)]);
}

function sentenceCase(word: string): string {
  return word.charAt(0) + word.slice(1).toLowerCase();
}

function adviceSection(traces: readonly Trace[]): string {
  const digests = traces.flatMap(({ sessions }) => sessions.map(digestOf));
  const bad = digests.flatMap(({ real }) => real).filter(({ severity }) => severity !== 'note');
  const { releases, today } = adviceOf(
    bad.length > 0 ? bad : digests.flatMap(({ whatIf }) => whatIf),
  );
  if (releases.length === 0 && today.length === 0) return '';
  return `<div class="advice">
${adviceList(bad.length > 0 ? 'What fixes it' : 'What would fix it', releases)}
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

function traceList(sorted: readonly Trace[]): string {
  const shown = sorted.slice(0, MOST_ROWS);
  const folder = commonFolder(shown.map(({ path }) => traceName(path)));
  const rows = shown.map((trace, index) => {
    const session = trace.sessions.at(-1);
    const number = (count: number) => (count === 0 ? '' : countText(count));
    return `<tr data-trace="${index}">
<td data-label="migrate">${html(trace.migration.answer)}</td>
<td class="word"><span class="badge ${verdictClass(trace)}">${html(wordOf(trace).toLowerCase())}</span></td>
<th scope="row"><a href="#trace">${html(traceName(trace.path).slice(folder.length))}</a></th>
<td data-label="QEMU">${html(session === undefined ? '' : qemuText(session.model))}</td>
<td class="number" data-label="failed">${number(failuresOf(trace))}</td>
<td class="number" data-label="stale">${number(staleMappingsOf(trace))}</td>
<td class="number" data-label="at risk">${html(atRiskText(trace))}</td>
</tr>`;
  });
  const left = sorted.length - rows.length;
  return `<section id="traces"><h2>${html(plural(sorted.length, 'trace'))}, worst first</h2>
${folder === '' ? '' : `<p class="note">Paths below ${html(folder)}</p>`}
<div class="scroll"><table class="traces">
<thead><tr><th scope="col">Migrate</th><th scope="col">Verdict</th><th scope="col">Trace</th><th scope="col">QEMU</th><th scope="col" class="number">Failed unmaps</th><th scope="col" class="number">Stale mappings</th><th scope="col" class="number">Memory at risk</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>
${left > 0 ? `<p class="note">and ${left} more: --format json has them all.</p>` : ''}
<p class="note">~: inferred from the events of the trace; a version that behaves so. Memory at risk: guest memory whose dirty bits were lost.</p>
</section>`;
}
