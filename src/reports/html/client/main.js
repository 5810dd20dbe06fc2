import { redrawCharts } from './chart-frame.js';
import { column, readPayload } from './data.js';
import { byId, el } from './dom.js';
import { findingDetail } from './finding-detail.js';
import { FindingsTable } from './findings-table.js';
import { TraceTable } from './trace-table.js';
import { traceView } from './trace-view.js';

/** @typedef {import('./data.js').FindingRow} FindingRow */

const payload = readPayload();
const isAlone = payload.traces.length === 1;
const tracePlace = byId('trace');
const basisPlace = byId('basis');
const detailPlace = el('div', { id: 'detail', tabindex: -1 });
let shownTrace = -1;

/** @param {number} index */
function showTrace(index) {
  const trace = payload.traces[index];
  if (trace === undefined || index === shownTrace) return;
  shownTrace = index;
  const { charts, tables } = traceView(trace, isAlone, payload.texts);
  tracePlace.replaceChildren(...charts);
  basisPlace.replaceChildren(...tables);
  traces?.select(index);
}

/**
 * What the address of the page says to lead to a finding.
 * @param {FindingRow} row
 */
function addressOf(row) {
  const trace = payload.traces[row[column.trace]];
  const session = (trace?.sessions.length ?? 0) > 1 ? [`s${row[column.session] + 1}`] : [];
  return [...(isAlone ? [] : [trace?.id]), ...session, row[column.id]].join('/');
}

/**
 * Shows what an address leads to: a trace, a finding, or a finding of a session.
 * @param {string} address
 */
function follow(address) {
  const parts = address.split('/');
  const named = payload.traces.findIndex(({ id }) => id === parts[0]);
  const trace = isAlone ? 0 : named;
  if (trace < 0) return false;
  const session = parts.find((part) => /^s\d+$/.test(part));
  const finding = parts.find((part) => /^[0-9a-f]{16}$/.test(part));
  showTrace(trace);
  if (!isAlone) table.showTrace(trace);
  if (finding === undefined) {
    table.selectFirst(trace);
    return named >= 0;
  }
  return table.selectId(trace, session === undefined ? -1 : Number(session.slice(1)) - 1, finding);
}

const listOfTraces = document.querySelector('table.traces');
const traces =
  listOfTraces instanceof HTMLTableElement
    ? new TraceTable(
        listOfTraces,
        payload.traces.map(({ meaning, path }) => `${path}\n${meaning}`),
      )
    : null;

const table = new FindingsTable(payload, (row) => {
  showTrace(row[column.trace]);
  detailPlace.replaceChildren(findingDetail(payload, row, addressOf(row)));
  // So that the address of the page leads to the finding; a page from a mail may have none.
  try {
    history.replaceState(null, '', `#${addressOf(row)}`);
  } catch {
    return;
  }
});

byId('findings').replaceChildren(el('h2', {}, 'Findings'), table.element, detailPlace);
showTrace(0);
if (!follow(location.hash.slice(1))) table.selectFirst(0);

/** Brings into view what an address has led to. */
function reveal() {
  const { hash } = location;
  if (!follow(hash.slice(1))) return;
  const place = hash.includes('/') ? detailPlace : tracePlace;
  place.scrollIntoView();
  place.focus({ preventScroll: true });
}

window.addEventListener('hashchange', reveal);
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a[href^="#t-"]') : null;
  // An address that is there already changes nothing, and is to be followed all the same.
  if (link?.getAttribute('href') === location.hash) reveal();
});
for (const button of document.querySelectorAll('button[data-advice]')) {
  /** @type {HTMLElement} */ (button).hidden = false;
  button.addEventListener('click', () => {
    const text = button.closest('li')?.firstChild?.textContent?.trim() ?? '';
    traces?.showAdvice(button.getAttribute('data-advice') ?? '', text);
    byId('traces').scrollIntoView();
  });
}

// Canvases know nothing of a change of colours, and paper is narrow and light.
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawCharts);
window.addEventListener('beforeprint', () => {
  document.documentElement.classList.add('printing');
  redrawCharts();
});
window.addEventListener('afterprint', () => {
  document.documentElement.classList.remove('printing');
  redrawCharts();
});
