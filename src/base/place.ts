/** Where in a trace something is. */
export interface Place {
  /** 1-based; in binary formats the number of the record. */
  readonly line: number;
  readonly byteOffset: number;
  /** Decimal nanoseconds of the trace's own clock, or null. */
  readonly time: string | null;
}

/**
 * In the place of nanoseconds, which are below it: there is no time. Below 2^31, as V8 keeps larger
 * numbers on the heap, and the replay would make garbage with every line.
 */
export const NO_TIME = 1_000_000_000;

/** Decimal nanoseconds of a time; null where `nanoseconds` is NO_TIME. */
export function timeText(seconds: number, nanoseconds: number): string | null {
  if (nanoseconds === NO_TIME) return null;
  return seconds === 0 ? String(nanoseconds) : `${seconds}${String(nanoseconds).padStart(9, '0')}`;
}
