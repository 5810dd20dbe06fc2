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

/** A place in a record that is reused: kept as numbers, as a `Place` is made only where one is asked for. */
export class ReusedPlace {
  line = 0;
  byteOffset = 0;
  seconds = 0;
  nanoseconds: number = NO_TIME;

  /** `from`: another, or a cursor that stands on the line. */
  set(from: Omit<ReusedPlace, 'set' | 'time' | 'mark'>): void {
    this.line = from.line;
    this.byteOffset = from.byteOffset;
    this.seconds = from.seconds;
    this.nanoseconds = from.nanoseconds;
  }

  get time(): string | null {
    return timeText(this.seconds, this.nanoseconds);
  }

  get mark(): Place {
    return { line: this.line, byteOffset: this.byteOffset, time: this.time };
  }
}
