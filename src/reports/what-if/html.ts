import { plural } from '../../base/words.ts';
import type { WhatIf, WhatIfSession } from '../../result/what-if.ts';
import { readFleetAssets } from '../html/assets.ts';
import { html } from '../html/escape.ts';
import { head } from '../html/head.ts';
import { traceName } from '../wording.ts';
import { adviceText, COLUMNS, LEGEND, REFUSAL, rowsOf, sessionTitle } from './tables.ts';

/** A page that needs nothing but itself: what helps, and a table of machines for each boot. */
export function* htmlOfWhatIf({ left, path, sessions, tool }: WhatIf): Iterable<string> {
  const name = traceName(path);
  yield head(`${name} on other machines - vtdscope`, {
    scripts: [],
    styles: readFleetAssets().styles,
  });
  yield `<main>\n<h1>${html(name)} on other machines</h1>\n`;
  for (const session of sessions) yield* sessionHtml(session);
  if (left > 0) yield `<p>and ${plural(left, 'boot')} more that are not listed</p>\n`;
  yield `<p>The row that is marked is the machine that wrote the trace. ${html(LEGEND)} ${html(REFUSAL)}</p>
</main>
<footer><p>${html(`${tool.name} ${tool.version}.`)} This page is complete in itself: it loads nothing and sends nothing.</p></footer>
</body>
</html>
`;
}

function* sessionHtml(session: WhatIfSession): Iterable<string> {
  yield `<h2>${html(sessionTitle(session))}</h2>\n<ul>\n`;
  for (const reason of session.reasons) yield `<li>not known: ${html(reason)}</li>\n`;
  for (const advice of session.advice) yield `<li>${html(adviceText(advice))}</li>\n`;
  if (session.machines.length === 0) {
    yield '</ul>\n';
    return;
  }
  const columns = COLUMNS.map((column) => `<th scope="col">${html(column)}</th>`);
  yield `</ul>\n<div class="tables"><table>\n<caption>Machines</caption>\n<thead><tr>${columns.join('')}</tr></thead>\n<tbody>\n`;
  for (const { cells, isSafe, isTraced } of rowsOf(session)) {
    const data = cells.map((cell, index) => {
      const text = html(cell);
      const shown = index === 0 && isTraced ? `<strong>&#9654; ${text}</strong>` : text;
      return `<td${isSafe ? ' class="a-yes"' : ''}>${shown}</td>`;
    });
    yield `<tr>${data.join('')}</tr>\n`;
  }
  yield '</tbody></table></div>\n';
}
