import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { EventBatch } from '../events/batch.ts';

/** Batches as a thread returns them: their buffers are shared or handed over, not copied. */
export function handOver(decoded: readonly EventBatch[]): unknown {
  const batches = decoded.map(withOwnSource);
  const views = batches.flatMap(({ words, text, source }) => [words, text, source]);
  const buffers = new Set(views.map((view) => view.buffer));
  return move({
    // Empty ones are shared by all batches without records: who hands them over has them no more.
    [transferableSymbol]: [...buffers].filter(
      (buffer) => buffer instanceof ArrayBuffer && buffer.byteLength > 0,
    ),
    [valueSymbol]: batches,
  } as unknown as Parameters<typeof move>[0]);
}

/** Bytes of a batch that are cheaper to copy than to hand over. */
const SMALL_BYTES = 64 * 1024;

/** A batch whose source is in a buffer of its own. */
function withOwnSource(batch: EventBatch): EventBatch {
  const { buffer, length } = batch.source;
  if (length >= SMALL_BYTES || buffer instanceof SharedArrayBuffer) return batch;
  return { ...batch, source: Uint8Array.from(batch.source) };
}
