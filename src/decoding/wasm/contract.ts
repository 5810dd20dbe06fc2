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
  /** The thread of the first record, and whether all have it. */
  THREAD: 3,
  IS_ONE_THREAD: 4,
  /** The first record with a time: line or NO_LINE, offset, seconds, nanoseconds. */
  FIRST: 5,
  /** Seconds and nanoseconds of the last one with a time. */
  LAST: 9,
  /** The first record that is more than a second older than the one before: line or NO_LINE, offset. */
  BACKWARDS: 11,
  /** The name that the next line begins with, if it is not known: where, and how long; else 0. */
  NAME: 13,
} as const;
/** How many they are. */
export const TOLD_WORDS = 15;
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
    ...lines('usize', { ...told, TOLD_BYTES: TOLD_WORDS }, WORD_BYTES),
  ].join('');
}
