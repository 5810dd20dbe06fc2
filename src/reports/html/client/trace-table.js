import { countText, el, pluralText, whenQuiet } from './dom.js';

/**
 * A row of the table, read from the page once.
 *
 * @typedef {object} Row
 * @property {HTMLTableRowElement} element
 * @property {string} text what is searched in
 * @property {Readonly<Record<string, readonly string[]>>} all what each column has, for filters
 * @property {Record<string, string | number>} order what each column is sorted by
 */

/** Rows that are laid out at a time. */
const PAGE = 100;

/** Columns whose values are counted, and filter when they are clicked. */
const COUNTED = /** @type {const} */ ([
  ['answer', 'Migrate'],
  ['verdict', 'Verdict'],
]);
/** Columns with a list to choose from. */
const CHOICES = /** @type {const} */ ([
  ['qemu', 'QEMU'],
  ['devices', 'Device'],
  ['rules', 'Rule'],
]);
/** Of these the large values are looked for. */
const NUMBERS = ['failed', 'stale', 'risk'];
/** Not a column: the advice that a row is concerned by. */
const ADVICE = 'advice';

const natural = new Intl.Collator('en', { numeric: true });

/**
 * Filters, sorts and pages the table of traces, which is in the page, worst first. Arrow keys go from
 * row to row.
 */
export class TraceTable {
  /** @type {readonly Row[]} */
  #rows;
  /** @type {readonly Row[]} all, in the order that was chosen */
  #sorted;
  /** @type {readonly Row[]} */
  #shown = [];
  /** @type {Map<string, string>} by column */
  #wanted = new Map();
  #sortKey = '';
  #descending = false;
  #page = 0;
  /** The row that the keyboard is on, in `#shown`. */
  #cursor = 0;
  /** @type {HTMLTableSectionElement} */
  #body;
  /** @type {readonly HTMLTableCellElement[]} */
  #head;
  #adviceText = '';

