import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { codeOf, systemReasonOf, UsageError } from '../base/errors.ts';
import { openToRead } from './open-file.ts';

/** Bytes at most: what people write by hand, and what is kept beside it, is far smaller. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * The text of a file that people write: a baseline, a configuration; null where there is none.
 *
 * @throws UsageError where it cannot be read, is no file, or is far too large.
 */
export function readSmallFile(path: string): string | null {
  try {
    const { number } = openToRead(path);
    try {
      const stats = fstatSync(number);
      if (!stats.isFile()) throw new UsageError(`${path}: is no file`);
      if (stats.size > MOST_BYTES) throw new UsageError(`${path}: larger than ${MOST_BYTES} bytes`);
      return readFileSync(number, 'utf8');
    } finally {
      closeSync(number);
    }
  } catch (thrown) {
    if (thrown instanceof UsageError) throw thrown;
    if (codeOf(thrown) === 'ENOENT') return null;
    throw new UsageError(`${path}: cannot be read: ${systemReasonOf(thrown)}`);
  }
}
