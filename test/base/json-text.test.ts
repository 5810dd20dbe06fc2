import { expect, it } from 'vitest';
import { jsonText } from '../../src/base/json-text.ts';

/** C1 controls with DEL, and characters that turn the order of text or are not seen. */
const dangerous = [
  ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index),
  ...[
    0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069,
    0xad, 0x200b, 0xfeff, 0xe0001,
  ],
].map((code) => String.fromCodePoint(code));

it('JSON holds no character that a terminal obeys, and means the same', () => {
  const value = { name: `a${dangerous.join('b')}c\u001b[31m`, [`key${dangerous.join('')}`]: 1 };
  for (const indent of [undefined, 2]) {
    const text = jsonText(value, indent);
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
    expect(JSON.parse(text)).toEqual(value);
  }
});

it('JSON leaves other text as it is', () => {
  const value = { name: 'Größe €𝄞 \\u009f "x"' };
  expect(jsonText(value)).toBe(JSON.stringify(value));
});
