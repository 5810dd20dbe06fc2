import { NO_TIME } from '../base/place.ts';
import { type EventBatch, NO_THREAD } from '../events/batch.ts';
import { BatchWriter } from '../events/writer.ts';
import { plain } from './carriers/plain.ts';
import type { TraceFormat } from './format.ts';
import { newLineReader } from './kernels.ts';

const LF = 0x0a;

/** The first and the last time in a part of a trace, in seconds of its clock. */
export interface Span {
  readonly first: number;
  readonly last: number;
  /** The thread of the first stamp; NO_THREAD where it names none. */
  readonly thread: number;
}

/** The times in a part of a trace, which may begin and end inside a line; null where there are none. */
export async function spanOf(format: TraceFormat, part: Uint8Array): Promise<Span | null> {
  return format.name === plain.name ? spanOfStamps(part) : spanOfEvents(format, part);
}

/** By the stamps of QEMU's lines, whatever they are of. */
function spanOfStamps(part: Uint8Array): Span | null {
  const reader = newLineReader();
  const ends = { first: Number.NaN, last: Number.NaN, thread: NO_THREAD };
  for (let at = 0, lf = part.indexOf(LF); lf >= 0; at = lf + 1, lf = part.indexOf(LF, at)) {
    reader.readStamp(part, at);
    const { nanoseconds, seconds, thread } = reader;
    if (nanoseconds === NO_TIME) continue;
    ends.last = seconds + nanoseconds / 1e9;
    if (!Number.isNaN(ends.first)) continue;
    ends.first = ends.last;
    ends.thread = thread;
  }
  return Number.isNaN(ends.first) ? null : ends;
}

async function spanOfEvents(format: TraceFormat, part: Uint8Array): Promise<Span | null> {
  const clocks = (await batchesOf(format, part)).flatMap(({ clock }) => clock ?? []);
  const [first, last] = [clocks[0], clocks.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    first: first.firstSeconds + first.firstNanoseconds / 1e9,
    last: last.lastSeconds + last.lastNanoseconds / 1e9,
    thread: NO_THREAD,
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
