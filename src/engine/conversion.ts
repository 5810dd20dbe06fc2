import { setImmediate as nextTurn } from 'node:timers/promises';
import { UsageError } from '../base/errors.ts';
import type { Inputs } from '../bytes/inputs.ts';
import type { OpenSource } from '../bytes/source.ts';
import type { TraceFormat } from '../decoding/format.ts';
import { headerOf } from '../decoding/records/converted/header.ts';
import { type Notation, RecordPrinter } from '../decoding/records/converted/printer.ts';
import type { TraceEnd } from '../events/batch.ts';
import { BatchCursor } from '../events/cursor.ts';
import { decodeAroundHoles } from './holes.ts';
import { decodeHere } from './local.ts';
import { type InputOptions, inputsOf, readEventList } from './run.ts';
import { SkippedEvents } from './skipped-events.ts';
import { type OpenTask, openTrace } from './trace.ts';
import { TraceRedaction } from './trace-redaction.ts';

export { type Notation, notations } from '../decoding/records/converted/printer.ts';

/** How a trace is converted. */
export interface ConvertOptions extends Omit<InputOptions, 'alsoWritten' | 'mappings' | 'unmaps'> {
  readonly notation: Notation;
  /** Names, paths and what is the host's are replaced. */
  readonly hidesHost?: boolean;
  readonly signal?: AbortSignal;
}

/** Characters that are gathered before they are handed out. */
const PIECE = 64 * 1024;

/**
 * The events of a trace of any format, and all else that an analysis rests on, in one notation: an
 * analysis of it has the same result. In pieces, while the trace is read; of an empty trace none. Whoever
 * does not read them to their end calls `return`.
 *
 * @throws UsageError where the inputs are not one trace, or an output would take the place of one; then
 *   and later, TraceError where it cannot be read, and the signal's reason where it is aborted.
 */
export async function convertedTrace(options: ConvertOptions): Promise<AsyncGenerator<string>> {
  const inputs = await inputsOf({ ...options, alsoWritten: ['/dev/stdout'] });
  try {
    const { format, source } = await openOnly(inputs, options);
    const pieces = textOf({ ...source, close: () => closeAll(source, inputs) }, format, options);
    // It has begun then, so that `return` closes the trace also where nobody asks for a piece.
    await pieces.next();
    return pieces;
  } catch (thrown) {
    inputs.close?.();
    throw thrown;
  }
}

/** Opens the one trace there is. */
async function openOnly(inputs: Inputs, options: ConvertOptions) {
  const { maxDecompressedBytes = null, stderr, traceEvents = null } = options;
  const { bad, stdin, traces } = inputs;
  const [problem] = bad;
  if (problem !== undefined) throw new UsageError(`${problem.path}: ${problem.error}`);
  const [trace] = traces;
  if (trace === undefined || traces.length > 1) {
    throw new UsageError(`one trace is converted at a time, and not ${traces.length}`);
  }
  const { bytes: _, ...where } = trace;
  const task: OpenTask = {
    ...where,
    isFound: false,
    maxDecompressedBytes,
    eventList: traceEvents === null ? null : await readEventList(traceEvents),
    ...(typeof stderr === 'string' && { stderr }),
  };
  return openTrace(task, { ...options, ...(stdin !== undefined && { stdin }) });
}

function closeAll(source: OpenSource, inputs: Inputs): void {
  source.close();
  inputs.close?.();
}

async function* textOf(
  source: OpenSource,
  format: TraceFormat,
  { hidesHost = false, notation, signal }: ConvertOptions,
): AsyncGenerator<string> {
  const { clock, infersOperations = false, name, stampsTellVersion } = format;
  // Of what is converted already, that says what it was.
  const header = headerOf(source.head) ?? {
    format: name,
    clock,
    stampsTellVersion,
    infersOperations,
  };
  const redaction = hidesHost ? new TraceRedaction(source.path) : null;
  const printer = new RecordPrinter(notation, header, redaction?.change, redaction?.source);
  const skipped = new SkippedEvents();
  let [lines, bytes] = [0, 0];
  let end: TraceEnd = { losses: [], hasGrown: false };
  let text = printer.begin();
  try {
    yield '';
    for await (const { batch, release } of decodeAroundHoles(decodeHere)(source, format)) {
      // Where batches wait, only another turn lets an interrupt in.
      await nextTurn();
      signal?.throwIfAborted();
      const cursor = new BatchCursor(batch, lines);
      while (cursor.next()) {
        text += printer.record(cursor, batch.sources[cursor.source - 1] ?? null);
        if (text.length < PIECE) continue;
        yield text;
        text = '';
      }
      lines += batch.lines;
      bytes = batch.byteOffset + batch.byteLength;
      skipped.add(batch.skipped);
      end = batch.end ?? end;
      release();
    }
    const { hasGrown, losses } = source.finish(bytes);
    const all = [...end.losses, ...losses].map(({ detail, kind }) => ({
      kind,
      detail: redaction?.text(detail) ?? detail,
    }));
    if (lines === 0 && all.length === 0) return;
    yield text +
      printer.end({
        lines,
        skipped: skipped.result(),
        losses: all,
        hasGrown: hasGrown || end.hasGrown,
      });
  } finally {
    source.close();
  }
}
