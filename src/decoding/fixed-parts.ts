/*
 * What every text that a pattern matches has in it.
 */

/** What an atom of a pattern is: a text that it stands for, '' where it has no width, or null: several texts. */
export type AtomText = (atom: string, times: string) => string | null;

/** An atom, or the beginning or the end of a group, and how often it may stand there. */
const ATOM =
  /(\\[bB]|\\x[0-9a-f]{2}|\\.|\[(?:\\.|[^\]\\])*\]|\(\?(?:[:=!]|<[=!]|<\w+>)|[\s\S])((?:[*+?]|\{\d+,?\d*\})\??)?/g;

/** What a pattern may be: each has these texts, in any order. */
type Alternatives = readonly (readonly string[])[];

/** Texts of which every match of a pattern has all of one alternative's. `textOf`: what its atoms stand for. */
export function fixedTexts({ source }: RegExp, textOf: AtomText): Alternatives {
  return new Reading(source.matchAll(ATOM), textOf).alternatives();
}

/** One pass over the atoms of a pattern. */
class Reading {
  readonly #atoms: Iterator<RegExpExecArray>;
  readonly #textOf: AtomText;
  /** How often the group that ended last may stand there. */
  #times = '';

  constructor(atoms: Iterator<RegExpExecArray>, textOf: AtomText) {
    this.#atoms = atoms;
    this.#textOf = textOf;
  }

  /** Reads up to the end of the group, or of the pattern. */
  alternatives(): Alternatives {
    const all: (readonly string[])[] = [];
    let sequence = new Sequence();
    for (let next = this.#atoms.next(); next.done !== true; next = this.#atoms.next()) {
      const [, atom = '', times = ''] = next.value;
      if (atom.startsWith('(')) {
        const inside = this.alternatives();
        const isRequired = this.#times === '' && !/[=!]$/.test(atom);
        sequence.group(isRequired ? inside : []);
      } else if (atom === '|') {
        all.push(...sequence.end());
        sequence = new Sequence();
      } else if (atom === ')') {
        this.#times = times;
        break;
      } else {
        sequence.add(this.#textOf(atom, times));
      }
    }
    return [...all, ...sequence.end()];
  }
}

/** Atoms behind each other. */
class Sequence {
  readonly #texts: string[] = [];
  #text = '';
  /** The group that says most. */
  #group: Alternatives = [];

  add(text: string | null): void {
    if (text === null) this.#endText();
    else this.#text += text;
  }

  group(alternatives: Alternatives): void {
    this.#endText();
    if (leastLength(alternatives) > leastLength(this.#group)) this.#group = alternatives;
  }

  end(): Alternatives {
    this.#endText();
    const own = this.#texts;
    if (leastLength(this.#group) <= leastLength([own])) return [own];
    return this.#group.map((texts) => [...own, ...texts]);
  }

  #endText(): void {
    if (this.#text !== '') this.#texts.push(this.#text);
    this.#text = '';
  }
}

/** How long the longest text of each alternative is at least. */
function leastLength(alternatives: Alternatives): number {
  const [first, ...others] = alternatives.map((texts) => longestOf(texts).length);
  return first === undefined ? 0 : Math.min(first, ...others);
}

function longestOf(texts: readonly string[]): string {
  return texts.reduce((longest, text) => (text.length > longest.length ? text : longest), '');
}

/**
 * For each alternative of a pattern the longest text that every match of it has; empty where there is
 * none.
 *
 * @throws Error if letters match whatever their case.
 */
export function fixedParts(pattern: RegExp): readonly string[] {
  if (pattern.ignoreCase) throw new Error(`${pattern}: no part of it is fixed`);
  return fixedTexts(pattern, fixedText).map(longestOf);
}

/** Of an atom that stands there once. */
function fixedText(atom: string, times: string): string | null {
  if (hasNoWidth(atom)) return '';
  return times === '' ? fixedAtom(atom) : null;
}

export function hasNoWidth(atom: string): boolean {
  return /^(?:\\[bB]|\^|\$)$/.test(atom);
}

/** The only character that an atom matches; null: it matches several. */
export function fixedAtom(atom: string): string | null {
  if (atom.length === 1) return atom === '.' ? null : atom;
  return /^\\[^\w]$/.test(atom) ? atom.slice(1) : null;
}
