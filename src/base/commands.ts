import { isUrl } from './url.ts';

/** A word as a shell reads it. */
function shellWord(word: string): string {
  return /^[\w./+:@%,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A program that prints something of a file. */
export interface Command {
  /** Given the name of a file, it reads that. */
  readonly command: string;
  /** The same for standard input, where that needs another one. */
  readonly filter?: string;
}

/**
 * What to type to read an input with another program first: for a file, for what is at a URL or, if it is
 * `-`, for what comes on standard input, behind `unpack`, the commands that take off what is around it, outermost first.
 */
export function pipeline(
  path: string,
  unpack: readonly string[],
  ...commands: readonly Command[]
): string {
  const first = unpack.map((command): Command => ({ command }));
  const stream = streamOf(path);
  const steps = [...first, ...commands].map(({ command, filter = command }, index) =>
    index === 0 && stream === null ? `${command} ${shellWord(path)}` : filter,
  );
  return [...(stream === null ? [] : [stream]), ...steps, 'vtdscope -'].join(' | ');
}

/** What writes an input to its standard output; null for a file, which programs open by themselves. */
function streamOf(path: string): string | null {
  if (path === '-') return '...';
  if (!isUrl(path)) return null;
  return path.startsWith('s3://')
    ? `aws s3 cp ${shellWord(path)} -`
    : `curl -fsSL ${shellWord(path)}`;
}
