import { systemReasonOf, UsageError } from '../base/errors.ts';
import { openToRead, streamOf } from './open-file.ts';

/** Bytes of a list at most: some hundred thousand paths. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * The lines of a list of inputs, blank ones and comments (`#`) left out.
 *
 * @throws UsageError where it cannot be read, is endless, or names nothing.
 */
export async function readList(path: string): Promise<readonly string[]> {
  const lines = (await readText(path, 'the list of inputs'))
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new UsageError(`${path}: the list names no inputs`);
  return lines;
}

/**
 * The text of a file or pipe that is read at once. `what`: what it holds, for messages.
 *
 * @throws UsageError where it cannot be read, or is endless.
 */
export async function readText(path: string, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of streamOf(openToRead(path))) {
      length += chunk.length;
      if (length > MOST_BYTES) break;
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw new UsageError(`${path}: ${what} cannot be read: ${systemReasonOf(thrown)}`);
  }
  if (length > MOST_BYTES)
    throw new UsageError(`${path}: ${what} is longer than ${MOST_BYTES} bytes`);
  return Buffer.concat(chunks).toString('utf8');
}
