import type { BatchWriter } from '../events/writer.ts';

/*
 * Lines that another program has made of those of QEMU, or of its events: behind a syslog daemon's
 * header, in a log store's object, with arguments by their names. Thousands of them differ in nothing
 * but a fraction of a second, some numbers and QEMU's own text. So one that was read gives a form, in
 * which the next ones are recognised without being read.
 */

const LF = 0x0a;

/** A piece of a line, in the order in which they stand. */
export type Piece =
  /** These bytes. */
  | { readonly is: 'literal'; readonly bytes: Uint8Array }
  /** So many digits, which are the fraction of the second, or go on with it: 9 at most in all. */
  | { readonly is: 'fraction'; readonly digits: number }
  /** QEMU's text, up to the end of the line: the last piece. */
  | { readonly is: 'rest' }
  /** QEMU's text in a string of JSON, up to its end or its first escape. */
  | { readonly is: 'text' }
  /** What a string of JSON holds, without escapes. */
  | { readonly is: 'string' }
  /** Any digits, one at least, without zeros before them. */
  | { readonly is: 'digits' }
  /**
   * Microseconds with three digits behind the point, which have passed since the line before: the line's time
   * is what the clock of its reader comes to then.
   */
  | { readonly is: 'elapsed' }
  /** All up to the end of the line. */
  | { readonly is: 'any' }
  /** So many digits. */
  | { readonly is: 'figures'; readonly digits: number }
  /** A number of the record: of its digits as many as its words hold, without zeros before them. */
  | {
      readonly is: 'decimal' | 'hex';
      /** Where the record has it, or null if it has not, and whether in two words. */
      readonly word: number | null;
      readonly isWide: boolean;
      /** There may be marks between groups of its digits: `,` in decimal, `:` in hexadecimal. */
      readonly isGrouped?: boolean;
    };

/** What all lines of a form have in common, beside literal pieces; its time is that of the form but for the fraction. */
export interface LineForm {
  readonly pieces: readonly Piece[];
  readonly seconds: number;
  /** Where no piece is a fraction; NO_TIME where such lines have no time. */
  readonly nanoseconds: number;
  readonly thread: number;
  /** As the batch that is being written numbers it. */
  readonly source: number;
  /** Where no piece is QEMU's text: the record of an event without texts, but for its numbers. */
  readonly record: Uint32Array | null;
  /**
   * The event that such lines are, where they are counted and not stored; no piece is QEMU's text. Their reader
   * is told of each if it has a thread.
   */
  readonly counted?: string;
  /** How many lines it spans, where these are paragraphs; else one. */
  readonly lines?: number;
}

/** A piece of the line at `from .. to`. */
export interface PiecePlace {
  readonly from: number;
  readonly to: number;
  readonly piece: Piece;
}

/**
 * The place of a number at `at`, behind `0x` or in decimal, as tools print it; null where it is written in
 * another way. `isGrouped`: there may be marks between groups of its digits.
 */
export function numberPlace(
  text: string,
  at: number,
  word: number | null,
  isWide: boolean,
  isGrouped = false,
): PiecePlace | null {
  const to = at + text.length;
  if ((isGrouped ? /^[\d,]{1,32}$/ : /^\d{1,20}$/).test(text)) {
    return { from: at, to, piece: { is: 'decimal', word, isWide, isGrouped } };
  }
  if (!(isGrouped ? /^0x[0-9a-f:]{1,32}$/i : /^0x[0-9a-f]{1,20}$/i).test(text)) return null;
  return { from: at + '0x'.length, to, piece: { is: 'hex', word, isWide, isGrouped } };
}

/** The same places in a line that begins at `by`. */
export function shifted(places: readonly PiecePlace[], by: number): readonly PiecePlace[] {
  return places.map(({ from, to, piece }) => ({ from: from + by, to: to + by, piece }));
}

/** Puts literal pieces between those at some places of a line, which lies at `from .. to`. */
export function piecesOf(
  bytes: Buffer,
  from: number,
  to: number,
  places: readonly PiecePlace[],
): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = from;
  for (const place of places.toSorted((one, other) => one.from - other.from)) {
    if (place.from > at) pieces.push({ is: 'literal', bytes: bytes.subarray(at, place.from) });
    pieces.push(place.piece);
    at = place.to;
  }
  if (to > at) pieces.push({ is: 'literal', bytes: bytes.subarray(at, to) });
  return pieces;
}

/** Reads such lines, one at a time; or paragraphs, which end with a blank line. */
export interface FormedLines {
  /** They are paragraphs: what ends one is the LF of the blank line behind it. */
  readonly areParagraphs?: true;
  /**
   * The form of the line that was read last: whatever a line of the same form has for its text, it is
   * read as this one was. Null where that cannot be said. It counts for this batch only.
   */
  form(): LineForm | null;
  /** The next line has to be read here, as it may belong to one before it. */
  readonly isOpen: boolean;
  /** Decodes the line at `at .. lf`; `writer.line` is its number. */
  line(bytes: Buffer, at: number, lf: number, writer: BatchWriter): void;
  /** The last line or paragraph of a trace, at `at`, without its end: not believed, as it may be the front of a longer one. */
  unfinishedLine(bytes: Buffer, at: number, writer: BatchWriter): void;
  /** Nanoseconds at the end of the last line, of lines that tell how many have passed since the one before. */
  clock?: number;
  /** Lines that were only counted, since the last line was read: of each its number, and its thread. */
  counted?(lines: Uint32Array): void;
  /** Moves the counts of events that are not stored to the batch that is being written. */
  takeCounts(writer: BatchWriter): void;
}

/** Decodes a block of such lines; returns how many there are. A whole trace's last one may lack its LF. */
export type FormedDecoder = (block: Uint8Array, writer: BatchWriter) => number;

/** Decodes each line as if it were the first. */
export function decodeFormed(block: Uint8Array, lines: FormedLines, writer: BatchWriter): number {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
  let line = 0;
  for (let at = 0; at < bytes.length; ) {
    const lf = endOf(lines, bytes, at);
    const next = lf < 0 ? bytes.length : lf + 1;
    writer.line = line;
    if (lf < 0) lines.unfinishedLine(bytes, at, writer);
    else lines.line(bytes, at, lf, writer);
    line += countOf(lines, bytes, at, next);
    at = next;
  }
  lines.takeCounts(writer);
  return line;
}

/** Ends a paragraph. */
export const BLANK_LINE = Buffer.from('\n\n');

/** The LF that ends the line or the paragraph at `at`; -1 where there is none. */
export function endOf({ areParagraphs }: FormedLines, bytes: Buffer, at: number): number {
  if (areParagraphs !== true || bytes[at] === LF) return bytes.indexOf(LF, at);
  const blank = bytes.indexOf(BLANK_LINE, at);
  return blank < 0 ? -1 : blank + 1;
}

/** How many lines the one line or paragraph at `from .. to` has. */
export function countOf(
  { areParagraphs }: FormedLines,
  bytes: Buffer,
  from: number,
  to: number,
): number {
  if (areParagraphs !== true) return 1;
  let lines = bytes[to - 1] === LF ? 0 : 1;
  for (let lf = bytes.indexOf(LF, from); lf >= 0 && lf < to; lf = bytes.indexOf(LF, lf + 1)) {
    lines += 1;
  }
  return lines;
}
