import type { Migration } from '../../result/types.ts';
import { html } from './escape.ts';

/** The table of traces that the page of a batch and that of a fleet have in common, worst first. */

/** A trace as a row of it. */
export interface TraceRow {
  readonly answer: Migration['answer'];
  /** The verdict in lower case, or what stands in the place of one. */
  readonly word: string;
  /** The class that gives the verdict its colour. */
  readonly tone: string;
  readonly name: string;
  /** Where more is told of it; null: nowhere. */
  readonly link: string | null;
  readonly qemu: readonly string[];
  readonly devices: readonly string[];
  /** The worst first. */
  readonly rules: readonly string[];
  readonly failed: number;
  /** Host mappings that outlive their unmap. */
  readonly stale: number;
  /** Guest memory at risk, in words; bytes to sort by. */
  readonly risk: string;
  readonly riskBytes: number;
  /** Why it has its answer. */
  readonly why: string;
  /** The pieces of advice that concern it, by their numbers. */
  readonly advice: readonly number[];
}

/** Columns, by the names that the script knows them by. */
const COLUMNS = [
  ['answer', 'Migrate'],
  ['verdict', 'Verdict'],
  ['trace', 'Trace'],
  ['qemu', 'QEMU'],
  ['devices', 'Devices'],
  ['rules', 'Rules'],
  ['failed', 'Failed'],
  ['stale', 'Stale'],
  ['risk', 'At risk'],
] as const;

const NUMBERS: readonly string[] = ['failed', 'stale', 'risk'];
/** Values of a cell that are shown; the rest is a number, and in the title. */
const MOST_VALUES = 2;

/**
 * The table, complete without a script; with one, it is filtered, sorted and divided into pages.
 * `saysWhy`: with a column for it, where no page tells more of a trace. Yields it in pieces, as there may be many thousand rows.
 */
export function* traceTable(
  rows: Iterable<TraceRow>,
  caption: string,
  saysWhy = false,
): Iterable<string> {
  const head = [...COLUMNS, ...(saysWhy ? [['why', 'Why'] as const] : [])].map(
    ([key, name]) =>
      `<th scope="col" data-column="${key}"${NUMBERS.includes(key) ? ' class="number"' : ''}>${name}</th>`,
  );
  yield `<div class="controls"></div>
<div class="scroll"><table class="traces">
<caption class="hidden">${html(caption)}</caption>
<thead><tr>${head.join('')}</tr></thead>
<tbody>
`;
  for (const row of rows) yield rowOf(row, saysWhy);
  yield `</tbody></table></div>
<p class="note">~: inferred from the events of the trace, a version that behaves so. Failed: unmaps that failed, or would have, while dirty pages were tracked. Stale: host mappings that outlive their unmap. At risk: guest memory whose dirty bits were lost.</p>
`;
}

function rowOf(row: TraceRow, saysWhy: boolean): string {
  const { advice, answer, failed, link, name, risk, riskBytes, stale, tone, why, word } = row;
  const shown = html(name);
  const concerns = advice.length === 0 ? '' : ` data-advice="${advice.join('|')}"`;
  const cells = [
    `<td class="answer a-${answer}" title="${html(why)}">${answer}</td>`,
    `<td><span class="badge ${tone}">${html(word)}</span></td>`,
    `<th scope="row">${link === null ? shown : `<a href="${html(link)}">${shown}</a>`}</th>`,
    several(row.qemu),
    several(row.devices),
    several(row.rules),
    `<td class="number">${failed === 0 ? '' : failed}</td>`,
    `<td class="number">${stale === 0 ? '' : stale}</td>`,
    `<td class="number" data-value="${riskBytes}">${html(risk)}</td>`,
    ...(saysWhy ? [`<td class="why">${html(why)}</td>`] : []),
  ];
  return `<tr${concerns}>${cells.join('')}</tr>\n`;
}

/** A cell with some of its values, and all of them for filters. */
function several(values: readonly string[]): string {
  const left = values.length - MOST_VALUES;
  if (left <= 0) return `<td>${html(values.join(', '))}</td>`;
  const all = html(values.join(', '));
  return `<td data-all="${all}" title="${all}">${html(values.slice(0, MOST_VALUES).join(', '))} +${left}</td>`;
}
