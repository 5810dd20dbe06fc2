import { codeOf } from '../../base/errors.ts';
import type { Chunks } from '../chunks.ts';
import { type Codec, DamagedData, PIECE_BYTES } from './codec.ts';

/**
 * What a piece holds before the damage in it, for a decompressor that gives nothing of such a piece:
 * fed in single bytes, it does.
 *
 * `input`: from its start; `good`: its bytes before that piece, which gave the first `output` bytes.
 */
export async function* partOfDamaged(
  codec: Codec,
  input: Chunks,
  good: number,
  output: number,
): AsyncGenerator<Uint8Array> {
  const decompressor = await codec.open();
  let passed = 0;
  try {
    for await (const piece of finelyFrom(input, good)) {
      for await (const chunk of decompressor.decode(piece)) {
        const from = Math.max(0, output - passed);
        passed += chunk.length;
        if (from < chunk.length) yield chunk.subarray(from);
      }
    }
  } catch (thrown) {
    // The damage itself, which is known, or a file that has gone meanwhile: there is no more.
    if (!(thrown instanceof DamagedData) && codeOf(thrown) === undefined) throw thrown;
  } finally {
    decompressor.close();
  }
}

/** Pieces up to `offset`, then one piece more in single bytes. */
async function* finelyFrom(input: Chunks, offset: number): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const chunk of input) {
    const coarse = Math.min(chunk.length, Math.max(0, offset - at));
    if (coarse > 0) yield chunk.subarray(0, coarse);
    for (let index = coarse; index < chunk.length; index += 1) {
      if (at + index >= offset + PIECE_BYTES) return;
      yield chunk.subarray(index, index + 1);
    }
    at += chunk.length;
  }
}
