/** `thread@seconds.micro:`, as QEMU to 10.1 prints it before an event with `-msg timestamp=on`. */
export const THREAD_STAMP = /\d{1,10}@\d{1,11}\.\d{6}:/;
/** `YYYY-MM-DDThh:mm:ss.fZ `: messages in all versions, events from 10.2 on. */
export const ISO_STAMP = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z /;
/** libvirt's lines that begin and end a boot; always in UTC. */
const BOOT = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\+0000: (?:starting up|shutting down)/;

/**
 * How a stamped line begins. Where this stands inside a line, two writers met there: a line that
 * lost its end, and another one.
 */
export const LINE_START = new RegExp(
  `(?:${THREAD_STAMP.source}|${ISO_STAMP.source})(?=[a-z])|${BOOT.source}`,
);

/** Bytes of such a beginning before and behind the byte that betrays it: `@`, `Z` or `+`. */
const BEFORE = 30;
const BEHIND = 22;

const SPACE = 0x20;
const PLUS = 0x2b;
const ZERO = 0x30;
const NINE = 0x39;
const AT = 0x40;
const LETTER_Z = 0x5a;

/** By byte: 1 where it may betray the beginning of a line. */
export const BETRAYS = new Uint8Array(256);
for (const byte of [AT, LETTER_Z, PLUS]) BETRAYS[byte] = 1;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

/** True where the byte at `at`, one that betrays, belongs to a line that begins behind `from`. */
export function isInLineStart(bytes: Uint8Array, from: number, at: number): boolean {
  const next = bytes[at + 1];
  const isLikely = isDigit(bytes[at - 1]) && (isDigit(next) || next === SPACE);
  if (!isLikely) return false;
  const around = bytes.subarray(Math.max(from, at - BEFORE), at + BEHIND);
  return LINE_START.test(Buffer.from(around).toString('latin1'));
}
