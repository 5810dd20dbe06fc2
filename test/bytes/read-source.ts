import { openSource, type SourceLoss, type SourceOptions } from '../../src/bytes/source.ts';

export interface ReadSource {
  readonly bytes: Buffer;
  readonly compression: string;
  readonly head: Buffer;
  readonly losses: readonly SourceLoss[];
}

/** Opens a source and reads it to its end. */
export async function readSource(path: string, options: SourceOptions = {}): Promise<ReadSource> {
  const source = await openSource(path, options);
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.chunks()) chunks.push(Uint8Array.from(chunk));
  const { compression, head } = source;
  const { losses } = source.finish(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  source.close();
  return { bytes: Buffer.concat(chunks), compression, head: Buffer.from(head), losses };
}

/** Bytes as a pipe would give them, in chunks of `size`. */
export async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Lines of text that compress less well than a log does, always the same. */
export function someLog(bytes: number): Buffer {
  let state = 1;
  const digits = () => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0).toString(16);
  };
  let text = '';
  while (text.length < bytes) {
    text += `vtd_page_walk_one_skip_map iova 0x${digits()}${digits()} mask 0xfff translated 0x${digits()}\n`;
  }
  return Buffer.from(text.slice(0, bytes));
}
