import { argumentWords, type EventKind, eventNames, kindOf } from './catalogue/index.ts';
import type { LossKind } from './catalogue/notes.ts';

/**
 * Packed event batches: the only thing between decoding and replay.
 *
 * A batch holds the events of some whole lines as records of 32-bit words, in two buffers that
 * cross threads without a copy. A record is a header of HEADER_WORDS words and the event's
 * arguments as the catalogue lays them out; texts lie in an arena of their own. Lines and byte
 * offsets count from the batch's first line, so that batches can be decoded side by side.
 */
export interface EventBatch {
  /** Records, one after the other. */
  readonly words: Uint32Array;
  /** The texts that records point to, as the bytes of the trace. */
  readonly text: Uint8Array;
  /** The bytes that were decoded, for quoting lines in reports. */
  readonly source: Uint8Array;
  /** Offset of `source` in the decompressed stream. */
  readonly byteOffset: number;
  /** Bytes of the stream that it stands for: more than `source` holds where a line was too long. */
  readonly byteLength: number;
  /** Lines that end in `source` (an unfinished last line of the trace counts as one). */
  readonly lines: number;
  /** Records in `words`. */
  readonly events: number;
  /** Those of them that are trace events, and not messages or marks. */
  readonly traceEvents: number;
  /** Lines that are no event and no message. */
  readonly foreignLines: number;
  /** Events that the replay does not need, by name. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Names of the processes that records name by number from FIRST_SOURCE on, where the trace tells them apart. */
  readonly sources: readonly string[];
  /** The thread and the process of all records, where they are the same; else null. */
  readonly writer: { readonly thread: number; readonly source: number } | null;
  /** Null where no record has a time. */
  readonly clock: BatchClock | null;
  /** Of a trace of binary records, how they are quoted; null where `source` is lines of text. Crosses no threads. */
  readonly records: PrintedRecords | null;
  /** Of a trace that was made of another one: what was known at the end of that. */
  readonly end?: TraceEnd;
}

/** Something that was lost before a line could be read: truncated input, for one. */
export interface InputLoss {
  readonly kind: LossKind;
  readonly detail: string;
}

/** What is known of a trace only when all of it has been read. */
export interface TraceEnd {
  readonly losses: readonly InputLoss[];
  /** It grew while it was read, up to the size that it had. */
  readonly hasGrown: boolean;
}

/** Records as text, where they are not the lines of the batch. */
export interface PrintedRecords {
  /** Where each begins in the batch's `source`. */
  readonly starts: readonly number[];
  /** The line of each in the trace, from 1; absent where each is a line. */
  readonly lines?: readonly number[];
  /** The record of this index as a log would print it. */
  print(index: number): string;
}

/** A place in a batch: like those of records, counted from its first line. */
export interface PlaceInBatch {
  readonly line: number;
  readonly byteOffset: number;
}

/** The times of a batch's records, so that nobody has to look at each. */
export interface BatchClock {
  readonly firstSeconds: number;
  readonly firstNanoseconds: number;
  readonly lastSeconds: number;
  readonly lastNanoseconds: number;
  /** The first record with a time. */
  readonly first: PlaceInBatch;
  /** The first one that is more than a second older than the one before it. */
  readonly backwards: PlaceInBatch | null;
}

/** True where a clock was set back: threads race by microseconds. */
export function isSetBack(seconds: number, secondsBefore: number): boolean {
  return seconds + 1 < secondsBefore;
}

// Words of a record's header. One constant each: they are read for every event.
export const KIND = 0;
export const LINE = 1;
export const OFFSET = 2;
export const SECONDS = 3;
export const NANOSECONDS = 4;
export const THREAD = 5;
export const SOURCE = 6;
/** Words before a record's first argument. */
export const HEADER_WORDS = 7;

// What stands for nothing, and every number that is read for each event, is below 2^31: V8 keeps
// larger ones on the heap, and the replay would make garbage with every line.
/** In the place of the thread: the line names none. */
export const NO_THREAD = 0;
/** The largest number that is taken for a thread's; Linux gives none above 2^22. */
export const LAST_THREAD = 0x7fff_ffff;
/** In the place of the source: the line does not say which process wrote it. */
export const NO_SOURCE = 0;
/** The number of the first process that a batch names. */
export const FIRST_SOURCE = 1;

/**
 * The event of which one record may stand for a run of lines: of the same page size, each with the
 * page behind that of the line before it. `BatchCursor` goes through them like any others.
 */
export const RUN_EVENT = 'vtd_page_walk_one_skip_unmap';
export const RUN: EventKind = kindOf(RUN_EVENT);
// Words of its record behind the arguments. Behind the record of a run whose lines have a time come the
// nanoseconds of each line but the first.
/** Lines of the run, behind its first. */
export const RUN_MORE = HEADER_WORDS + argumentWords(RUN_EVENT);
/** Bytes of each of its lines. */
export const RUN_LINE_BYTES = RUN_MORE + 1;
const RUN_WORDS = 2;

/** Words of a record, by the number of its event. */
export const RECORD_WORDS = Uint32Array.from(
  eventNames,
  (name) => HEADER_WORDS + argumentWords(name) + (name === RUN_EVENT ? RUN_WORDS : 0),
);
