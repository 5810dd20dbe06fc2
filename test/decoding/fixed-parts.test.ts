import { describe, expect, it } from 'vitest';
import { fixedParts } from '../../src/decoding/fixed-parts.ts';

describe('the fixed parts of a pattern', () => {
  it.each([
    [/\bfailed to get region \d+ info\b/, ['failed to get region ']],
    [/abc|\bde?f{2}ghi|[x]/, ['abc', 'ghi', '']],
    [/path\/to\.c:\d{1,6}: x+yz/, ['path/to.c:']],
    [/\x41bc{0,16}de[^\]fgh]i/, ['de']],
    // Of a group where it says more, whichever of its alternatives it is.
    [/a(?:bcd|efg)hi(?!jklm)/, ['bcd', 'efg']],
    [/ab(?:cde|f)gh/, ['ab']],
    [/(?<name>abc|(?:defg|hijk))l/, ['abc', 'defg', 'hijk']],
    [/a(?:bcd)?e(?:fgh)*(?=ijk)(?<!lmn)/, ['a']],
  ])('%s', (pattern, parts) => {
    expect(fixedParts(pattern)).toEqual(parts);
  });

  it('are none where letters match whatever their case', () => {
    expect(() => fixedParts(/abc/i)).toThrow('no part of it is fixed');
  });
});
