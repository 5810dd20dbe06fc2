import { countText } from '../../base/words.ts';
import type { ComparedFinding, Comparison, UnmapGroup } from '../../result/comparison.ts';
import { Page, shorten } from '../text/layout.ts';
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

/** Rows of a list; JSON has the rest. */
const MOST_ROWS = 20;
const NAME_WIDTH = 22;
const CELL_WIDTH = 20;

/** For people at a terminal: what is worse first, then both side by side. */
export function* textOfComparison(comparison: Comparison, width: number): Iterable<string> {
  const page = new Page(width, false);
  const { after, before, findings, unmaps, worse } = comparison;
  page.line(titleOf(comparison));
  page.line(`before  ${shorten(traceName(before.path), page.width - 8)}`);
  page.line(`after   ${shorten(traceName(after.path), page.width - 8)}`);
  for (const reason of worse) page.text(reason, '  worse: ');
  page.heading('Totals');
  for (const row of totalsOf(comparison)) {
    page.line(`  ${row.name.padEnd(NAME_WIDTH)}${row.before.padEnd(CELL_WIDTH)}${row.after}`);
  }
  listFindings(page, 'New findings', findings.new);
  listFindings(page, 'Findings that are gone', findings.gone);
  if (findings.unchanged.length > 0) {
    page.heading('Findings in both');
    list(page, findings.unchanged, (pair) => {
      page.text(`${findingText(pair.after)}: ${pairedText(pair)} (${pair.after.id})`, '  ');
    });
  }
  page.heading('Unmaps, by device, cause and range');
  if (unmaps === null) page.text(NO_UNMAPS, '  ');
  else {
    for (const line of unmapLines(unmaps)) page.text(line, '  ');
    list(page, unmaps.changed, (change) => {
      const { cause } = change.after;
      const start = change.isWorse ? '  worse   ' : '  better  ';
      const ends = `${fateText(change.before)} before, ${fateText(change.after)} after`;
      page.text(`${rangeText(change.after)} (${cause}): ${ends}`, start);
    });
    listUnmaps(page, '  before  ', unmaps.onlyBefore.harmful);
    listUnmaps(page, '  after   ', unmaps.onlyAfter.harmful);
  }
  for (const line of page.lines) yield `${line.trimEnd()}\n`;
}

function listFindings(page: Page, heading: string, all: readonly ComparedFinding[]): void {
  if (all.length === 0) return;
  page.heading(heading);
  list(page, all, (finding) => {
    const text = `${findingText(finding)}: ${extentText(finding)} (${finding.id})`;
    page.text(text, `  ${finding.severity.padEnd(8)}`);
    page.text(finding.message, ' '.repeat(10));
  });
}

function listUnmaps(page: Page, start: string, all: readonly UnmapGroup[]): void {
  list(page, all, (group) => {
    page.text(`${rangeText(group)} (${group.cause}): ${fateText(group)}`, start);
  });
}

function list<Item>(page: Page, all: readonly Item[], show: (item: Item) => void): void {
  for (const item of all.slice(0, MOST_ROWS)) show(item);
  const left = all.length - MOST_ROWS;
  if (left > 0) page.text(`and ${countText(left)} more: --format json lists them.`, '  ');
}
