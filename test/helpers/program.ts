import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { root } from './ground-truth.ts';

const program = `${root}dist/src/cli.js`;

/** What became of a run of the built program. */
export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** Written to its standard input, which is then closed; without it, there is none. */
  readonly stdin?: Uint8Array | string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
  /** A file that its standard output goes to, instead of being returned. */
  readonly stdoutTo?: string;
  /** Behind what is there already. */
  readonly appends?: boolean;
  /** A file that its standard input is. */
  readonly stdinFrom?: string;
  /** Called once the program runs, with the process. */
  readonly onStart?: (child: ReturnType<typeof start>) => void;
}

function start(args: readonly string[], options: ProgramOptions) {
  const { appends = false, environment, folder, stdinFrom, stdoutTo } = options;
  if (!existsSync(program)) throw new Error('the program is not built: npm run build');
  const { NO_COLOR: _, FORCE_COLOR: __, COLUMNS: ___, ...inherited } = process.env;
  const stdout = stdoutTo === undefined ? null : openSync(stdoutTo, appends ? 'a' : 'w');
  const stdin = stdinFrom === undefined ? null : openSync(stdinFrom, 'r');
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder ?? root,
    env: { ...inherited, ...environment },
    stdio: [stdin ?? 'pipe', stdout ?? 'pipe', 'pipe'],
  });
  for (const file of [stdin, stdout]) if (file !== null) closeSync(file);
  return child as ChildProcessByStdio<Writable, Readable | null, Readable>;
}

/** Runs the program as it is built, in the repository's root unless told otherwise. */
export async function runProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  const child = start(args, options);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  if (options.stdinFrom === undefined) {
    // A program that ends before it has read everything closes the pipe; that is its right.
    child.stdin.on('error', () => {});
    if (options.onStart === undefined) child.stdin.end(options.stdin ?? '');
  }
  options.onStart?.(child);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');
      resolve({ status, signal, stdout: text(out), stderr: text(err) });
    });
  });
}
