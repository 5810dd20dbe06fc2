import { NO_TIME } from '../../base/place.ts';
import { LAST_THREAD } from '../../events/batch.ts';

/*
 * Numbers on which the kernel and who calls it agree. The build hands them to the kernel's source as
 * its module `contract`.
 */

/** Lengths of names that the kernel's table takes; events of other names are left to the other kernel. */
export const names = { SHORTEST_NAME: 8, LONGEST_NAME: 47 } as const;

/** In the place of a kind: what becomes of a line that begins with a name that is not the catalogue's. */
export const kinds = {
  COUNTED: -1,
  /** Counted where a blank follows; else it is the front of a longer name. */
  COUNTED_BEFORE_BLANK: -2,
  /** It shows that its line is torn, which is left to the other kernel. */
  LEFT: -3,
} as const;

/** Where each of the words lies that a call leaves. */
export const told = {
  /** Lines decoded, bytes of their records, and records and the lines of runs together. */
  LINES: 0,
  BYTES: 1,
  EVENTS: 2,
  /** The thread of the first record, and whether all have it, and its source. */
  THREAD: 3,
  IS_ONE_WRITER: 4,
  /** The first record with a time: line or NO_LINE, offset, seconds, nanoseconds. */
  FIRST: 5,
  /** Seconds and nanoseconds of the last one with a time. */
  LAST: 9,
  /** The first record that is more than a second older than the one before: line or NO_LINE, offset. */
  BACKWARDS: 11,
  /** The name that the next line begins with, if it is not known: where, and how long; else 0. */
  NAME: 13,
  /** The source of the first record. */
  SOURCE: 15,
  /** 1 where the next line is of a known form, and only its text was not read. */
  IS_FORM_KNOWN: 16,
  /** How many lines were counted that have a thread. */
  COUNTED_LINES: 17,
} as const;
/** How many they are. */
export const TOLD_WORDS = 18;

/** The pieces of a form: each a word that says what it is, and one for its length, or for its word in the record. */
export const pieces = {
  LITERAL: 0,
  FRACTION: 1,
  REST: 2,
  TEXT: 3,
  STRING: 4,
  DIGITS: 5,
  DECIMAL: 6,
  DECIMAL_WIDE: 7,
  HEX: 8,
  HEX_WIDE: 9,
  FIGURES: 10,
  ELAPSED: 11,
  ANY: 12,
  GROUPED_DECIMAL: 13,
  GROUPED_DECIMAL_WIDE: 14,
  GROUPED_HEX: 15,
  GROUPED_HEX_WIDE: 16,
} as const;

/** Where each of the words of a form lies. */
export const form = {
  /** How many pieces there are; 0 for no form. */
  FORM_PIECES: 0,
  FORM_SECONDS: 1,
  FORM_NANOSECONDS: 2,
  FORM_THREAD: 3,
  FORM_SOURCE: 4,
  /** Words of its record; 0 where it has QEMU's text. */
  FORM_RECORD_WORDS: 5,
  /** The slot of the name that its lines count; 0 where they are stored. */
  FORM_SLOT: 6,
  /** Lines that it spans. */
  FORM_LINES: 7,
  FORM_FIRST_PIECE: 8,
  FORM_RECORD: 96,
  /** The bytes of literal pieces, each from a multiple of 16 bytes on. */
  FORM_LITERALS: 128,
} as const;
export const WORDS_OF_PIECE = 2;
export const FORM_WORDS = 512;
/** Forms that are known at a time; a power of two, 256 at most. */
export const FORMS = 64;
/** Counted lines of which one call tells at most: of each its number, and its thread. */
export const MOST_COUNTED = 4096;
/** In the place of a line: none. */
export const NO_LINE = 0xffff_ffff;

const WORD_BYTES = 4;

/** The same as AssemblyScript. */
export function contractSource(): string {
  const lines = (type: string, values: Readonly<Record<string, number>>, times = 1) =>
    Object.entries(values).map(
      ([name, value]) => `export const ${name}: ${type} = ${value * times};\n`,
    );
  return [
    '// Made of contract.ts by the build.\n',
    ...lines('u32', { ...names, NO_LINE, NO_TIME, LAST_THREAD }),
    ...lines('i32', kinds),
    ...lines('u32', { ...pieces, FORMS, MOST_COUNTED }),
    ...lines('usize', { ...told, TOLD_BYTES: TOLD_WORDS }, WORD_BYTES),
    ...lines('usize', { ...form, PIECE_BYTES: WORDS_OF_PIECE, FORM_BYTES: FORM_WORDS }, WORD_BYTES),
    ...lines('i32', { FORMS_BYTES: FORMS * FORM_WORDS }, WORD_BYTES),
  ].join('');
}
