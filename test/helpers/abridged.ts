import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { testFolder } from './folder.ts';
import { bytesOf, root } from './ground-truth.ts';

/** Bytes that are kept of each end of a long log. */
const KEPT = 1.5e6;

/**
 * The path of a log of the repository; of one that is long, that of a log of its beginning and its
 * end: what lies between is more of the same, and as any log it may lack lines.
 */
export function abridged(log: string): string {
  const bytes = bytesOf(log);
  if (bytes.length <= 2 * KEPT) return `${root}${log}`;
  const beginning = bytes.subarray(0, bytes.lastIndexOf('\n', KEPT) + 1);
  const end = bytes.subarray(bytes.indexOf('\n', bytes.length - KEPT) + 1);
  const path = join(testFolder(), basename(log, '.gz'));
  writeFileSync(path, Buffer.concat([beginning, end]));
  return path;
}
