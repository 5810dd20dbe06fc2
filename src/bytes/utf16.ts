import type { Chunks } from './chunks.ts';

/** UTF-16, as PowerShell's redirection writes it. */
export type Utf16 = 'utf-16le' | 'utf-16be';

/** Told by the byte order mark; null where there is none. */
export function utf16Of(head: Uint8Array): Utf16 | null {
  const [first, second] = head;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  return first === 0xfe && second === 0xff ? 'utf-16be' : null;
}

/** UTF-16 as UTF-8, without the byte order mark. */
export async function* utf8Of(stream: Chunks, encoding: Utf16): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding);
  for await (const chunk of stream) {
    const text = decoder.decode(chunk, { stream: true });
    if (text !== '') yield Buffer.from(text);
  }
  const end = decoder.decode();
  if (end !== '') yield Buffer.from(end);
}
