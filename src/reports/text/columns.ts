/** How many columns of a terminal text takes: names of files may be in any script. */

/** Han, kana, hangul, full-width forms and pictures: two columns each. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** Marks that stand on the letter before them. */
const COMBINING = /\p{M}/u;
const ASCII = /^[\x20-\x7e]*$/;

/** Columns of a character. */
function columnsOfOne(character: string): number {
  if (COMBINING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns of a text without control characters. */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += columnsOfOne(character);
  return columns;
}

/** The longest beginning of `text` that takes at most `columns`; at least a character of it. */
export function beginning(text: string, columns: number): string {
  if (ASCII.test(text)) return text.slice(0, Math.max(1, columns));
  let taken = '';
  let left = columns;
  for (const character of text) {
    left -= columnsOfOne(character);
    if (left < 0 && taken !== '') break;
    taken += character;
  }
  return taken;
}

/** The longest end of `text` that takes at most `columns`. */
export function ending(text: string, columns: number): string {
  let at = text.length;
  let left = columns;
  for (const character of [...text].reverse()) {
    left -= columnsOfOne(character);
    if (left < 0) break;
    at -= character.length;
  }
  return text.slice(at);
}
