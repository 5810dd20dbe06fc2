import { column } from './data.js';
import { countText, el, pluralText, whenQuiet } from './dom.js';
import { columnsOf, MODES, SEVERITIES } from './finding-columns.js';

/** @typedef {import('./data.js').Payload} Payload */
/** @typedef {import('./data.js').FindingRow} FindingRow */

/** Height of a row, as in the style sheet. */
const ROW = 34;
/** Rows above and below those that are seen. */
const SPARE = 10;
/** Rows on paper. */
const PRINTED = 100;

/**
 * What is left out of a printed list.
 * @param {number} number
 */
function onPaper(number) {
  return number <= PRINTED
    ? ''
    : `; the first ${PRINTED} are printed, the rest is in the file this was printed from`;
}

/** @typedef {import('./finding-columns.js').ColumnOf} ColumnOf */

/**
 * Every finding, as rows of which only those exist that are seen: a hundred thousand are no more
 * work than a hundred.
 */
export class FindingsTable {
  /** @type {Payload} */
  #payload;
  /** @type {(row: FindingRow) => void} */
  #onSelect;
  /** @type {readonly ColumnOf[]} */
  #columns;
  /** @type {readonly number[]} indexes of rows, filtered and sorted */
  #shown = [];
  /** @type {string[]} what is searched in, filled when it is first needed */
  #haystack = [];
  #sortKey = '';
  #descending = false;
  /** Index of the row in `#shown` that the keyboard is on. */
  #cursor = 0;
  /** Index of the finding whose details are shown. */
  #selected = -1;
  #printing = false;
  /** The only one whose findings are shown; -1: all. */
  #trace = -1;

  /**
   * @param {Payload} payload
   * @param {(row: FindingRow) => void} onSelect
   */
  constructor(payload, onSelect) {
    this.#payload = payload;
    this.#onSelect = onSelect;
    this.#columns = columnsOf(payload);
    this.search = el('input', {
      type: 'search',
      placeholder: 'rule, device, address, text ...',
      'aria-label': 'Search in the findings',
    });
    this.severity = this.#choice('Severity', SEVERITIES, column.severity);
    this.mode = this.#choice('Known by', MODES, column.mode);
    this.rule = this.#choice('Rule', [], column.rule);
    this.device = this.#choice('Device', [], column.device);
    this.ofTrace = el('button', { type: 'button', class: 'link' }, 'show those of all traces');
    this.count = el('p', { class: 'count', role: 'status' });
    this.head = el('div', { class: 'row head', role: 'row' });
    this.body = el('div', { class: 'rows', role: 'rowgroup' });
    this.grid = el(
      'div',
      {
        class: payload.traces.length > 1 ? 'sheet several' : 'sheet',
        role: 'grid',
        tabindex: 0,
        'aria-label': 'Findings; arrow keys move, Enter shows one',
      },
      el('div', { class: 'heads', role: 'rowgroup' }, this.head),
      this.body,
    );
    this.element = el(
      'div',
      { class: 'findings' },
      el(
        'div',
        { class: 'filters', role: 'search', 'aria-label': 'Findings' },
        this.search,
        this.severity.label,
        this.mode.label,
        this.rule.label,
        this.device.label,
      ),
      el('div', { class: 'of-trace' }, this.count, this.ofTrace),
      this.grid,
    );
    this.#listen();
    this.#drawHead();
    this.update();
  }

  /**
   * Shows only the findings of one trace; -1: of all.
   * @param {number} trace
   */
  showTrace(trace) {
    this.#trace = trace;
    this.update();
  }

