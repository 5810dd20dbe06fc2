import { column } from './data.js';
import { countText, sizeText } from './dom.js';

/** @typedef {import('./data.js').Payload} Payload */
/** @typedef {import('./data.js').FindingRow} FindingRow */

/**
 * @typedef {object} ColumnOf
 * @property {string} name
 * @property {string} key for sorting, and the class of its cells
 * @property {(row: FindingRow) => string} text
 * @property {(row: FindingRow) => number | string} value what it is sorted by
 */

/** Words of the result, in the order in which they matter. */
export const MODES = ['observed', 'active', 'note', 'what-if'];
export const SEVERITIES = ['error', 'warning', 'note'];

/**
 * The columns of the table, in their order.
 * @param {Payload} payload
 * @returns {ColumnOf[]}
 */
export function columnsOf({ texts, traces }) {
  const text = (/** @type {number} */ at) => (/** @type {FindingRow} */ row) =>
    texts[/** @type {number} */ (row[at])] ?? '';
  const rankOf =
    (/** @type {readonly string[]} */ order, /** @type {(row: FindingRow) => string} */ of) =>
    (/** @type {FindingRow} */ row) =>
      order.indexOf(of(row));
  const [severity, mode, rule, slug, device, what] = [
    text(column.severity),
    text(column.mode),
    text(column.rule),
    text(column.slug),
    text(column.device),
    text(column.what),
  ];
  const path = (/** @type {FindingRow} */ row) => traces[row[column.trace]]?.name ?? '';
  /** @type {ColumnOf[]} */
  const columns = [
    { name: 'Severity', key: 'severity', text: severity, value: rankOf(SEVERITIES, severity) },
    { name: 'Known by', key: 'mode', text: mode, value: rankOf(MODES, mode) },
    { name: 'Rule', key: 'rule', text: (row) => `${rule(row)} ${slug(row)}`, value: rule },
    { name: 'Device', key: 'device', text: device, value: device },
    {
      name: 'Line',
      key: 'line',
      text: (row) => countText(row[column.line]),
      value: (row) => row[column.line],
    },
    {
      name: 'Times',
      key: 'count',
      text: (row) => countText(row[column.count]),
      value: (row) => row[column.count],
    },
    {
      name: 'At risk',
      key: 'risk',
      text: (row) => (row[column.atRiskBytes] === 0 ? '' : sizeText(row[column.atRiskBytes])),
      value: (row) => row[column.atRiskBytes],
    },
  ];
  if (traces.length > 1) columns.push({ name: 'Trace', key: 'path', text: path, value: path });
  columns.push({ name: 'What', key: 'what', text: what, value: what });
  return columns;
}
