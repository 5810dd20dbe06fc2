import { type BadInput, type Input, type Inputs, isBelow } from '../bytes/inputs.ts';
import { LARGE_BYTES } from './threaded.ts';

/** An input of a run, with its place among the results. */
export interface PlannedTrace {
  readonly input: Input;
  readonly index: number;
}

/** The ways in which the traces of a run are analysed. */
export interface Plan {
  /** One after the other, each replayed in the main thread and decoded by all others. */
  readonly large: readonly PlannedTrace[];
  /** Side by side, each in a thread of its own. */
  readonly small: readonly PlannedTrace[];
}

/** A trace alone is large, so that no thread has to be started for a small one. */
export function planOf(inputs: readonly Input[]): Plan {
  const all = inputs.map((input, index) => ({ input, index }));
  if (all.length === 1) return { large: all, small: [] };
  const isLarge = ({ input: { bytes } }: PlannedTrace) =>
    bytes === null || bytes >= LARGE_BYTES * 4;
  return { large: all.filter(isLarge), small: all.filter((trace) => !isLarge(trace)) };
}

/** Directories in which nothing was found that is a trace. `isTrace`: of those found. */
export function directoriesWithoutTraces(
  { bad, directories }: Inputs,
  isTrace: (input: Input) => boolean,
): readonly BadInput[] {
  return [...directories].flatMap(([directory, inputs]) => {
    const isKnown = inputs.some(isTrace) || bad.some(({ path }) => isBelow(directory, path));
    return isKnown ? [] : [{ path: directory, error: 'a directory without traces' }];
  });
}
