import type { Chunks } from './chunks.ts';
import { type OpenSource, openSource, type SourceOptions } from './source.ts';

/** Bytes by which the kind of a trace is recognised. */
const HEAD_BYTES = 64 * 1024;

/**
 * Opens the pieces of a trace as one, in this order; a line that is in two of them is whole again.
 *
 * @throws as `openSource`
 */
export async function openJoined(
  path: string,
  pieces: readonly string[],
  options: SourceOptions,
): Promise<OpenSource> {
  const sources: OpenSource[] = [];
  try {
    for (const piece of pieces) sources.push(await openSource(piece, options));
  } catch (thrown) {
    for (const source of sources) source.close();
    throw thrown;
  }
  return joined(path, sources);
}

function joined(path: string, sources: readonly OpenSource[]): OpenSource {
  const lengths = sources.map(() => 0);
  async function* chunks(): Chunks & AsyncGenerator<Uint8Array> {
    for (const [index, source] of sources.entries()) {
      for await (const chunk of source.chunks()) {
        lengths[index] = (lengths[index] ?? 0) + chunk.length;
        yield chunk;
      }
    }
  }
  const sum = (numbers: readonly number[]) => numbers.reduce((all, number) => all + number, 0);
  const inputBytes = sources.map((source) => source.inputBytes ?? Number.NaN);
  return {
    path,
    compression: [...new Set(sources.map(({ compression }) => compression))].join(', '),
    head: Buffer.concat(sources.map(({ head }) => head)).subarray(0, HEAD_BYTES),
    ranges: null,
    inputBytes: inputBytes.some(Number.isNaN) ? null : sum(inputBytes),
    readBytes: () => sum(sources.map((source) => source.readBytes())),
    chunks,
    again() {
      const anew = sources.map((source) => source.again());
      return anew.every((source) => source !== null) ? joined(path, anew) : null;
    },
    finish() {
      const ends = sources.map((source, index) => source.finish(lengths[index] ?? 0));
      const losses = ends.flatMap((end, index) =>
        end.losses.map(({ detail, kind }) => ({
          kind,
          detail: `${sources[index]?.path}: ${detail}`,
        })),
      );
      return { losses, hasGrown: ends.some(({ hasGrown }) => hasGrown) };
    },
    close() {
      for (const source of sources) source.close();
    },
  };
}
