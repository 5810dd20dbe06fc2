/** Names that are listed; a build of QEMU 11 has some 5,000 events. */
export const MOST_NAMES = 8192;
/** In the place of all names beyond them; no event's name has a blank. */
export const OTHER_NAMES = '(other names)';

/**
 * How many events of each name a trace has that the replay does not need. Bounded: of more names
 * than `MOST_NAMES`, those are listed that come first in the alphabet. Whether a name is one of them
 * does not depend on the order in which they come, so neither does what is counted for it: a name
 * that is passed over once is so for good.
 */
export class SkippedEvents {
  readonly #counts = new Map<string, number>();
  /** The last of the names that may still be listed; '' while all may. */
  #last = '';
  #others = 0;
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(counts: Readonly<Record<string, number>>): void {
    for (const [name, count] of Object.entries(counts)) {
      this.#total += count;
      if (this.#last !== '' && name > this.#last) this.#others += count;
      else this.#counts.set(name, (this.#counts.get(name) ?? 0) + count);
      // Not at every name beyond the bound, as names are sorted for it.
      if (this.#counts.size >= 2 * MOST_NAMES) this.#passOver();
    }
  }

  /** The names and their counts, in order. */
  result(): Readonly<Record<string, number>> {
    if (this.#counts.size > MOST_NAMES) this.#passOver();
    const counts = [...this.#counts].sort(byName);
    return Object.fromEntries(
      this.#others === 0 ? counts : [...counts, [OTHER_NAMES, this.#others]],
    );
  }

  #passOver(): void {
    const names = [...this.#counts.keys()].sort();
    this.#last = names[MOST_NAMES - 1] as string;
    for (const name of names.slice(MOST_NAMES)) {
      this.#others += this.#counts.get(name) as number;
      this.#counts.delete(name);
    }
  }
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}
