import { describe, expect, it } from 'vitest';
import { columnsOf } from '../../src/reports/text/columns.ts';
import { Page, shorten, wrap } from '../../src/reports/text/layout.ts';

describe('wrap', () => {
  it.each([
    { text: '', width: 10, lines: [''] },
    { text: 'one two three', width: 7, lines: ['one two', 'three'] },
    { text: '  many   blanks  ', width: 20, lines: ['many blanks'] },
    { text: 'abcdefghij', width: 4, lines: ['abcd', 'efgh', 'ij'] },
    { text: 'a abcdefgh b', width: 4, lines: ['a', 'abcd', 'efgh', 'b'] },
    { text: '\u{1f600}\u{1f600}\u{1f600}', width: 4, lines: ['\u{1f600}\u{1f600}', '\u{1f600}'] },
    { text: '\u5ba2\u6237 \u65e5\u5fd7', width: 5, lines: ['\u5ba2\u6237', '\u65e5\u5fd7'] },
    { text: 'e\u0301e\u0301e\u0301', width: 2, lines: ['e\u0301e\u0301', 'e\u0301'] },
    { text: '\u5ba2\u6237', width: 1, lines: ['\u5ba2', '\u6237'] },
  ])('$text in $width columns', ({ text, width, lines }) => {
    expect(wrap(text, width)).toEqual(lines);
  });
});

describe('shorten', () => {
  it.each([
    { text: 'short', width: 10, short: 'short' },
    { text: 'var/log/libvirt/qemu/guest.log', width: 16, short: 'var/l~/guest.log' },
    { text: '\u5ba2\u6237\u65e5\u5fd7\u65e5\u5fd7.log', width: 10, short: '\u5ba2~\u5fd7.log' },
  ])('$text to $width', ({ text, width, short }) => {
    expect(shorten(text, width)).toBe(short);
  });
});

describe('columns', () => {
  it.each([
    { text: 'plain', columns: 5 },
    { text: '\u5ba2\u6237.log', columns: 8 },
    { text: '\uff21\u{1f600}', columns: 4 },
    { text: 'cafe\u0301', columns: 4 },
  ])('of $text', ({ text, columns }) => {
    expect(columnsOf(text)).toBe(columns);
  });
});

describe('a page', () => {
  it('indents what it wraps', () => {
    const page = new Page(40, false).text(
      'a sentence that is longer than the line it is in',
      '  - ',
    );
    expect(page.lines).toEqual(['  - a sentence that is longer than the', '    line it is in']);
  });

  it('keeps the blanks of what it quotes, and cuts at blanks', () => {
    const page = new Page(40, false).quote(
      '12: vfio_intx_enable  (0000:00:05.0) with some more text',
      '  ',
      undefined,
      4,
    );
    expect(page.lines).toEqual([
      '  12: vfio_intx_enable  (0000:00:05.0)',
      '      with some more text',
    ]);
  });

  it('has no two empty lines', () => {
    expect(new Page(80, false).gap().line('a').gap().gap().line('b').lines).toEqual(['a', '', 'b']);
  });
});
