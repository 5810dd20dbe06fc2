/*
 * The files of QEMU's `simple` trace backend, version 4 (trace/simple.c, QEMU 2.10 to 11.1; read and
 * compared with files that 10.2.2 wrote). Everything is in the byte order of the machine and packed:
 *
 *   header   u64 of ones | u64 magic | u64 version
 *   mapping  u64 0 | u64 id | u32 length of the name | name
 *   event    u64 1 | u64 id | u64 nanoseconds | u32 length | u32 process | arguments
 *
 * `length` counts from `id` to the end of the arguments. An argument is a u64, or, for a string, a u32
 * with its length and its bytes. All names of the build are mapped first, those of a module when it is
 * loaded. Events that found the buffer full are counted, and told by a record of an id of its own when
 * the writing thread is awake again: they may be missing anywhere before it.
 *
 * SystemTap's `simpletrace` scripts print events alike, without a header and mappings: an id is then the
 * event's position in the build's trace-events-all.
 *
 * Not read: versions 0, 2 and 3, of QEMU before 2.10, which have other records.
 */

const MAGIC = 0xf2b1_77cb_0aa4_29b4n;
const ONES = 0xffff_ffff_ffff_ffffn;
export const HEADER_BYTES = 24;
/** The one version that is read. */
export const VERSION = 4n;

/** From a record's start to what its length counts from. */
export const TYPE_BYTES = 8;
/** From there to an event's arguments. */
export const EVENT_BYTES = 24;
/** The same to a mapping's name. */
export const MAPPING_BYTES = 12;
export const MAPPING = 0;
export const EVENT = 1;
/** Upper and lower word of the id of the record about dropped events. */
export const DROPPED_HIGH = 0xffff_ffff;
export const DROPPED_LOW = 0xffff_fffe;

/** Longest text of an argument (`MAX_TRACE_STRLEN`). */
export const LONGEST_TEXT = 512;
/** Arguments of an event at most; QEMU's tracing takes ten, two are for what may come. */
const MOST_ARGUMENTS = 12;
/** Longest event that is believed; a longer one is damage. */
export const LONGEST_EVENT = EVENT_BYTES + MOST_ARGUMENTS * (4 + LONGEST_TEXT);
/** Longest name that is believed. */
export const LONGEST_NAME = 4096;
/** Ids above cannot be positions in a list of events, which has some six thousand. */
const MOST_EVENTS = 0x1_0000;

/** What the first bytes of a file with a header say. */
export interface Header {
  readonly isLittleEndian: boolean;
  readonly version: bigint;
}

/** The header at the start of a file; null where there is none, or not all of it. */
export function headerOf(head: Uint8Array): Header | null {
  if (head.length < HEADER_BYTES) return null;
  const view = viewOf(head);
  if (view.getBigUint64(0) !== ONES) return null;
  for (const isLittleEndian of [true, false]) {
    if (view.getBigUint64(8, isLittleEndian) === MAGIC) {
      return { isLittleEndian, version: view.getBigUint64(16, isLittleEndian) };
    }
  }
  return null;
}

/** Records of a file without a header that are looked at. */
const SAMPLE = 16;

/** The byte order of a file without a header; null where it does not begin with an event's type. */
export function headerlessOrder(head: Uint8Array): { readonly isLittleEndian: boolean } | null {
  if (head.length < TYPE_BYTES) return null;
  for (const isLittleEndian of [true, false]) {
    if (viewOf(head).getBigUint64(0, isLittleEndian) === BigInt(EVENT)) return { isLittleEndian };
  }
  return null;
}

/** True where the first bytes are events of a file without a header. */
export function isHeaderless(head: Uint8Array): boolean {
  const order = headerlessOrder(head);
  return order !== null && beginsWithEvents(viewOf(head), order.isLittleEndian);
}

function beginsWithEvents(view: DataView, isLittleEndian: boolean): boolean {
  let at = 0;
  let count = 0;
  for (; count < SAMPLE && at + TYPE_BYTES + EVENT_BYTES <= view.byteLength; count += 1) {
    if (view.getBigUint64(at, isLittleEndian) !== BigInt(EVENT)) return false;
    const id = view.getBigUint64(at + TYPE_BYTES, isLittleEndian);
    const length = view.getUint32(at + TYPE_BYTES + 16, isLittleEndian);
    if (id >= MOST_EVENTS || length < EVENT_BYTES || length > LONGEST_EVENT) return false;
    at += TYPE_BYTES + length;
  }
  return count > 0;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
