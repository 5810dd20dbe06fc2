import { redrawCharts } from './chart-frame.js';
import { column, readPayload } from './data.js';
import { byId, el } from './dom.js';
import { findingDetail } from './finding-detail.js';
import { FindingsTable } from './findings-table.js';
import { traceView } from './trace-view.js';

const payload = readPayload();
const isAlone = payload.traces.length === 1;
const tracePlace = byId('trace');
const basisPlace = byId('basis');
const detailPlace = el('div', { id: 'detail', 'aria-live': 'polite' });
let shownTrace = -1;

/** @param {number} index */
function showTrace(index) {
  const trace = payload.traces[index];
  if (trace === undefined || index === shownTrace) return;
  shownTrace = index;
  const { charts, tables } = traceView(trace, isAlone);
  tracePlace.replaceChildren(...charts);
  basisPlace.replaceChildren(...tables);
  for (const row of document.querySelectorAll('tr[data-trace]')) {
    row.classList.toggle('selected', row.getAttribute('data-trace') === String(index));
  }
}

const table = new FindingsTable(payload, (row) => {
  showTrace(row[column.trace]);
  detailPlace.replaceChildren(findingDetail(payload, row));
  // So that the address of the page leads to the finding; a page from a mail may have none.
  try {
    history.replaceState(null, '', `#${row[column.id]}`);
  } catch {
    return;
  }
});

for (const row of document.querySelectorAll('tr[data-trace]')) {
  row.addEventListener('click', () => {
    const index = Number(row.getAttribute('data-trace'));
    showTrace(index);
    table.showTrace(index);
    table.selectFirst(index);
  });
}

byId('findings').replaceChildren(el('h2', {}, 'Findings'), table.element, detailPlace);
showTrace(0);
if (!table.selectId(location.hash.slice(1))) table.selectFirst(0);

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
