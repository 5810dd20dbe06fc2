import { byId } from './dom.js';

/**
 * The data of the page: a script element with JSON, made by `payload.ts` and `finding-rows.ts`.
 *
 * @typedef {import('../payload.ts').TracePayload} TracePayload
 * @typedef {import('../payload.ts').SessionPayload} SessionPayload
 * @typedef {import('../charts.ts').Charts} Charts
 * @typedef {import('../finding-rows.ts').FindingRow} FindingRow
 * @typedef {{ id: string, slug: string, title: string, page: string }} RulePage
 * @typedef {{ traces: TracePayload[], rules: RulePage[], findings: FindingRow[], texts: string[] }} Payload
 */

/** @returns {Payload} */
export function readPayload() {
  return JSON.parse(byId('data').textContent ?? '');
}

/** Where in a row things stand. */
export const column = /** @type {const} */ ({
  trace: 0,
  session: 1,
  id: 2,
  rule: 3,
  slug: 4,
  severity: 5,
  mode: 6,
  device: 7,
  cause: 8,
  count: 9,
  line: 10,
  lastLine: 11,
  atRiskBytes: 12,
  message: 13,
  fix: 14,
  facts: 15,
  basis: 16,
  excerpt: 17,
  what: 18,
});
