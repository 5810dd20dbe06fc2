import { countText, plural } from '../../base/words.ts';
import type { Trace } from '../../result/types.ts';
import { type SharedAdvice, sharedAdvice } from '../advice.ts';
import { atRiskText, compareFindings, staleMappingsOf } from '../digest.ts';
import { answersText } from '../migration.ts';
import { failuresOf } from '../verdicts.ts';
import { windowNote } from '../window.ts';
import { commonFolder, qemuText, traceName } from '../wording.ts';
import { html } from './escape.ts';
import { traceId, verdictClass, wordOf } from './payload.ts';
import { type TraceRow, traceTable } from './trace-table.ts';

/** What the page of several traces begins with: the answer, the table, and what to do for which. */
export function* batchOpening(sorted: readonly Trace[]): Iterable<string> {
  const folder = commonFolder(sorted.map(({ path }) => traceName(path)));
  const names = sorted.map(({ path }) => traceName(path).slice(folder.length));
  const advice = sharedAdvice(sorted);
  const worst = sorted[0]?.migration.answer ?? 'unknown';
  const note = windowNote(sorted);
  yield `<header class="answers a-${worst}"><h1>${html(answersText(sorted))}</h1>${note === '' ? '' : `<p class="note">${html(note)}</p>`}</header>
<section id="traces" aria-label="Traces">
${folder === '' ? '' : `<p class="note">Paths below ${html(folder)}</p>\n`}`;
  yield* traceTable(
    rowsOf(sorted, names, advice),
    `${plural(sorted.length, 'trace')}, worst first`,
  );
  yield '</section>\n';
  yield* adviceSections(advice, sorted, names);
}

function* rowsOf(
  sorted: readonly Trace[],
  names: readonly string[],
  advice: readonly SharedAdvice[],
): Iterable<TraceRow> {
  const numbers = sorted.map((): number[] => []);
  for (const [number, { traces }] of advice.entries())
    for (const index of traces) numbers[index]?.push(number);
  for (const [index, trace] of sorted.entries()) {
    const { migration, path, sessions, totals } = trace;
    const findings = sessions.flatMap((session) => session.findings).sort(compareFindings);
    const devices = sessions.flatMap(({ containers }) =>
      containers.flatMap((container) => container.devices),
    );
    yield {
      answer: migration.answer,
      word: wordOf(trace).toLowerCase(),
      tone: verdictClass(trace),
      name: names[index] ?? '',
      link: `#${traceId(path)}`,
      qemu: [...new Set(sessions.map(({ model }) => qemuText(model)))],
      devices: [...new Set(devices)].sort(),
      rules: [...new Set(findings.map(({ rule }) => rule))],
      failed: failuresOf(trace),
      stale: staleMappingsOf(trace),
      risk: atRiskText(trace),
      riskBytes: totals.tracked.atRiskBytes,
      why: migration.why,
      advice: numbers[index] ?? [],
    };
  }
}

// --- What to do ------------------------------------------------------------------------------------

const TITLES = { today: 'What to do today', release: 'What fixes it' } as const;
/** Names that stand below a piece of advice; the script shows the others in the table. */
const MOST_NAMES = 6;

function* adviceSections(
  advice: readonly SharedAdvice[],
  sorted: readonly Trace[],
  names: readonly string[],
): Iterable<string> {
  if (advice.length === 0) return;
  yield '<div class="advice">\n';
  for (const kind of ['today', 'release'] as const) {
    const items = [...advice.entries()].filter(([, item]) => item.kind === kind);
    if (items.length === 0) continue;
    yield `<section><h2>${TITLES[kind]}</h2><ul>\n`;
    for (const [number, { text, rules, traces }] of items) {
      const links = traces.slice(0, MOST_NAMES).map((index) => {
        const path = sorted[index]?.path ?? '';
        return `<a href="#${traceId(path)}">${html(names[index] ?? '')}</a>`;
      });
      const left = traces.length - links.length;
      const more = left > 0 ? ` and ${countText(left)} more` : '';
      yield `<li>${html(text)} <span class="rules">${html(rules.join(', '))}</span>
<p class="for">For ${plural(traces.length, 'trace')}: ${links.join(', ')}${more} <button type="button" class="link" data-advice="${number}" hidden>in the table</button></p></li>
`;
    }
    yield '</ul></section>\n';
  }
  yield '</div>\n';
}
