/** Where a command writes, and what the user's terminal is like. */
export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
  /** Columns of standard output. */
  readonly columns: number;
  /** Colours on standard output. */
  readonly color: boolean;
  /** -1 quiet, 0 as usual, 1 and more verbose. */
  readonly verbosity: number;
  /** Names of the program's commands. */
  readonly commands: readonly string[];
  /** Says on stderr what went wrong. */
  complain(message: string): void;
  /** The status to exit with once everything is written. */
  exitWith(status: number): void;
}

const USUAL_COLUMNS = 80;

/** How wide standard output is: the terminal, where there is none COLUMNS, and else what is usual. */
export function columnsOf(
  { COLUMNS }: NodeJS.ProcessEnv,
  stream: { readonly isTTY?: boolean; readonly columns?: number },
): number {
  const { columns = 0 } = stream;
  if (stream.isTTY === true && columns > 0) return columns;
  const told = Number(COLUMNS);
  return Number.isInteger(told) && told > 0 ? told : USUAL_COLUMNS;
}

/** When to colour. */
export const colorChoices = ['auto', 'always', 'never'] as const;
export type ColorChoice = (typeof colorChoices)[number];

/** Whether to colour a stream: the option, then NO_COLOR and FORCE_COLOR, then whether it is a terminal. */
export function wantsColor(
  choice: ColorChoice,
  environment: NodeJS.ProcessEnv,
  stream: { readonly isTTY?: boolean },
): boolean {
  if (choice !== 'auto') return choice === 'always';
  const { NO_COLOR: no = '', FORCE_COLOR: force = '', TERM: term } = environment;
  if (no !== '') return false;
  if (force !== '' && force !== '0') return true;
  return stream.isTTY === true && term !== 'dumb';
}