  /**
   * @param {HTMLTableElement} table
   * @param {readonly string[]} texts what else is searched in, row by row
   */
  constructor(table, texts) {
    this.#body = /** @type {HTMLTableSectionElement} */ (table.tBodies[0]);
    this.#head = [...(table.tHead?.rows[0]?.cells ?? [])];
    const columns = this.#head.map((cell) => cell.dataset.column ?? '');
    this.#rows = [...this.#body.rows].map((element, index) =>
      rowOf(element, columns, texts[index] ?? ''),
    );
    this.#sorted = this.#rows;
    this.search = el('input', {
      type: 'search',
      placeholder: 'name, device, rule, text ...',
      'aria-label': 'Search in the traces',
    });
    this.chips = COUNTED.map(([key, name]) => this.#counts(key, name));
    this.choices = CHOICES.map(([key, name]) => this.#choice(key, name));
    this.order = this.#orderChoice();
    this.count = el('span', { role: 'status' });
    this.reset = el('button', { type: 'button', class: 'link' }, 'show all');
    this.pager = el('span', { class: 'pager' });
    this.#place(table);
    this.#listen(table);
    this.update();
  }

  /**
   * Shows the traces only that a piece of advice is for.
   * @param {string} number
   * @param {string} text
   */
  showAdvice(number, text) {
    this.#clear();
    this.#wanted.set(ADVICE, number);
    this.#adviceText = text;
    this.update();
  }

  /**
   * Marks a row, and brings its page if it is among those shown.
   * @param {number} index
   */
  select(index) {
    for (const [at, { element }] of this.#rows.entries())
      element.classList.toggle('selected', at === index);
    const row = this.#rows[index];
    const at = row === undefined ? -1 : this.#shown.indexOf(row);
    if (at >= 0) this.#moveTo(at);
  }

  /** Filters again. */
  update() {
    const words = this.search.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    const wanted = [...this.#wanted];
    this.#shown = this.#sorted.filter(
      ({ all, text }) =>
        wanted.every(([key, value]) => all[key]?.includes(value)) &&
        words.every((word) => text.includes(word)),
    );
    this.#page = 0;
    this.#cursor = 0;
    this.#drawControls(words.length > 0);
    this.#draw();
  }

  // --- Controls ----------------------------------------------------------------------------------

  /**
   * A button for each value of a column, with how many rows have it.
   * @param {string} key
   * @param {string} name
   */
  #counts(key, name) {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { all } of this.#rows) {
      for (const value of all[key] ?? []) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    // The words have an order of their own: that in which they come.
    const ranks = new Map([...counts.keys()].map((value, rank) => [value, rank]));
    for (const { all, order } of this.#rows) order[key] = ranks.get(all[key]?.[0] ?? '') ?? 0;
    const buttons = [...counts].map(([value, count]) => {
      const button = el(
        'button',
        { type: 'button', class: 'chip', 'data-value': value },
        el('strong', {}, countText(count)),
        ` ${value}`,
      );
      button.addEventListener('click', () => {
        this.#want(key, this.#wanted.get(key) === value ? '' : value);
      });
      return button;
    });
    const group = el('div', { class: 'chips', role: 'group', 'aria-label': name }, ...buttons);
    return { key, buttons, group };
  }

  /**
   * @param {string} key
   * @param {string} name
   */
  #choice(key, name) {
    const values = [...new Set(this.#rows.flatMap(({ all }) => all[key] ?? []))]
      .filter((value) => value !== '')
      .sort(natural.compare);
    const select = el(
      'select',
      {},
      el('option', { value: '' }, `${name}: all`),
      ...values.map((value) => el('option', { value }, value)),
    );
    select.addEventListener('change', () => this.#want(key, select.value));
    const label = el('label', {}, el('span', { class: 'hidden' }, name), select);
    label.hidden = values.length < 2;
    return { key, select, label };
  }

  /** For where the head of the table has no room. */
  #orderChoice() {
    const options = this.#head.map((cell) =>
      el('option', { value: cell.dataset.column ?? '' }, `By ${cell.textContent.toLowerCase()}`),
    );
    const select = el('select', {}, el('option', { value: '' }, 'Worst first'), ...options);
    select.addEventListener('change', () =>
      this.#sortBy(select.value, NUMBERS.includes(select.value)),
    );
    const label = el('label', { class: 'order' }, el('span', { class: 'hidden' }, 'Order'), select);
    return { select, label };
  }

  /** @param {HTMLTableElement} table */
  #place(table) {
    const controls = /** @type {HTMLElement} */ (document.querySelector('.controls'));
    controls.replaceChildren(
      el('div', { class: 'counts' }, ...this.chips.map(({ group }) => group)),
      el(
        'div',
        { class: 'filters', role: 'search', 'aria-label': 'Traces' },
        this.search,
        ...this.choices.map(({ label }) => label),
        this.order.label,
      ),
      el('p', { class: 'count' }, this.count, ' ', this.reset, ' ', this.pager),
    );
    for (const cell of this.#head) {
      const button = el('button', { type: 'button' }, cell.textContent);
      cell.replaceChildren(button);
    }
    table.classList.add('alive');
  }

  /** @param {boolean} isSearched */
  #drawControls(isSearched) {
    for (const { key, buttons } of this.chips) {
      for (const button of buttons) {
        const isOn = this.#wanted.get(key) === button.dataset.value;
        button.setAttribute('aria-pressed', String(isOn));
      }
    }
    for (const { key, select } of this.choices) select.value = this.#wanted.get(key) ?? '';
    const all = this.#rows.length;
    const number = this.#shown.length;
    const isFor = this.#wanted.has(ADVICE) ? `, for which: ${this.#adviceText}` : '';
    this.count.replaceChildren(
      number === all
        ? pluralText(all, 'trace')
        : `${countText(number)} of ${pluralText(all, 'trace')}${isFor}`,
    );
    this.reset.hidden = this.#wanted.size === 0 && !isSearched;
  }

