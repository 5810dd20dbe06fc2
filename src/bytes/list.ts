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
  const bytes = await bytesOf(path);
  if (bytes === null) {
    throw new UsageError(`${path}: the list of inputs is longer than ${MOST_BYTES} bytes`);
  }
  const lines = bytes
    .toString('utf8')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new UsageError(`${path}: the list names no inputs`);
  return lines;
}

/** All bytes of a file or pipe; null where there are too many. */
async function bytesOf(path: string): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of streamOf(openToRead(path))) {
      length += chunk.length;
      if (length > MOST_BYTES) return null;
      chunks.push(chunk);
    }
  } catch (thrown) {
    throw new UsageError(`${path}: the list of inputs cannot be read: ${systemReasonOf(thrown)}`);
  }
  return Buffer.concat(chunks);
}
