import type { EventBatch } from '../events/batch.ts';
import { eventNames } from '../events/catalogue/index.ts';
import { BatchCursor } from '../events/cursor.ts';
import type { Trace } from '../result/types.ts';
import { type Decode, decodeHere } from './local.ts';
import { analyzeNamed } from './named-trace.ts';
import type { MachineOptions } from './trace.ts';

/** How a trace is inspected. */
export interface InspectOptions {
  readonly model?: Partial<MachineOptions>;
  readonly maxDecompressedBytes?: number | null;
  readonly signal?: AbortSignal;
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/** What a trace holds: its result, and how often each event came. */
export interface Inspected {
  readonly trace: Trace;
  /** Events that are replayed, by name; the others are in the result (`skippedEvents`). */
  readonly replayed: ReadonlyMap<string, number>;
  /** Lines that are messages and no events. */
  readonly messages: number;
}

/**
 * Reads a trace once, as an analysis does: only that can say whether it shows enough for a verdict.
 *
 * @throws TraceError where it cannot be analysed; the signal's reason where it is aborted.
 */
export async function inspectTrace(
  path: string,
  { maxDecompressedBytes = null, model, signal, stdin }: InspectOptions = {},
): Promise<Inspected> {
  let counts = new Float64Array(eventNames.length);
  const decode: Decode = async function* (source, format) {
    // A trace is read again where its version came out late.
    counts = new Float64Array(eventNames.length);
    for await (const decoded of decodeHere(source, format)) {
      count(decoded.batch, counts);
      yield decoded;
    }
  };
  const trace = await analyzeNamed(path, { model, maxDecompressedBytes, decode, signal, stdin });
  const all = eventNames.map((name, kind) => [name, counts[kind] ?? 0] as const);
  const isEvent = (name: string) => !name.includes(':');
  const messages = all.filter(([name]) => name.startsWith('message:'));
  return {
    trace,
    replayed: new Map(all.filter(([name, times]) => isEvent(name) && times > 0)),
    messages: messages.reduce((sum, [, times]) => sum + times, 0),
  };
}

function count(batch: EventBatch, counts: Float64Array): void {
  const cursor = new BatchCursor(batch, 0);
  while (cursor.next()) {
    // A record may stand for a run of lines.
    const { kind, runLeft } = cursor;
    counts[kind] = (counts[kind] ?? 0) + 1 + runLeft;
    if (runLeft > 0) cursor.passRun(runLeft);
  }
}
