import { describe, expect, it } from 'vitest';
import { plain } from '../../src/base/plain.ts';

describe('plain', () => {
  it.each([
    {
      name: 'leaves text',
      text: 'vfio 0x1000 – größer 映射 😀',
      safe: 'vfio 0x1000 – größer 映射 😀',
    },
    { name: 'makes a tab a blank', text: 'a\tb', safe: 'a b' },
    { name: 'drops escape sequences', text: '\u001b[31mred\u001b[0m', safe: '[31mred[0m' },
    { name: 'drops C1 controls', text: 'a\u009b2Jb', safe: 'a2Jb' },
    { name: 'drops line ends', text: 'a\r\nb\u2028c\u0085d', safe: 'abcd' },
    { name: 'drops overrides of direction', text: 'a\u202eb\u2067c', safe: 'abc' },
    { name: 'drops what is invisible', text: 'a\u200b\u00ad\ufeffb', safe: 'ab' },
    { name: 'drops halves of pairs', text: 'a\ud83db\ude00', safe: 'ab' },
  ])('$name', ({ text, safe }) => {
    expect(plain(text)).toBe(safe);
  });
});
