/** Numbers and lists in words, wherever people read them. */

/** From here on a number is hard to read without separators. */
const MANY = 10_000;
// Not by Intl.NumberFormat, which takes 15 ms to load whether a number is grouped or not.
const BETWEEN_THOUSANDS = /\B(?=(?:\d{3})+$)/g;

/** A count for people: `9876`, `72,330`. Numbers of lines stay as editors take them. */
export function countText(count: number): string {
  return count < MANY ? String(count) : String(count).replace(BETWEEN_THOUSANDS, ',');
}

/** `1 unmap`, `3 unmaps`, `72,330 unmaps`. */
export function plural(count: number, noun: string): string {
  return `${countText(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `once`, `3 times`. */
export function timesText(count: number): string {
  return count === 1 ? 'once' : `${countText(count)} times`;
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[], last = 'and'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1)}`;
}