  /**
   * Selects the first finding of a trace, if one is shown.
   * @param {number} trace
   */
  selectFirst(trace) {
    const at = this.#shown.findIndex(
      (index) => this.#payload.findings[index]?.[column.trace] === trace,
    );
    if (at >= 0) this.#select(at);
  }

  /**
   * Selects a finding by its place and id.
   * @param {number} trace
   * @param {number} session -1: any
   * @param {string} id
   */
  selectId(trace, session, id) {
    const at = this.#shown.findIndex((index) => {
      const row = this.#payload.findings[index];
      return (
        row?.[column.id] === id &&
        row[column.trace] === trace &&
        (session < 0 || row[column.session] === session)
      );
    });
    if (at >= 0) this.#select(at);
    return at >= 0;
  }

  /** Filters and sorts again. */
  update() {
    const tests = this.#tests();
    const { findings } = this.#payload;
    const shown = [];
    for (let index = 0; index < findings.length; index += 1) {
      if (tests.every((test) => test(index))) shown.push(index);
    }
    this.#shown = this.#sorted(shown);
    this.#cursor = Math.max(0, this.#shown.indexOf(this.#selected));
    const all = findings.length;
    const number = this.#shown.length;
    this.count.replaceChildren(
      all === 0
        ? 'There are no findings.'
        : number === all
          ? pluralText(all, 'finding')
          : `${countText(number)} of ${pluralText(all, 'finding')}${this.#trace < 0 ? '' : `, of ${this.#payload.traces[this.#trace]?.name}`}`,
      el('span', { class: 'on-paper' }, onPaper(number)),
    );
    this.ofTrace.hidden = this.#trace < 0;
    this.element.classList.toggle('none', all === 0);
    this.grid.setAttribute('aria-rowcount', String(number + 1));
    this.grid.scrollTop = 0;
    this.#draw();
  }

  // --- Filters and order -------------------------------------------------------------------------

  /** @returns {((index: number) => boolean)[]} */
  #tests() {
    const { findings, texts } = this.#payload;
    /** @type {((index: number) => boolean)[]} */
    const tests = [];
    for (const { select, at } of [this.severity, this.mode, this.rule, this.device]) {
      if (select.value === '') continue;
      const wanted = texts.indexOf(select.value);
      tests.push((index) => findings[index]?.[at] === wanted);
    }
    if (this.#trace >= 0) {
      const wanted = this.#trace;
      tests.push((index) => findings[index]?.[column.trace] === wanted);
    }
    const words = this.search.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    if (words.length > 0) {
      tests.push((index) => {
        const text = this.#searchText(index);
        return words.every((word) => text.includes(word));
      });
    }
    return tests;
  }

  /** @param {number} index */
  #searchText(index) {
    const known = this.#haystack[index];
    if (known !== undefined) return known;
    const { findings, texts, traces } = this.#payload;
    const row = findings[index];
    if (row === undefined) return '';
    const numbers = [
      row[column.rule],
      row[column.slug],
      row[column.severity],
      row[column.mode],
      row[column.device],
      row[column.cause],
      row[column.message],
      ...row[column.facts],
    ];
    const text = [
      row[column.id],
      `line ${row[column.line]}`,
      traces[row[column.trace]]?.path ?? '',
      ...numbers.map((number) => texts[number] ?? ''),
    ]
      .join('\n')
      .toLowerCase();
    this.#haystack[index] = text;
    return text;
  }

  /** @param {number[]} shown */
  #sorted(shown) {
    const by = this.#columns.find(({ key }) => key === this.#sortKey);
    if (by === undefined) return shown;
    const { findings } = this.#payload;
    const keyed = shown.map((index) => {
      const row = findings[index];
      return { index, value: row === undefined ? '' : by.value(row) };
    });
    const sign = this.#descending ? -1 : 1;
    keyed.sort(
      (a, b) => sign * (a.value < b.value ? -1 : a.value > b.value ? 1 : 0) || a.index - b.index,
    );
    return keyed.map(({ index }) => index);
  }

  /**
   * @param {string} name
   * @param {readonly string[]} order known values first, in this order
   * @param {number} at
   */
  #choice(name, order, at) {
    const { findings, texts } = this.#payload;
    const numbers = new Set(findings.map((row) => /** @type {number} */ (row[at])));
    const present = [...numbers]
      .map((number) => texts[number] ?? '')
      .filter((value) => value !== '')
      .sort();
    const values = [
      ...order.filter((value) => present.includes(value)),
      ...present.filter((value) => !order.includes(value)),
    ];
    const select = el(
      'select',
      {},
      el('option', { value: '' }, `${name}: all`),
      ...values.map((value) => el('option', { value }, value)),
    );
    const label = el('label', {}, el('span', { class: 'hidden' }, name), select);
    label.hidden = values.length < 2;
    return { label, select, at };
  }

  // --- Events ------------------------------------------------------------------------------------

  #listen() {
    this.search.addEventListener(
      'input',
      whenQuiet(120, () => this.update()),
    );
    for (const { select } of [this.severity, this.mode, this.rule, this.device]) {
      select.addEventListener('change', () => this.update());
    }
    this.ofTrace.addEventListener('click', () => this.showTrace(-1));
    this.grid.addEventListener('scroll', () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(this.grid);
    this.body.addEventListener('click', (event) => {
      const target = event.target instanceof Element ? event.target.closest('[data-at]') : null;
      if (target !== null) this.#select(Number(target.getAttribute('data-at')));
    });
    this.grid.addEventListener('keydown', (event) => this.#key(event));
    window.addEventListener('beforeprint', () => this.#print(true));
    window.addEventListener('afterprint', () => this.#print(false));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.grid) return;
    const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 2);
    const last = this.#shown.length - 1;
    const moves = /** @type {Record<string, number>} */ ({
      ArrowDown: this.#cursor + 1,
      ArrowUp: this.#cursor - 1,
      PageDown: this.#cursor + page,
      PageUp: this.#cursor - page,
      Home: 0,
      End: last,
    });
    const next = moves[event.key];
    if (next !== undefined) {
      event.preventDefault();
      this.#cursor = Math.max(0, Math.min(next, last));
      this.#reveal();
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#select(this.#cursor);
    }
  }

  /** @param {number} at index in `#shown` */
  #select(at) {
    const index = this.#shown[at];
    const row = index === undefined ? undefined : this.#payload.findings[index];
    if (index === undefined || row === undefined) return;
    this.#cursor = at;
    this.#selected = index;
    this.#reveal();
    this.#onSelect(row);
  }

  #reveal() {
    const top = this.#cursor * ROW;
    const { scrollTop, clientHeight } = this.grid;
    if (top < scrollTop) this.grid.scrollTop = top;
    // The head stands above the rows.
    else if (top + 2 * ROW > scrollTop + clientHeight)
      this.grid.scrollTop = top + 2 * ROW - clientHeight;
    this.#draw();
  }

  /** @param {boolean} printing */
  #print(printing) {
    this.#printing = printing;
    this.#draw();
  }

  // --- Drawing -----------------------------------------------------------------------------------

  #drawHead() {
    this.head.replaceChildren(
      ...this.#columns.map(({ name, key }) => {
        const isSorted = key === this.#sortKey;
        const button = el(
          'button',
          { type: 'button' },
          name,
          isSorted ? (this.#descending ? ' \u2193' : ' \u2191') : '',
        );
        button.addEventListener('click', () => this.#sortBy(key));
        const order = isSorted ? (this.#descending ? 'descending' : 'ascending') : 'none';
        return el('div', { class: key, role: 'columnheader', 'aria-sort': order }, button);
      }),
    );
  }

  /** @param {string} key */
  #sortBy(key) {
    if (this.#sortKey !== key) {
      this.#sortKey = key;
      // Of numbers the large ones are looked for.
      this.#descending = key === 'count' || key === 'risk';
    } else if (this.#descending === (key === 'count' || key === 'risk')) {
      this.#descending = !this.#descending;
    } else {
      // The third time back to the order they came in: worst first.
      this.#sortKey = '';
      this.#descending = false;
    }
    this.#drawHead();
    this.update();
  }

  #draw() {
    const number = this.#shown.length;
    const { scrollTop, clientHeight } = this.grid;
    const first = this.#printing ? 0 : Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
    const end = this.#printing
      ? Math.min(number, PRINTED)
      : Math.min(number, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
    // On paper rows have the height of what they say.
    this.body.style.height = this.#printing ? '' : `${number * ROW}px`;
    const rows = [];
    for (let at = first; at < end; at += 1) rows.push(this.#row(at));
    this.body.replaceChildren(...rows);
    const isDrawn = this.#cursor >= first && this.#cursor < end;
    if (isDrawn) this.grid.setAttribute('aria-activedescendant', `finding-${this.#cursor}`);
    else this.grid.removeAttribute('aria-activedescendant');
  }

  /** @param {number} at */
  #row(at) {
    const index = this.#shown[at] ?? -1;
    const row = this.#payload.findings[index];
    const state = `${at === this.#cursor ? ' cursor' : ''}${index === this.#selected ? ' selected' : ''}`;
    const element = el('div', {
      class: `row${state}`,
      role: 'row',
      id: `finding-${at}`,
      'data-at': at,
      'aria-rowindex': at + 2,
      'aria-selected': index === this.#selected ? 'true' : 'false',
    });
    element.style.top = `${at * ROW}px`;
    if (row === undefined) return element;
    for (const { key, text } of this.#columns) {
      const words = text(row);
      const cell = el('div', { class: key, role: 'gridcell', title: words });
      cell.append(key === 'severity' ? el('span', { class: `badge s-${words}` }, words) : words);
      element.append(cell);
    }
    return element;
  }
}
