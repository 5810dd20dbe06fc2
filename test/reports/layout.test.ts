import { describe, expect, it } from 'vitest';
import { Page, shorten, wrap } from '../../src/reports/text/layout.ts';

describe('wrap', () => {
  it.each([
    { text: '', width: 10, lines: [''] },
    { text: 'one two three', width: 7, lines: ['one two', 'three'] },
    { text: '  many   blanks  ', width: 20, lines: ['many blanks'] },
    { text: 'abcdefghij', width: 4, lines: ['abcd', 'efgh', 'ij'] },
    { text: 'a abcdefgh b', width: 4, lines: ['a', 'abcd', 'efgh', 'b'] },
    { text: '\u{1f600}\u{1f600}\u{1f600}', width: 2, lines: ['\u{1f600}\u{1f600}', '\u{1f600}'] },
  ])('$text in $width columns', ({ text, width, lines }) => {
    expect(wrap(text, width)).toEqual(lines);
  });
});

describe('shorten', () => {
  it.each([
    { text: 'short', width: 10, short: 'short' },
    { text: 'var/log/libvirt/qemu/guest.log', width: 16, short: 'var/l~/guest.log' },
  ])('$text to $width', ({ text, width, short }) => {
    expect(shorten(text, width)).toBe(short);
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
