import type { Chunks } from './chunks.ts';
import { HEAD_BYTES, type OpenSource, openSource, type SourceOptions } from './source.ts';

/** A file of a trace that is in several. Plain data, so that it can cross threads. */
export interface Piece {
  readonly path: string;
  /** What is missing between the one before and this one; null where this one follows it. */
  readonly missing: string | null;
}

/**
 * Opens the pieces of a trace as one, in this order; a line that is in two of them is whole again.
 *
 * @throws as `openSource`
 */
export async function openJoined(
  path: string,
  pieces: readonly Piece[],
  options: SourceOptions,
): Promise<OpenSource> {
  const sources = await openAll(
    pieces.map((piece) => piece.path),
    options,
  );
  return joined(path, pieces, sources);
}

/** Opens files, all or none. @throws as `openSource` */
export async function openAll(
  paths: readonly string[],
  options: SourceOptions,
): Promise<readonly OpenSource[]> {
  const sources: OpenSource[] = [];
  try {
    for (const path of paths) sources.push(await openSource(path, options));
    return sources;
  } catch (thrown) {
    for (const source of sources) source.close();
    throw thrown;
  }
}

function joined(
  path: string,
  pieces: readonly Piece[],
  sources: readonly OpenSource[],
): OpenSource {
  const metered = sources.map((source) => new Metered(source));
  const firsts = [
    0,
    ...pieces.flatMap(({ missing }, at) => (missing === null || at === 0 ? [] : at)),
  ];
  const runs = firsts.map((first, index) => ({
    missing: first === 0 ? null : (pieces[first]?.missing ?? null),
    source: inARow(path, metered.slice(first, firsts[index + 1])),
  }));
  return {
    ...inARow(path, metered),
    ...(runs.length > 1 && { runs }),
    again() {
      const anew = sources.map((source) => source.again());
      return anew.every((source) => source !== null) ? joined(path, pieces, anew) : null;
    },
  };
}

function inARow(path: string, pieces: readonly Metered[]): OpenSource {
  return together(path, pieces, async function* () {
    for (const piece of pieces) yield* piece.chunks();
  });
}

/** A source that counts what has come of it. */
export class Metered {
  readonly source: OpenSource;
  #length = 0;

  constructor(source: OpenSource) {
    this.source = source;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.source.chunks()) {
      this.#length += chunk.length;
      yield chunk;
    }
  }

  finish() {
    const { hasGrown, losses } = this.source.finish(this.#length);
    const { path } = this.source;
    return {
      hasGrown,
      losses: losses.map(({ detail, kind }) => ({ kind, detail: `${path}: ${detail}` })),
    };
  }
}

/** Several files as one source, not to be read again. `chunks`: makes its bytes of theirs. */
export function together(
  path: string,
  pieces: readonly Metered[],
  chunks: () => Chunks,
): OpenSource {
  const sources = pieces.map(({ source }) => source);
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
    again: () => null,
    finish() {
      const ends = pieces.map((piece) => piece.finish());
      return {
        losses: ends.flatMap(({ losses }) => losses),
        hasGrown: ends.some(({ hasGrown }) => hasGrown),
      };
    },
    close() {
      for (const source of sources) source.close();
    },
  };
}
