/** Texts that are kept; a log that says more than that has other troubles. */
const MOST_TEXTS = 20;
/** What differs between two lines of one text: numbers, addresses, devices. */
const PARTICULARS = /0x[0-9a-f]+|\b[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b|\d+/gi;

/** What two lines of one text have in common. */
export function wordsOfUnknown(text: string): string {
  return text.replace(PARTICULARS, '#');
}

/** One text of QEMU's that no rule knows. */
export interface UnknownText {
  /** The first line of it. */
  readonly text: string;
  readonly line: number;
  count: number;
}

/** Lines of QEMU's that no rule knows: counted, and the first of each text kept for whoever reads it. */
export class UnknownMessages {
  readonly #texts = new Map<string, UnknownText>();
  /** Lines in all. */
  count = 0;

  /** `text`: the line, `line`: its number. */
  take(text: string, line: number): void {
    this.count += 1;
    const key = wordsOfUnknown(text);
    const known = this.#texts.get(key);
    if (known !== undefined) known.count += 1;
    else if (this.#texts.size < MOST_TEXTS) this.#texts.set(key, { text, line, count: 1 });
  }

  /** The different texts, in the order in which they came. */
  get texts(): readonly UnknownText[] {
    return [...this.#texts.values()];
  }
}
