import { plain } from '../base/plain.ts';

/** Pieces of markdown, with text in them that stays text. */

/** Characters of one text; nobody reads more of a line. */
const MOST_LINE = 2000;

export function details(summary: string, body: string): string {
  return `<details><summary>${inHtml(summary)}</summary>\n\n${body}\n</details>\n`;
}

export function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '[': '&lsqb;',
  ']': '&rsqb;',
  '`': '&grave;',
};

/**
 * Code hosts make links and notifications of these and what follows, also where they are written as
 * entities, as they look at what was made of the text. What is not there keeps the two apart.
 */
const NOTHING = '<!-- -->';
const REFERENCES = /[@#](?=\w)/g;

/** Text that markdown takes for text: no markup, link, mention, table cell or HTML. */
export function escaped(text: string): string {
  return cut(plain(text))
    .replace(/[&<>]/g, (character) => ENTITIES[character] ?? '')
    .replace(/[\\`*_{}[\]|~!$]/g, '\\$&')
    .replace(/^(\s*)([-+]|#{1,6})(?=\s|$)/, '$1\\$2')
    .replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2')
    .replace(REFERENCES, `$&${NOTHING}`)
    .replaceAll('://', '&colon;//')
    .replace(/\bwww\./gi, (match) => `${match.slice(0, -1)}&period;`);
}

/** Text of an element, where markdown is not looked for, or should not be. */
function inHtml(text: string): string {
  return cut(plain(text))
    .replace(/[&<>[\]`]/g, (character) => ENTITIES[character] ?? '')
    .replace(REFERENCES, `$&${NOTHING}`)
    .replaceAll('://', `:${NOTHING}//`);
}

/** A code span, also inside a table. */
export function code(text: string): string {
  const content = cut(plain(text)).replaceAll('|', '\\|') || ' ';
  const longest = Math.max(0, ...(content.match(/`+/g) ?? []).map((run) => run.length));
  const ticks = '`'.repeat(longest + 1);
  const pad = content.startsWith('`') || content.endsWith('`') ? ' ' : '';
  return `${ticks}${pad}${content}${pad}${ticks}`;
}

export function fence(lines: readonly string[]): string {
  const text = lines.map((line) => cut(plain(line))).join('\n');
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const ticks = '`'.repeat(longest + 1);
  return `${ticks}text\n${text}\n${ticks}\n`;
}

function cut(text: string): string {
  return text.length > MOST_LINE ? `${text.slice(0, MOST_LINE)} ...` : text;
}
