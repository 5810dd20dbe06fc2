import { closeSync, constants, createReadStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { isatty, ReadStream } from 'node:tty';
import type { Chunks } from './chunks.ts';

/**
 * The bytes of what comes only once: a named pipe, a device. Neither opening nor reading it keeps a
 * thread waiting, which nothing could end: a pipe may have no writer yet, and may never have one.
 *
 * @throws What the system says where it cannot be opened.
 */
export function pipeOf(path: string): Chunks {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (fstatSync(file).isFIFO()) return new Socket({ fd: file, readable: true, writable: false });
    return isatty(file) ? new ReadStream(file) : createReadStream(path, { fd: file });
  } catch (thrown) {
    closeSync(file);
    throw thrown;
  }
}
