import { el } from './dom.js';
import { iovaStrip } from './iova-strip.js';
import { memoryMap } from './memory-map.js';
import { timeline } from './timeline.js';

/** @typedef {import('./data.js').TracePayload} TracePayload */
/** @typedef {import('./data.js').SessionPayload} SessionPayload */

/**
 * What there is to see of a trace beside its findings: charts before them, tables after.
 * @param {TracePayload} trace
 * @param {boolean} isAlone the page is about this trace only
 * @param {readonly string[]} texts
 * @returns {{ charts: HTMLElement[], tables: HTMLElement[] }}
 */
export function traceView(trace, isAlone, texts) {
  /** @type {HTMLElement[]} */
  const head = [];
  if (isAlone) head.push(el('h2', { class: 'hidden' }, 'Charts'));
  else {
    head.push(
      el('h2', {}, trace.path, ' ', el('a', { class: 'permalink', href: `#${trace.id}` }, 'link')),
      el(
        'p',
        { class: 'meaning' },
        el('span', { class: `badge ${trace.tone}` }, trace.word.toLowerCase()),
        ` ${trace.meaning} ${trace.order}`,
      ),
      el('p', { class: 'note' }, trace.facts),
    );
  }
  const charts = el('div', {});
  const tables = el('div', { class: 'tables' });
  const show = (/** @type {SessionPayload | undefined} */ session) => {
    charts.replaceChildren(...(session === undefined ? [] : chartsOf(session)));
    tables.replaceChildren(
      el('h2', { class: 'hidden' }, 'Counts and sources'),
      ...(session === undefined ? [] : tablesOf(session, texts)),
      ...doubts(trace, texts),
    );
  };
  if (trace.sessions.length > 1) head.push(sessionChoice(trace, show));
  show(trace.sessions[0]);
  return { charts: [...head, charts], tables: [tables] };
}

/**
 * @param {TracePayload} trace
 * @param {(session: SessionPayload | undefined) => void} show
 */
function sessionChoice({ sessions }, show) {
  const select = el(
    'select',
    {},
    ...sessions.map(({ title }, index) => el('option', { value: index }, title)),
  );
  select.addEventListener('change', () => show(sessions[Number(select.value)]));
  return el('label', { class: 'choice' }, 'Session: ', select);
}

/** @param {SessionPayload} session */
function chartsOf(session) {
  const { charts } = session;
  if (charts === null) {
    return [
      el(
        'p',
        { class: 'note' },
        'No charts of this session: the page would have too many. Make one of this trace alone.',
      ),
    ];
  }
  const parts = [];
  if (charts.lines.length > 1) parts.push(timeline(session, charts));
  if (charts.pieces.length > 0) {
    const strip = iovaStrip(charts);
    parts.push(charts.pieces.some(({ failed }) => failed > 0) ? strip : folded(strip));
  }
  const isLost = charts.lost.length + charts.reachable.length > 0;
  if (isLost || charts.whatIf.length > 0) {
    const map = memoryMap(charts);
    parts.push(isLost ? map : folded(map));
  }
  return parts;
}

/**
 * A chart that does not matter for the verdict, to be opened.
 * @param {HTMLElement} figure
 */
function folded(figure) {
  const title = figure.querySelector('h3')?.textContent ?? '';
  return el(
    'details',
    { class: 'folded' },
    el('summary', {}, `${title}: nothing of it happened here`),
    figure,
  );
}

/**
 * @param {SessionPayload} session
 * @param {readonly string[]} texts
 */
function tablesOf({ facts, hazards, model, windows }, texts) {
  const parts = [section('Counts', pairs(facts))];
  if (windows.length > 0) {
    const shown = windows.slice(0, 20).map(({ text }) => el('li', {}, text));
    const left = windows.length - shown.length;
    if (left > 0) shown.push(el('li', {}, `and ${left} more`));
    parts.push(section('Dirty tracking was on', el('ul', {}, ...shown)));
  }
  parts.push(wide('Unmaps and their hazards', hazardTable(hazards)));
  const rows = model.map((numbers) => {
    const [label = '', value = '', source = '', from = ''] = numbers.map(
      (number) => texts[number] ?? '',
    );
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, label),
      el('td', {}, value),
      el('td', {}, el('span', { class: `source src-${source}` }, source), ` ${from}`),
    );
  });
  parts.push(wide('What this rests on', el('table', { class: 'model' }, el('tbody', {}, ...rows))));
  return parts;
}

/**
 * @param {TracePayload} trace
 * @param {readonly string[]} texts
 */
function doubts({ doubts: numbers, capture }, texts) {
  const text = (/** @type {number} */ number) => texts[number] ?? '';
  const parts = [];
  if (numbers.length > 0) {
    parts.push(
      section(
        'What is not certain',
        el('ul', {}, ...numbers.map((number) => el('li', {}, text(number)))),
      ),
    );
  }
  if (capture !== null) {
    const { missing, hints, command } = capture;
    const items = hints.map((hint) => el('li', {}, text(hint)));
    parts.push(
      section(
        'How to capture a better trace',
        missing.length === 0
          ? null
          : el('p', {}, `Not traced, or not all of it: ${missing.map(text).join(', ')}.`),
        items.length === 0 ? null : el('ul', {}, ...items),
        el(
          'p',
          {},
          'Start QEMU with these options, and keep its messages (standard error) in the same file:',
        ),
        el('pre', { class: 'excerpt' }, command.map(text).join('\n')),
      ),
    );
  }
  return parts;
}

/**
 * One that may be wider than the page, and is scrolled by keyboard, too.
 * @param {string} title
 * @param {HTMLElement} table
 */
function wide(title, table) {
  const element = section(title, table);
  element.tabIndex = 0;
  element.setAttribute('aria-label', title);
  return element;
}

/**
 * @param {string} title
 * @param {readonly (HTMLElement | null)[]} children
 */
function section(title, ...children) {
  return el('section', {}, el('h3', {}, title), ...children);
}

const HAZARDS = [
  'dirty pages were',
  'unmaps',
  'bitmap too big',
  'address 0',
  'of these harmful',
  'wrong address',
  'no query',
  'memory at risk',
];

/** @param {SessionPayload['hazards']} hazards */
function hazardTable(hazards) {
  const head = HAZARDS.map((name, index) =>
    el('th', { scope: 'col', class: index === 0 ? '' : 'number' }, name),
  );
  const rows = hazards.map(([label, ...numbers]) =>
    el(
      'tr',
      {},
      el('th', { scope: 'row' }, label),
      ...numbers.map((number) => el('td', { class: 'number' }, number)),
    ),
  );
  return el(
    'table',
    { class: 'hazards' },
    el('thead', {}, el('tr', {}, ...head)),
    el('tbody', {}, ...rows),
  );
}

/** @param {readonly (readonly [string, string])[]} rows */
function pairs(rows) {
  return el(
    'dl',
    { class: 'facts' },
    ...rows.map(([label, value]) => el('div', {}, el('dt', {}, label), el('dd', {}, value))),
  );
}
