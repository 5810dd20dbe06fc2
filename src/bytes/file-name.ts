/** The name of a file as text: exact, or what is no UTF-8 as `\xff`. */
export function textOf(name: Buffer): { readonly text: string; readonly isExact: boolean } {
  const text = name.toString('utf8');
  if (Buffer.from(text).equals(name)) return { text, isExact: true };
  const latin1 = name.toString('latin1');
  const escaped = latin1.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
  return { text: escaped, isExact: false };
}
