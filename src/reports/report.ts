import type { Result } from '../result/types.ts';

/** How a report is to look; none of it changes what it says. */
export interface ReportOptions {
  /** Terminal colours; only where the user has a terminal, or asked. */
  readonly color: boolean;
  /** Columns of the terminal; 80 elsewhere. */
  readonly width: number;
  /** Names may be cut in their middle to fit the width: on a terminal, where somebody looks. */
  readonly cutsNames?: boolean;
  /** -1: only the verdict; 0: as usual; 1 and more: everything. */
  readonly verbosity: number;
}

/**
 * A report: a pure function of a result, which yields its text in pieces so that a large one is
 * never in memory twice. It knows neither terminal, file nor trace.
 */
export interface Report {
  readonly name: string;
  /** The usual ending of a file with it. */
  readonly extension: string;
  render(result: Result, options: ReportOptions): Iterable<string>;
}
