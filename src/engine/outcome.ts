import { defectOf, ForeignError, placedMessageOf, TraceError, UsageError } from '../base/errors.ts';
import type { Trace } from '../result/types.ts';
import type { TableParts } from './table-writer.ts';

/**
 * What became of a trace. Failures that are expected cross threads as data, since errors lose class
 * and fields between them.
 */
export type TraceOutcome =
  | { readonly ok: true; readonly trace: Trace; readonly tables: TableParts }
  | { readonly ok: false; readonly error: string; readonly failure: Failure };

/** Whose fault it is. */
export type Failure =
  | { readonly of: 'input' }
  /** No trace that is read; `kind`: what it is, where it may hold one all the same. */
  | { readonly of: 'foreign-input'; readonly kind: string | null }
  /** A table cannot be written: nothing that comes after it can be, either. */
  | { readonly of: 'output' }
  | { readonly of: 'program' };

/** The outcome of a trace that could not be analysed for what was thrown. */
export function failedOutcome(thrown: unknown): TraceOutcome {
  const failed = (error: string, failure: Failure) => ({ ok: false, error, failure }) as const;
  if (thrown instanceof ForeignError) {
    return failed(thrown.message, { of: 'foreign-input', kind: thrown.kind });
  }
  if (thrown instanceof TraceError) return failed(thrown.message, { of: 'input' });
  if (thrown instanceof UsageError) return failed(thrown.message, { of: 'output' });
  return failed(defectOf(thrown, placedMessageOf(thrown)), { of: 'program' });
}