  /** @param {HTMLTableElement} table */
  #listen(table) {
    this.search.addEventListener(
      'input',
      whenQuiet(60, () => this.update()),
    );
    this.reset.addEventListener('click', () => {
      this.#clear();
      this.search.focus();
    });
    for (const cell of this.#head) {
      const key = cell.dataset.column ?? '';
      cell.querySelector('button')?.addEventListener('click', () => this.#turnOrder(key));
    }
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    // All of a row leads where its link does.
    this.#body.addEventListener('click', (event) => {
      const target = event.target instanceof Element ? event.target : null;
      if (target?.closest('a') === null) target.closest('tr')?.querySelector('a')?.click();
    });
    table.addEventListener('focusin', (event) => {
      const row = event.target instanceof Element ? event.target.closest('tbody tr') : null;
      const at = this.#shown.findIndex(({ element }) => element === row);
      if (at >= 0) this.#setCursor(at);
    });
  }

  #clear() {
    this.#wanted.clear();
    this.search.value = '';
    this.update();
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  #want(key, value) {
    if (value === '') this.#wanted.delete(key);
    else this.#wanted.set(key, value);
    this.update();
  }

  // --- Order -------------------------------------------------------------------------------------

  /**
   * One way, the other way, and the third time worst first again.
   * @param {string} key
   */
  #turnOrder(key) {
    const first = NUMBERS.includes(key);
    if (this.#sortKey !== key) this.#sortBy(key, first);
    else if (this.#descending === first) this.#sortBy(key, !first);
    else this.#sortBy('', false);
  }

  /**
   * @param {string} key
   * @param {boolean} descending
   */
  #sortBy(key, descending) {
    this.#sortKey = key;
    this.#descending = descending;
    const sign = descending ? -1 : 1;
    this.#sorted =
      key === ''
        ? this.#rows
        : [...this.#rows].sort((a, b) => sign * compare(a.order[key] ?? '', b.order[key] ?? ''));
    for (const cell of this.#head) {
      const isSorted = key !== '' && cell.dataset.column === key;
      if (isSorted) cell.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
    this.order.select.value = key;
    this.update();
  }

  // --- Rows --------------------------------------------------------------------------------------

  #draw() {
    const first = this.#page * PAGE;
    const rows = this.#shown.slice(first, first + PAGE);
    this.#body.replaceChildren(...rows.map(({ element }) => element));
    for (const { element } of rows) focusable(element).tabIndex = -1;
    this.#setCursor(this.#cursor);
    const pages = Math.ceil(this.#shown.length / PAGE);
    if (pages < 2) {
      this.pager.replaceChildren();
      return;
    }
    const turn = (/** @type {string} */ name, /** @type {number} */ page) => {
      const button = el('button', { type: 'button' }, name);
      button.disabled = page < 0 || page >= pages || page === this.#page;
      button.addEventListener('click', () => this.#turnTo(page));
      return button;
    };
    this.pager.replaceChildren(
      turn('first', 0),
      turn('previous', this.#page - 1),
      ` ${countText(first + 1)} to ${countText(first + rows.length)} `,
      turn('next', this.#page + 1),
      turn('last', pages - 1),
    );
  }

  /** @param {number} page */
  #turnTo(page) {
    this.#page = page;
    this.#cursor = page * PAGE;
    this.#draw();
    this.#body.closest('.scroll')?.scrollTo({ top: 0 });
  }

  /**
   * The row that Tab leads to.
   * @param {number} at
   */
  #setCursor(at) {
    const before = this.#shown[this.#cursor];
    if (before !== undefined) focusable(before.element).tabIndex = -1;
    const row = this.#shown[at];
    if (row !== undefined) focusable(row.element).tabIndex = 0;
    this.#cursor = at;
  }

  /** @param {number} at */
  #moveTo(at) {
    const page = Math.floor(at / PAGE);
    if (page !== this.#page) this.#turnTo(page);
    this.#setCursor(at);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.#shown.length - 1;
    const moves = /** @type {Record<string, number>} */ ({
      ArrowDown: this.#cursor + 1,
      ArrowUp: this.#cursor - 1,
      PageDown: this.#cursor + 15,
      PageUp: this.#cursor - 15,
      Home: 0,
      End: last,
    });
    const next = moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#moveTo(Math.max(0, Math.min(next, last)));
    const row = this.#shown[this.#cursor];
    if (row !== undefined) focusable(row.element).focus();
  }
}

/**
 * What of a row the keyboard goes to: its link, or the name where nothing more is told.
 * @param {HTMLTableRowElement} row
 */
function focusable(row) {
  return /** @type {HTMLElement} */ (row.querySelector('a') ?? row.querySelector('th'));
}

/**
 * @param {HTMLTableRowElement} element
 * @param {readonly string[]} columns
 * @param {string} more
 * @returns {Row}
 */
function rowOf(element, columns, more) {
  /** @type {Record<string, readonly string[]>} */
  const all = { [ADVICE]: (element.dataset[ADVICE] ?? '').split('|') };
  /** @type {Record<string, string | number>} */
  const order = {};
  let text = '';
  for (const [at, cell] of [...element.cells].entries()) {
    const key = columns[at] ?? '';
    const content = cell.textContent;
    const values = cell.dataset.all ?? content;
    text += `${values}\n${cell.title}\n`;
    all[key] = CHOICES.some(([several]) => several === key) ? values.split(', ') : [content];
    order[key] = NUMBERS.includes(key) ? Number(cell.dataset.value ?? content) : content;
  }
  return { element, text: `${text}${more}`.toLowerCase(), all, order };
}

/**
 * @param {string | number} a
 * @param {string | number} b
 */
function compare(a, b) {
  return typeof a === 'number' && typeof b === 'number'
    ? a - b
    : natural.compare(String(a), String(b));
}
