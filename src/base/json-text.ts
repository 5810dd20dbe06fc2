/**
 * Controls that JSON allows in strings and a terminal obeys (DEL and C1), and characters that are not
 * seen: those that turn the order in which text is read, byte order marks and their kin.
 */
const DANGEROUS = /[\u007f-\u009f\p{Cf}]/gu;
const HEX = 16;
const DIGITS = 4;

/**
 * A value as JSON that can be shown anywhere: what names of files or a trace's texts hold moves no
 * cursor and turns no text around. `indent`: blanks per level; without it, all is on one line.
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(DANGEROUS, escaped);
}

/** A character as JSON escapes it: some are of two UTF-16 units. */
function escaped(character: string): string {
  let text = '';
  for (let unit = 0; unit < character.length; unit += 1) {
    text += `\\u${character.charCodeAt(unit).toString(HEX).padStart(DIGITS, '0')}`;
  }
  return text;
}
