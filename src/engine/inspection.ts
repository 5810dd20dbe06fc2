import { availableParallelism } from 'node:os';
import type { Input, PassedOver } from '../bytes/inputs.ts';
import type { EventBatch } from '../events/batch.ts';
import { eventNames } from '../events/catalogue/index.ts';
import { BatchCursor } from '../events/cursor.ts';
import type { Trace } from '../result/types.ts';
import { type Decode, decodeHere } from './local.ts';
import { directoriesWithoutTraces } from './plan.ts';
import { Pool } from './pool.ts';
import { type Progress, RunProgress } from './progress.ts';
import { FROM_TRACE, type InputOptions, inputsOf, readEventList, unlessAborted } from './run.ts';
import { decodeInThreads } from './threaded.ts';
import {
  analyzeTrace,
  type MachineOptions,
  type TraceSurroundings,
  type TraceTask,
} from './trace.ts';

/** How traces are inspected. */
export interface InspectOptions extends Omit<InputOptions, 'mappings' | 'outputs' | 'unmaps'> {
  readonly model?: Partial<MachineOptions>;
  /** Threads; default: as many as the machine runs at once. */
  readonly jobs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Called once, with the files in directories and archives that may hold traces and cannot be read. */
  readonly onPassedOver?: (files: readonly PassedOver[]) => void;
}

/** What a trace holds: its result, and how often each event came. */
export interface Inspected {
  readonly ok: true;
  readonly trace: Trace;
  /** Events that are replayed, by name; the others are in the result (`skippedEvents`). */
  readonly replayed: ReadonlyMap<string, number>;
  /** Lines that are messages and no events. */
  readonly messages: number;
}

/** Why an input could not be inspected; the text begins with its path. */
export interface NotInspected {
  readonly ok: false;
  readonly error: string;
}

/**
 * Reads each trace as a whole, as an analysis does: only that can say whether it shows enough for a verdict.
 *
 * @throws UsageError where the inputs do not go with the options; the signal's reason where it is aborted.
 */
export async function* inspectTraces(
  options: InspectOptions,
): AsyncGenerator<Inspected | NotInspected> {
  const { jobs = availableParallelism(), onPassedOver, signal, traceEvents = null } = options;
  const inputs = await unlessAborted(inputsOf(options), signal);
  const pools: Pool[] = [];
  const pool = () => {
    if (pools.length === 0) pools.push(new Pool(Math.max(1, jobs - 1)));
    return pools[0] as Pool;
  };
  const passedOver: PassedOver[] = [...inputs.passedOver];
  const isTrace = new Set<Input>();
  const progress = new RunProgress(inputs.traces, options.onProgress);
  try {
    const eventList = traceEvents === null ? null : await readEventList(traceEvents);
    for (const [index, input] of inputs.traces.entries()) {
      const found = await inspect(taskOf(input, options, eventList), {
        ...(inputs.stdin !== undefined && { stdin: inputs.stdin }),
        decode: jobs === 1 ? decodeHere : decodeInThreads(pool, null),
        onProgress: (bytes) => progress.read(index, bytes),
        signal,
      });
      progress.done(index, input.bytes);
      if (found === null) continue;
      if ('kind' in found) {
        passedOver.push({ path: input.path, kind: found.kind });
        continue;
      }
      isTrace.add(input);
      yield found;
    }
    const empty = directoriesWithoutTraces(inputs, (input) => isTrace.has(input));
    for (const { error, path } of [...inputs.bad, ...empty]) {
      yield { ok: false, error: `${path}: ${error}` };
    }
    if (passedOver.length > 0) onPassedOver?.(passedOver);
  } finally {
    for (const one of pools) await one.close();
    inputs.close?.();
  }
}

function taskOf(
  { bytes: _, ...where }: Input,
  { maxDecompressedBytes = null, model, stderr = null }: InspectOptions,
  eventList: string | null,
): TraceTask {
  return {
    ...where,
    model: { ...FROM_TRACE, ...model },
    parts: { unmaps: null, mappings: null },
    maxDecompressedBytes,
    eventList,
    ...(stderr !== null && { stderr }),
  };
}

/** Null: no trace, and nobody named it; with `kind`, where it may hold one all the same. */
async function inspect(
  task: TraceTask,
  surroundings: TraceSurroundings & { readonly decode: Decode },
): Promise<Inspected | NotInspected | { readonly kind: string } | null> {
  const counts = new Float64Array(eventNames.length);
  const decode: Decode = async function* (source, format) {
    for await (const decoded of surroundings.decode(source, format)) {
      count(decoded.batch, counts);
      yield decoded;
    }
  };
  // A trace is read again where its version came out late.
  const onReading = () => counts.fill(0);
  const outcome = await analyzeTrace(task, { ...surroundings, decode, onReading });
  if (!outcome.ok) {
    const { error, failure } = outcome;
    if (failure.of !== 'foreign-input' || !task.isFound) return { ok: false, error };
    return failure.kind === null ? null : { kind: failure.kind };
  }
  const all = eventNames.map((name, kind) => [name, counts[kind] ?? 0] as const);
  const isEvent = (name: string) => !name.includes(':');
  const messages = all.filter(([name]) => name.startsWith('message:'));
  return {
    ok: true,
    trace: outcome.trace,
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
