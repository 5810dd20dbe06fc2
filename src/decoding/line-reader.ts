import type { EventKind } from '../events/catalogue/index.ts';
import type { BatchWriter } from '../events/writer.ts';

/** What the bytes at some position turned out to be. */
export const outcome = {
  /** An event of the catalogue; its arguments are written, the record is not committed yet. */
  event: 0,
  /** An event that the replay does not need; it has been counted. */
  skipped: 1,
  /** The name of a catalogued event, but its text has no known shape: torn, or another version. */
  malformed: 2,
  /** No event name here. */
  foreign: 3,
} as const;
export type Outcome = (typeof outcome)[keyof typeof outcome];

/**
 * Reads what QEMU's text backends print: a stamp, and `name arguments` behind it. The part of a
 * kernel that knows how events look; what becomes of a line that is none is decided elsewhere, and
 * the same for all kernels. No state between lines but tables for speed. All bytes it is given must
 * hold an LF at or after the place it reads from, but those of `readStamp`.
 */
export interface LineReader {
  /** Of the stamp that was read last: NO_TIME in `nanoseconds` and NO_THREAD where it had none. */
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly thread: number;

  /** After `event`: the event's number. */
  readonly kind: EventKind;
  /** After `event`: where its line ends, an LF. */
  readonly next: number;

  /**
   * Reads QEMU's stamp, if the line has one; returns where the rest begins, or -1 where it begins
   * with a digit but no stamp.
   */
  readStamp(bytes: Uint8Array, at: number): number;
  /** Reads an event whose name begins at `from`; its text ends at the first LF. */
  readEvent(bytes: Uint8Array, from: number, writer: BatchWriter): Outcome;
  /** What was `skipped` last turned out to be no event. */
  takeBack(): void;
  /** Moves the counts of skipped events to the batch that is being written. */
  takeCounts(writer: BatchWriter): void;
}
