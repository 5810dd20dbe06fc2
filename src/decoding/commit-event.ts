import { kindOf } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import type { LineReader } from './line-reader.ts';
import { writeMessage } from './messages.ts';

const EQUALS = 0x3d;
/** Bytes of an error's text that are read. */
const TEXT_LIMIT = 4096;

const MIGRATE_ERROR = kindOf('migrate_error');
const MIGRATE_FD_ERROR = kindOf('migrate_fd_error');

/**
 * Commits the event that `reader` has read, whose name begins at `nameAt`, and the message that it
 * may hold: the error that ends a migration may have the only word about a failed unmap.
 */
export function commitEvent(
  { kind, next }: LineReader,
  bytes: Uint8Array,
  nameAt: number,
  writer: BatchWriter,
  byteOffset: number,
  seconds: number,
  nanoseconds: number,
  thread: number,
): void {
  writer.commit(byteOffset, seconds, nanoseconds, thread);
  if (kind !== MIGRATE_ERROR && kind !== MIGRATE_FD_ERROR) return;
  const from = bytes.indexOf(EQUALS, nameAt) + 1;
  const text = Buffer.from(bytes.subarray(from, Math.min(next, from + TEXT_LIMIT)));
  writeMessage(text.toString('latin1'), writer, { byteOffset, seconds, nanoseconds, thread }, true);
}
