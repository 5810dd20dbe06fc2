import { countText } from '../../base/words.ts';
import type { ComparedFinding, Comparison, UnmapGroup } from '../../result/comparison.ts';
import { code, details, escaped, tableRow } from '../markdown-syntax.ts';
import { traceName } from '../wording.ts';
import {
  extentText,
  fateText,
  findingText,
  NO_UNMAPS,
  pairedText,
  rangeText,
  titleOf,
  totalsOf,
  unmapLines,
} from './tables.ts';

/** Rows of a table: comments of code hosts are short. */
const MOST_ROWS = 30;

/** For merge requests and step summaries. */
export function* markdownOfComparison(comparison: Comparison): Iterable<string> {
  const { after, before, findings, tool, unmaps, worse } = comparison;
  yield `## ${titleOf(comparison)}: ${code(traceName(before.path))} and then ${code(traceName(after.path))}\n\n`;
  for (const reason of worse) yield `- worse: ${escaped(reason)}\n`;
  yield '\n';
  yield* table(
    ['', 'before', 'after'],
    totalsOf(comparison).map((row) => [row.name, row.before, row.after]),
  );
  yield* findingTable('New findings', findings.new);
  yield* findingTable('Findings that are gone', findings.gone);
  if (findings.unchanged.length > 0) {
    const rows = findings.unchanged.map((pair) => [findingText(pair.after), pairedText(pair)]);
    const body = [...table(['finding', 'count'], rows)].join('');
    yield details(`Findings in both: ${countText(rows.length)}`, body);
  }
  yield '\n**Unmaps**, by device, cause and range\n\n';
  if (unmaps === null) yield `${NO_UNMAPS}\n`;
  else {
    for (const line of unmapLines(unmaps)) yield `- ${escaped(line)}\n`;
    yield '\n';
    const { changed, onlyAfter, onlyBefore } = unmaps;
    const rows = changed.map(({ after: now, before: then, isWorse }) => [
      isWorse ? 'worse' : 'better',
      ...unmapCells(now),
      fateText(then),
      fateText(now),
    ]);
    yield* table(['', 'unmap', 'cause', 'before', 'after'], rows);
    yield* unmapTable('Harmful, before only', onlyBefore.harmful);
    yield* unmapTable('Harmful, after only', onlyAfter.harmful);
  }
  yield `\n<sub>${escaped(`${tool.name} ${tool.version}`)}</sub>\n`;
}

function* findingTable(name: string, all: readonly ComparedFinding[]): Iterable<string> {
  if (all.length === 0) return;
  yield `\n**${name}**\n\n`;
  const rows = all.map((finding) => [
    finding.severity,
    findingText(finding),
    extentText(finding),
    finding.message,
  ]);
  yield* table(['severity', 'finding', 'count', 'what'], rows);
}

function* unmapTable(name: string, all: readonly UnmapGroup[]): Iterable<string> {
  if (all.length === 0) return;
  const rows = all.map((group) => [...unmapCells(group), fateText(group)]);
  yield details(
    `${name}: ${countText(all.length)}`,
    [...table(['unmap', 'cause', 'end'], rows)].join(''),
  );
}

function unmapCells(group: UnmapGroup): readonly [string, string] {
  return [rangeText(group), group.cause];
}

function* table(head: readonly string[], rows: readonly (readonly string[])[]): Iterable<string> {
  if (rows.length === 0) return;
  yield tableRow(head) + tableRow(head.map(() => '---'));
  for (const row of rows.slice(0, MOST_ROWS)) yield tableRow(row.map(escaped));
  const left = rows.length - MOST_ROWS;
  if (left > 0) yield `\nand ${countText(left)} more: \`--format json\` lists them.\n`;
}
