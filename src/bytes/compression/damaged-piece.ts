import { codeOf } from '../../base/errors.ts';
import type { Chunks } from '../chunks.ts';
import { type Codec, DamagedData, PIECE_BYTES } from './codec.ts';

/** Bytes among which the damage is looked for first: each call of zlib takes some 50 microseconds. */
const COARSE_BYTES = 256;

/**
 * What a piece holds before the damage in it, for a decompressor that gives nothing of such a piece:
 * fed in single bytes, it does.
 *
 * `again`: the input from its start; `good`: its bytes before that piece, which gave the first
 * `output` bytes.
 */
export async function* partOfDamaged(
  codec: Codec,
  again: () => Chunks | null,
  good: number,
  output: number,
): AsyncGenerator<Uint8Array> {
  const near = await goodBytes(codec, again, good);
  let passed = 0;
  for await (const { chunk } of decoded(codec, again, near, 1)) {
    const from = Math.max(0, output - passed);
    passed += chunk.length;
    if (from < chunk.length) yield chunk.subarray(from);
  }
}

/** Bytes of the input that are all right, known to COARSE_BYTES. */
async function goodBytes(codec: Codec, again: () => Chunks | null, good: number): Promise<number> {
  let end = good;
  for await (const { before } of decoded(codec, again, good, COARSE_BYTES)) {
    end = Math.max(end, before);
  }
  return end;
}

/**
 * What the input gives up to the damage: to `offset` in whole chunks, from there on a piece more by
 * `step` bytes. `before`: bytes of the input ahead of those that gave a chunk.
 */
async function* decoded(
  codec: Codec,
  again: () => Chunks | null,
  offset: number,
  step: number,
): AsyncGenerator<{ readonly chunk: Uint8Array; readonly before: number }> {
  const input = again();
  if (input === null) return;
  const decompressor = await codec.open();
  let before = 0;
  try {
    for await (const piece of finelyFrom(input, offset, step)) {
      for await (const chunk of decompressor.decode(piece)) yield { chunk, before };
      before += piece.length;
    }
  } catch (thrown) {
    // The damage itself, which is known, or a file that has gone meanwhile: there is no more.
    if (!(thrown instanceof DamagedData) && codeOf(thrown) === undefined) throw thrown;
  } finally {
    decompressor.close();
  }
}

/** Pieces up to `offset`, then PIECE_BYTES more by `step` bytes. */
async function* finelyFrom(
  input: Chunks,
  offset: number,
  step: number,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of input) {
    const coarse = Math.min(chunk.length, Math.max(0, offset - at));
    for (let index = 0; index < coarse; index += PIECE_BYTES) {
      yield chunk.subarray(index, Math.min(coarse, index + PIECE_BYTES));
    }
    for (let index = coarse; index < chunk.length; index += step) {
      if (at + index >= offset + PIECE_BYTES) return;
      yield chunk.subarray(index, index + step);
    }
    at += chunk.length;
  }
}
