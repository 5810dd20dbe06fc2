import { type EventKind, kindOf } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';
import type { LineReader } from './line-reader.ts';
import { writeMessage } from './messages.ts';
import type { LinePlace } from './notes.ts';

const EQUALS = 0x3d;
/** Bytes of an error's text that are read. */
const TEXT_LIMIT = 4096;

const MIGRATE_ERROR = kindOf('migrate_error');
const MIGRATE_FD_ERROR = kindOf('migrate_fd_error');

/** True for the errors that end a migration, which may hold the only word about a failed unmap. */
export function holdsMessage(kind: EventKind): boolean {
  return kind === MIGRATE_ERROR || kind === MIGRATE_FD_ERROR;
}

/** Commits the event that `reader` has read, whose name begins at `nameAt`, and the message that it may hold. */
export function commitEvent(
  reader: LineReader,
  bytes: Uint8Array,
  nameAt: number,
  writer: BatchWriter,
  place: LinePlace,
): void {
  writer.commit(place.byteOffset, place.seconds, place.nanoseconds, place.thread);
  if (holdsMessage(reader.kind)) writeHeldMessage(reader, bytes, nameAt, writer, place);
}

/** Writes the message that the event just committed holds. */
export function writeHeldMessage(
  { next }: LineReader,
  bytes: Uint8Array,
  nameAt: number,
  writer: BatchWriter,
  place: LinePlace,
): void {
  const from = bytes.indexOf(EQUALS, nameAt) + 1;
  const text = Buffer.from(bytes.subarray(from, Math.min(next, from + TEXT_LIMIT)));
  writeMessage(text.toString('latin1'), writer, place, true);
}
