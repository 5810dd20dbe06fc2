import { plain } from '../../base/plain.ts';
import { plural } from '../../base/words.ts';
import type { WhatIf } from '../../result/what-if.ts';
import { Page, shorten } from '../text/layout.ts';
import { traceName } from '../wording.ts';
import { adviceText, COLUMNS, LEGEND, REFUSAL, rowsOf, sessionTitle } from './tables.ts';

/** Together 80 columns. */
const WIDTHS = [15, 7, 2, 7, 7, 19, 7] as const;

/** For people at a terminal: what helps, then the machines. */
export function* textOfWhatIf({ left, path, sessions }: WhatIf, width: number): Iterable<string> {
  const page = new Page(width, false);
  page.line(shorten(traceName(path), page.width));
  for (const session of sessions) {
    page.heading(plain(sessionTitle(session)));
    for (const reason of session.reasons) page.text(reason, '  not known: ');
    for (const advice of session.advice) page.text(adviceText(advice), '  ');
    if (session.machines.length === 0) continue;
    page.gap();
    page.line(`  ${cells(COLUMNS)}`);
    for (const row of rowsOf(session))
      page.line(`${row.isTraced ? '> ' : '  '}${cells(row.cells)}`);
  }
  if (left > 0) page.text(`and ${plural(left, 'boot')} more that are not listed`);
  page.gap();
  page.text('> is the machine that wrote the trace.');
  page.text(LEGEND);
  page.text(REFUSAL);
  for (const line of page.lines) yield `${line.trimEnd()}\n`;
}

function cells(all: readonly string[]): string {
  return all.map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0)).join(' ');
}
