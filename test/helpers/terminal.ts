import { PassThrough } from 'node:stream';
import type { Terminal } from '../../src/cli/terminal.ts';

/** A terminal for commands that are looked at and not run. */
export function silentTerminal(commands: readonly string[] = []): Terminal {
  const stream = new PassThrough() as unknown as NodeJS.WriteStream;
  return {
    stdout: stream,
    stderr: stream,
    signal: new AbortController().signal,
    columns: 80,
    color: false,
    verbosity: 0,
    commands,
    complain: () => {},
    exitWith: () => {},
  };
}
