import { plural } from '../../base/words.ts';
import type { WhatIf } from '../../result/what-if.ts';
import { code, escaped, tableRow } from '../markdown-syntax.ts';
import { traceName } from '../wording.ts';
import { adviceText, COLUMNS, LEGEND, REFUSAL, rowsOf, sessionTitle } from './tables.ts';

/** For merge requests and issues. */
export function* markdownOfWhatIf({ left, path, sessions, tool }: WhatIf): Iterable<string> {
  yield `## ${code(traceName(path))} on other machines\n\n`;
  for (const session of sessions) {
    if (sessions.length > 1) yield `### ${escaped(sessionTitle(session))}\n\n`;
    for (const reason of session.reasons) yield `- not known: ${escaped(reason)}\n`;
    for (const advice of session.advice) yield `- ${escaped(adviceText(advice))}\n`;
    if (session.machines.length === 0) continue;
    yield `\n${tableRow(COLUMNS)}${tableRow(COLUMNS.map(() => '---'))}`;
    for (const { cells, isTraced } of rowsOf(session)) {
      yield tableRow(cells.map((cell) => (isTraced ? `**${escaped(cell)}**` : escaped(cell))));
    }
    yield '\n';
  }
  if (left > 0) yield `and ${plural(left, 'boot')} more that are not listed\n\n`;
  yield `The row in bold is the machine that wrote the trace. ${escaped(LEGEND)} ${escaped(REFUSAL)}\n\n`;
  yield `<sub>${escaped(`${tool.name} ${tool.version}`)}</sub>\n`;
}
