import type { EventBatch } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import type { TraceFormat } from './format.ts';

const LF = 0x0a;

/** The times of the first and the last event in a part of a trace, in seconds of its clock. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** The times in a part of a trace, which may begin inside a line; null where no event has one. */
export async function spanOf(format: TraceFormat, part: Uint8Array): Promise<Span | null> {
  const clocks = (await batchesOf(format, part)).flatMap(({ clock }) => clock ?? []);
  const [first, last] = [clocks[0], clocks.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    first: first.firstSeconds + first.firstNanoseconds / 1e9,
    last: last.lastSeconds + last.lastNanoseconds / 1e9,
  };
}

async function batchesOf(format: TraceFormat, part: Uint8Array): Promise<readonly EventBatch[]> {
  if (format.kind === 'lines') {
    const lines = part.subarray(0, part.lastIndexOf(LF) + 1);
    const writer = new BatchWriter();
    return [writer.finish(lines, 0, format.decoder().decode(lines, writer))];
  }
  const batches: EventBatch[] = [];
  const decoder = await format.open((batch) => batches.push(batch));
  await decoder.push(part);
  await decoder.end();
  return batches;
}
