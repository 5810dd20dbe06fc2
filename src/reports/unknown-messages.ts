import { plural, timesText } from '../base/words.ts';
import type { UnknownMessages } from '../result/types.ts';

/** Lines of QEMU's that no rule knows, for people: nobody may take them for lines that were judged. */

export const UNKNOWN_TITLE = 'Lines of QEMU that no rule knows';

/** How many there are. */
export function unknownCount({ count, texts }: UnknownMessages): string {
  return `${plural(count, 'line')}, ${plural(texts.length, 'different text')}; they count for nothing here.`;
}

/** `12: qemu-system-x86_64: ... (3 times)`, at most `most` of them. */
export function unknownLines({ texts }: UnknownMessages, most: number): readonly string[] {
  return texts
    .slice(0, most)
    .map(({ text, line, count }) =>
      count === 1 ? `${line}: ${text}` : `${line}: ${text} (${timesText(count)})`,
    );
}

/** What is left out, by the limit of a report or that of the result; '' where nothing is. */
export function unknownLeft({ count, texts }: UnknownMessages, most: number): string {
  const shown = texts.slice(0, most).reduce((sum, text) => sum + text.count, 0);
  return count === shown ? '' : `and ${plural(count - shown, 'more line')} of other texts`;
}
