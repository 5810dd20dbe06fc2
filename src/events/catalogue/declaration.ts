/**
 * How the trace events that the replay needs are declared: arguments, and how each QEMU version
 * prints them.
 *
 * Facts taken from QEMU 7.2, 10.0, 10.2 and 11.1 and from the logs those versions wrote; the
 * notation is our own. A shape is the text after `name `: literal characters, and `{argument:form}`
 *
 * | form | text                                  | argument types |
 * | ---- | ------------------------------------- | -------------- |
 * | `x`  | hexadecimal digits of either case, without `0x` | u32, u64 |
 * | `d`  | decimal digits, perhaps with a sign   | u32, i32, u64  |
 * | `p`  | a pointer: `0x` and digits, or `(nil)`| u64            |
 * | `s`  | any text up to the next literal, or to the end of the line | text |
 * | `w`  | a word of lower-case letters and hyphens | text |
 * | `MAP|UNMAP` | one of these words; the argument is its position  | u32 |
 *
 * An argument named `_` is read over and not kept. Shapes are tried in order. A shape may lack an
 * argument that another version prints; it then reads as zero, or as empty text.
 */

export type ArgumentType = 'u32' | 'i32' | 'u64' | 'text';

export interface EventDeclaration {
  readonly args: Readonly<Record<string, ArgumentType>>;
  readonly shapes: readonly Shape[];
}

export interface Shape {
  readonly text: string;
  /** The versions that print this shape, where not all do. */
  readonly versions?: string;
  /** Arguments that this shape sets without printing them: mostly which shape it is. */
  readonly sets?: Readonly<Record<string, number>>;
}

/** Events of one subject, by name. */
export type Declarations = Readonly<Record<string, EventDeclaration>>;

/** How the names of a subject's events begin, in QEMU's whole list and not only in the catalogue. */
export type Families = readonly string[];

// Arguments that several events have in common.
export const bdf = { bus: 'u32', slot: 'u32', fn: 'u32' } as const;
export const range = { start: 'u64', end: 'u64' } as const;
export const deviceName = { name: 'text' } as const;
