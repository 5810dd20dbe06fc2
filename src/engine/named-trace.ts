import { TraceError } from '../base/errors.ts';
import { isUrl, shownInput } from '../base/url.ts';
import { describeObject } from '../bytes/objects/object.ts';
import type { Trace } from '../result/types.ts';
import { FROM_TRACE } from './run.ts';
import { analyzeTrace, type MachineOptions, type TraceSurroundings } from './trace.ts';

/** How a trace is read that is the only one. */
export interface NamedTraceOptions extends TraceSurroundings {
  readonly model?: Partial<MachineOptions> | undefined;
  readonly maxDecompressedBytes?: number | null;
}

/**
 * Analyses one trace that somebody has named, in this thread and without tables.
 *
 * @throws TraceError where it cannot be analysed; the signal's reason where it is aborted.
 */
export async function analyzeNamed(named: string, options: NamedTraceOptions): Promise<Trace> {
  const { maxDecompressedBytes = null, model, ...surroundings } = options;
  const path = shownInput(named);
  const isUnknown = isUrl(named) && surroundings.opened === undefined;
  const outcome = await analyzeTrace(
    {
      path,
      model: { ...FROM_TRACE, ...model },
      parts: { unmaps: null, mappings: null },
      maxDecompressedBytes,
      isFound: false,
      ...(isUnknown && { object: await describeObject(named) }),
    },
    surroundings,
  );
  if (outcome.ok) return outcome.trace;
  // Messages of outcomes begin with the path, which the error puts there again.
  const { error } = outcome;
  const isNamed = error.startsWith(`${path}: `);
  throw new TraceError({ path }, isNamed ? error.slice(path.length + 2) : error);
}
