import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isSource, packageRoot } from '../../base/package-root.ts';

/** How a process that analysed one trace ended. */
export interface ChildEnd {
  /** Its exit status; null where a signal ended it. */
  readonly status: number | null;
  /** The first line of what it complained about, or how it ended. */
  readonly why: string;
}

const program = fileURLToPath(new URL(isSource ? 'src/cli.ts' : 'dist/src/cli.js', packageRoot));
/** How long a child that is to end may take: less than its parent may. */
const GRACE_MILLISECONDS = 4000;
/** Of what a child says on stderr, in characters. */
const KEPT = 2000;

/**
 * Runs this program with these arguments in a process of its own, so that a trace on which it dies
 * takes nothing else along. It ends when this process does, however that ends: the channel between
 * them closes. Aborting the signal ends it like SIGTERM.
 */
export function runChild(args: readonly string[], signal: AbortSignal): Promise<ChildEnd> {
  const child = fork(program, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: isSource ? ['--import', 'tsx'] : [],
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < KEPT) said += text.slice(0, KEPT - said.length);
  });
  const stop = () => {
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), GRACE_MILLISECONDS).unref();
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  return new Promise((resolve) => {
    const end = (status: number | null, why: string) => {
      signal.removeEventListener('abort', stop);
      resolve({ status, why });
    };
    child.on('error', (error) => end(null, error.message));
    child.on('close', (status, killer) => {
      const [line = ''] = said.split('\n');
      const how = killer === null ? `exit status ${status}` : `ended by ${killer}`;
      end(status, line.replace(/^vtdscope: /, '') || `the analysis died: ${how}`);
    });
  });
}
