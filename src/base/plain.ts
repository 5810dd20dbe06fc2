/**
 * Characters that do something to a terminal, or to the order in which text is read: controls,
 * invisible format characters (bidirectional overrides, zero-width marks), line and paragraph
 * separators, halves of surrogate pairs. A tab becomes a blank, the rest goes.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Text of a trace, a path or a message as one line that is safe to print anywhere: whatever it
 * holds, it moves no cursor, changes no colour and ends no line.
 */
export function plain(text: string): string {
  return text.replaceAll('\t', ' ').replace(UNPRINTABLE, '');
}
