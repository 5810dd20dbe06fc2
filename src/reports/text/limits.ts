/** How much a text report tells; tried from the most to the least until it is short enough. */
export interface Limits {
  /** Rows of the table of traces. */
  readonly rows: number;
  /** Traces and sessions that are told of beside the table. */
  readonly traces: number;
  readonly sessions: number;
  /** Findings of a session told in full, and those told in short. */
  readonly fullFindings: number;
  readonly shortFindings: number;
  /** Whether full ones quote the trace. */
  readonly excerpts: boolean;
  /** Findings under "what if". */
  readonly whatIf: number;
  readonly ranges: number;
  /** Reasons and losses, each. */
  readonly items: number;
  /** Pieces of advice: the last thing to be cut. */
  readonly advice: number;
  /** What the emulation assumed, and the options of QEMU for a better trace. */
  readonly appendix: boolean;
}

const ALL = Number.POSITIVE_INFINITY;

/** Everything; for those who ask for it. */
export const everything: Limits = {
  rows: ALL,
  traces: ALL,
  sessions: ALL,
  fullFindings: ALL,
  shortFindings: ALL,
  excerpts: true,
  whatIf: ALL,
  ranges: ALL,
  items: ALL,
  advice: ALL,
  appendix: true,
};

const generous: Limits = {
  rows: 60,
  traces: 6,
  sessions: 3,
  fullFindings: 3,
  shortFindings: 6,
  excerpts: true,
  whatIf: 6,
  ranges: 8,
  items: 8,
  advice: 10,
  appendix: true,
};

/** One trace, from generous to scant. */
export const forOneTrace: readonly Limits[] = [
  generous,
  { ...generous, sessions: 2, fullFindings: 2, shortFindings: 4, whatIf: 4, ranges: 5, items: 5 },
  {
    ...generous,
    sessions: 2,
    fullFindings: 1,
    shortFindings: 3,
    whatIf: 3,
    ranges: 4,
    items: 4,
    advice: 8,
    appendix: false,
  },
  {
    ...generous,
    sessions: 1,
    fullFindings: 1,
    shortFindings: 2,
    whatIf: 2,
    ranges: 3,
    items: 3,
    advice: 6,
    appendix: false,
  },
  {
    ...generous,
    sessions: 1,
    fullFindings: 1,
    shortFindings: 0,
    excerpts: false,
    whatIf: 1,
    ranges: 2,
    items: 2,
    advice: 4,
    appendix: false,
  },
];

const several: Limits = {
  ...generous,
  sessions: 1,
  fullFindings: 1,
  shortFindings: 2,
  ranges: 3,
};

/** A batch, likewise. */
export const forSeveralTraces: readonly Limits[] = [
  several,
  { ...several, traces: 4 },
  { ...several, traces: 3, shortFindings: 1, items: 4 },
  { ...several, rows: 50, traces: 2, shortFindings: 1, ranges: 2, items: 3 },
  {
    ...several,
    rows: 40,
    traces: 1,
    shortFindings: 0,
    excerpts: false,
    ranges: 1,
    items: 2,
    advice: 3,
  },
];
