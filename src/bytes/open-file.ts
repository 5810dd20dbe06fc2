import { constants, createReadStream, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty, ReadStream } from 'node:tty';
import { reasonOf, TraceError } from '../base/errors.ts';
import type { Chunks } from './chunks.ts';

/** A file, pipe or device that is open for reading, by its number. */
export interface OpenFile {
  readonly path: string;
  readonly number: number;
}

/** Opens a path without waiting: a named pipe may have no writer yet, and may never have one. */
export function openToRead(path: string): OpenFile {
  return { path, number: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) };
}

/**
 * The bytes of what comes only once, a named pipe or a device; it is closed after them. No thread
 * is kept waiting for them, which nothing could end.
 */
export function streamOf({ path, number }: OpenFile): Chunks {
  if (fstatSync(number).isFIFO()) {
    return new Socket({ fd: number, readable: true, writable: false });
  }
  return isatty(number) ? new ReadStream(number) : createReadStream(path, { fd: number });
}

const STANDARD_INPUT = 0;

/**
 * Standard input where it is a file, of which any part can be read; null where it comes only once.
 *
 * @throws TraceError where it is closed or a directory, which must not pass for an empty trace.
 */
export function fileAtStandardInput(): OpenFile | null {
  const path = '-';
  let stats: ReturnType<typeof fstatSync>;
  try {
    stats = fstatSync(STANDARD_INPUT);
  } catch (thrown) {
    throw new TraceError({ path }, `standard input ${reasonOf(thrown)}`);
  }
  if (stats.isDirectory()) {
    throw new TraceError({ path }, 'standard input is a directory, expected a file or pipe');
  }
  if (isClosed(stats)) throw new TraceError({ path }, 'standard input is closed');
  return stats.isFile() ? { path, number: STANDARD_INPUT } : null;
}

/**
 * True where the program was started without standard input: Node.js then opens `/dev/null` in its
 * place, for reading and writing; what a shell opens for `< /dev/null` cannot be written.
 */
function isClosed({ rdev }: { readonly rdev: number }): boolean {
  if (rdev === 0 || rdev !== statSync('/dev/null', { throwIfNoEntry: false })?.rdev) return false;
  try {
    writeSync(STANDARD_INPUT, '');
    return true;
  } catch {
    return false;
  }
}
