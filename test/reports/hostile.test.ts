import { describe, expect, it } from 'vitest';
import { reports } from '../../src/reports/index.ts';
import {
  aFinding,
  anUnusableTrace,
  aResult,
  aSession,
  aTrace,
  aWhatIf,
} from '../helpers/report-builders.ts';
import { hostile, hostileTexts } from '../helpers/report-hostile.ts';
import { render } from '../helpers/report-render.ts';

const loss = { kind: 'torn', count: 1, line: 3, byteOffset: 90, detail: 'a torn line' } as const;
const harmless = aResult(
  aTrace({
    reasons: ['a reason'],
    losses: [loss],
    sessions: [
      aSession({
        vm: 'guest',
        findings: [
          aFinding(),
          aWhatIf(),
          aFinding({ mode: null }),
          aFinding({ accepted: { reason: 'known', until: '2027-01-31' } }),
        ],
      }),
    ],
  }),
  anUnusableTrace(),
);

const cases = hostileTexts.map((text) => ({ shown: JSON.stringify(text), text }));

describe.each(cases)('every text is $shown', ({ text }) => {
  const result = hostile(harmless, text);

  it('and nothing throws', () => {
    for (const { name } of reports) expect(render(name, result).length).toBeGreaterThan(0);
  });

  it.each(['text', 'markdown', 'csv', 'html'])(
    'and %s has no control or invisible characters',
    (name) => {
      for (const verbosity of [-1, 0, 1]) {
        const found = render(name, result, { verbosity }).match(
          /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
        );
        // Tabs stand between the columns of a line per trace.
        expect(
          (found ?? []).filter((character) => !(name === 'text' && character === '\t')),
        ).toEqual([]);
      }
    },
  );

  it('and colours are the only escapes of the text report', () => {
    const sequence = '\u001b';
    const colored = render('text', result, { color: true, verbosity: 1 });
    const pieces = colored.split(sequence).slice(1);
    expect(pieces.length).toBeGreaterThan(0);
    expect(pieces.filter((piece) => !/^\[\d{1,2}m/.test(piece))).toEqual([]);
  });

  it('and HTML has no element, attribute or comment of it', () => {
    const page = render('html', result);
    expect(page.match(/<script\b[^>]*>/g)).toEqual([
      '<script type="application/json" id="data">',
      '<script>',
      '<script>',
    ]);
    const markup = page.replace(/(<script>|<style>)[\s\S]*?<\//g, '$1</');
    expect(markup).not.toMatch(/<img|<!--|href="(?!#)/);
    // A quotation mark of its would have ended an attribute.
    expect(markup.replace(/="[^"]*"/g, '=""')).not.toMatch(/<[a-z][^>]*\son\w+=/);
    const [, data = ''] = /id="data">([\s\S]*?)<\/script>/.exec(page) ?? [];
    expect(data).not.toMatch(/[<>&\u2028\u2029]/);
    expect(() => JSON.parse(data)).not.toThrow();
  });

  it('and markdown has no HTML, link, mention or heading of it', () => {
    const page = render('markdown', result)
      // What stands in code is not looked at again.
      .replace(/^(`{3,})text\n[\s\S]*?\n\1$/gm, '')
      .replace(/(`+)(?!`)[^\n]*?[^`]\1(?!`)/g, '');
    expect(page.replace(/<\/?(?:details|summary|sub)>|<!-- -->/g, '')).not.toMatch(/[<>]/);
    expect(page).not.toMatch(/(?<!\\)\]\(|[@#](?=\w)|:\/\/|^# heading/m);
    expect(page.match(/<details>/g)?.length).toBe(page.match(/<\/details>/g)?.length);
  });

  it('and no cell of the table is a formula', () => {
    for (const row of parseCsv(render('csv', result))) {
      expect(row).toHaveLength(34);
      expect(row.filter((cell) => /^\s*[=+\-@]/.test(cell) && !/^-?\d+$/.test(cell))).toEqual([]);
    }
  });

  it('and SARIF names no other scheme or host', () => {
    const log = JSON.parse(render('sarif', result)) as unknown;
    const uris = [...JSON.stringify(log).matchAll(/"uri":"([^"]*)"/g)].map(([, uri]) => uri ?? '');
    expect(uris.length).toBeGreaterThan(0);
    expect(uris.filter((uri) => !/^(?:file:\/\/\/?)?[\w.~%/:-]*$/.test(uri))).toEqual([]);
    expect(uris.filter((uri) => /^(?:javascript:|\/\/|file:\/\/[^/])/.test(uri))).toEqual([]);
  });

  it('and XML has nothing of it outside attributes and text', () => {
    const xml = render('junit', result);
    const names = [...xml.matchAll(/<\/?([\w?!-]+)/g)].map(([, name]) => name);
    const known = [
      '?xml',
      'testsuites',
      'testsuite',
      'properties',
      'property',
      'testcase',
      'failure',
      'skipped',
      'error',
      'system-out',
    ];
    expect(names.filter((name) => !known.includes(name ?? ''))).toEqual([]);
    expect(xml).not.toMatch(/&(?!(?:lt|gt|amp|quot|apos|#9|#10|#13);)/);
    expect(xml).not.toMatch(/(?![\t\n\r])[\p{Cc}\p{Cs}]/u);
  });

  it('and JSON Lines give it back', () => {
    const [line = ''] = render('ndjson', result).split('\n');
    expect((JSON.parse(line) as { trace: string }).trace).toBe(text);
  });
});

/** RFC 4180, as simple as it is. */
function parseCsv(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [[]];
  let at = 0;
  while (at < text.length) {
    const row = rows.at(-1) as string[];
    let cell = '';
    if (text[at] === '"') {
      at += 1;
      while (at < text.length && !(text[at] === '"' && text[at + 1] !== '"')) {
        cell += text[at];
        at += text[at] === '"' ? 2 : 1;
      }
      at += 1;
    } else {
      while (at < text.length && text[at] !== ',' && text[at] !== '\n') {
        cell += text[at];
        at += 1;
      }
    }
    row.push(cell);
    if (text[at] === '\n' && at + 1 < text.length) rows.push([]);
    at += 1;
  }
  return rows;
}
