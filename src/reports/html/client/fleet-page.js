// Filters and sorts the table of traces. Without it, the table is complete, worst first.
const table = /** @type {HTMLTableElement} */ (document.querySelector('table.traces'));
const body = /** @type {HTMLTableSectionElement} */ (table.tBodies[0]);
const search = /** @type {HTMLInputElement} */ (document.querySelector('#search'));
const shown = /** @type {HTMLElement} */ (document.querySelector('#shown'));
const buttons = [...document.querySelectorAll('button[data-answer]')];
const rows = [...body.rows].map((row) => ({ row, text: (row.textContent ?? '').toLowerCase() }));
/** Rows that are laid out at a time: the rest follows on request. */
const PAGE = 500;

const state = { answer: '', most: PAGE };

function show() {
  const wanted = search.value.trim().toLowerCase();
  const fitting = rows.filter(
    ({ row, text }) =>
      (state.answer === '' || row.dataset.answer === state.answer) && text.includes(wanted),
  );
  body.replaceChildren(...fitting.slice(0, state.most).map(({ row }) => row));
  const count = Math.min(fitting.length, state.most);
  shown.textContent = `${count} of ${fitting.length} traces are shown (${rows.length} in all).`;
  more.hidden = fitting.length <= state.most;
}

const more = document.createElement('button');
more.type = 'button';
more.textContent = 'Show more';
more.addEventListener('click', () => {
  state.most += PAGE;
  show();
});
table.after(more);

for (const button of buttons) {
  button.addEventListener('click', () => {
    const answer = /** @type {HTMLElement} */ (button).dataset.answer ?? '';
    state.answer = state.answer === answer ? '' : answer;
    state.most = PAGE;
    for (const other of buttons) {
      const isOn = /** @type {HTMLElement} */ (other).dataset.answer === state.answer;
      other.setAttribute('aria-pressed', String(isOn && state.answer !== ''));
    }
    show();
  });
}
search.addEventListener('input', () => {
  state.most = PAGE;
  show();
});
for (const control of document.querySelectorAll('.controls')) {
  /** @type {HTMLElement} */ (control).hidden = false;
}
show();
