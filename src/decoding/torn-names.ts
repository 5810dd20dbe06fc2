import { eventNames, kindOfName } from '../events/catalogue/index.ts';
import { FAMILY, LONGEST_NAME } from './patterns.ts';

/**
 * `cut`: the front part of a catalogued name; a line that ends with it is torn. `glued`: something
 * that ends with a catalogued name, as no event of QEMU does, or the front part of one with another
 * name behind it.
 */
export type TornName = 'cut' | 'glued' | null;

/** Where in a name another one may begin. */
const SECOND_NAME = new RegExp(`(?<=[a-z0-9])${FAMILY}|(?<=_)(?:vtd|vfio)_`, 'g');

/** Names of trace events in the catalogue. */
const CATALOGUED = eventNames.filter((name) => !name.includes(':'));

/** Whether a name that is not catalogued shows that its line is torn; null where it does not. */
export function tornOf(name: string): TornName {
  if (CATALOGUED.some((known) => name.endsWith(known))) return 'glued';
  const isFront = (part: string) => CATALOGUED.some((known) => known.startsWith(part));
  if ([...name.matchAll(SECOND_NAME)].some(({ index }) => isFront(name.slice(0, index)))) {
    return 'glued';
  }
  return isFront(name) ? 'cut' : null;
}

/** A name as it stands in a line of an event's, not as a part of another name or word. */
const NAMES = new RegExp(String.raw`(?<![\w-])(${FAMILY}\w{1,${LONGEST_NAME}}) `, 'g');

/** Whether a text that is no event names one of the catalogue: it may have been one. */
export function namesEvent(text: string): boolean {
  if (!text.includes('_')) return false;
  for (const [, name = ''] of text.matchAll(NAMES)) {
    if (kindOfName(name) !== undefined) return true;
  }
  return false;
}
