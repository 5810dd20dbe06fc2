/**
 * Controls that JSON allows in strings and a terminal obeys (DEL and C1), and characters that turn
 * the order in which text is read.
 */
const DANGEROUS = /[\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const HEX = 16;
const DIGITS = 4;

/**
 * A value as JSON that can be shown anywhere: what names of files or a trace's texts hold moves no
 * cursor and turns no text around. `indent`: blanks per level; without it, all is on one line.
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(
    DANGEROUS,
    (character) => `\\u${character.charCodeAt(0).toString(HEX).padStart(DIGITS, '0')}`,
  );
}
