/** Where a command writes, and what the user's terminal is like. */
export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborted when the user interrupts the program. */
  readonly signal: AbortSignal;
  /** Colours on standard output. */
  readonly color: boolean;
  /** -1 quiet, 0 as usual, 1 and more verbose. */
  readonly verbosity: number;
  /** Says on stderr what went wrong. */
  complain(message: string): void;
  /** The status to exit with once everything is written. */
  exitWith(status: number): void;
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
