import { column } from './data.js';
import { countText, el, pluralText } from './dom.js';

/** @typedef {import('./data.js').Payload} Payload */
/** @typedef {import('./data.js').FindingRow} FindingRow */

/** Letters of a fact that needs the whole width. */
const WIDE = 60;

/**
 * All that is known of a finding.
 * @param {Payload} payload
 * @param {FindingRow} row
 * @param {string} address of the finding in the page
 */
export function findingDetail({ traces, rules, texts }, row, address) {
  const text = (/** @type {number} */ number) => texts[number] ?? '';
  const id = text(row[column.rule]);
  const rule = rules.find((known) => known.id === id);
  const severity = text(row[column.severity]);
  const facts = el('dl', { class: 'facts' });
  const add = (/** @type {string} */ label, /** @type {string} */ value) =>
    facts.append(
      el(
        'div',
        { class: value.length > WIDE ? 'wide' : '' },
        el('dt', {}, label),
        el('dd', {}, value),
      ),
    );
  if (traces.length > 1) add('Trace', traces[row[column.trace]]?.path ?? '');
  const [line, lastLine] = [row[column.line], row[column.lastLine]];
  add(
    'Lines',
    line === lastLine
      ? countText(line)
      : `${countText(line)} to ${countText(lastLine)}, ${pluralText(row[column.count], 'time')}`,
  );
  const list = row[column.facts];
  for (let at = 0; at + 1 < list.length; at += 2) add(text(list[at] ?? 0), text(list[at + 1] ?? 0));
  return el(
    'article',
    { class: 'detail', 'aria-label': 'Finding' },
    el(
      'h3',
      {},
      el('span', { class: `badge s-${severity}` }, severity),
      ` ${id} ${text(row[column.slug])}`,
      rule === undefined ? null : el('small', {}, rule.title),
    ),
    el('p', { class: 'message' }, text(row[column.message])),
    el('p', { class: 'fix' }, el('strong', {}, 'What helps: '), text(row[column.fix])),
    excerptOf(row),
    facts,
    el('h4', {}, 'What it rests on'),
    el('ul', { class: 'basis' }, ...row[column.basis].map((number) => el('li', {}, text(number)))),
    rule === undefined
      ? null
      : el(
          'details',
          {},
          el('summary', {}, `${id} explained`),
          el('pre', { class: 'page', tabindex: 0, 'aria-label': `${id} explained` }, rule.page),
        ),
    el('p', { class: 'id' }, 'id ', el('a', { href: `#${address}` }, row[column.id])),
  );
}

/** @param {FindingRow} row */
function excerptOf(row) {
  const lines = row[column.excerpt];
  if (lines.length === 0) return null;
  const start = `${row[column.line]}:`;
  return el(
    'pre',
    { class: 'excerpt', tabindex: 0, 'aria-label': 'Lines of the trace' },
    ...lines.map((line) =>
      el('span', { class: line.startsWith(start) ? 'first' : '' }, `${line}\n`),
    ),
  );
}
