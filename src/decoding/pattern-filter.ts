/*
 * Which of many patterns are worth trying on a line: those of which a fixed part is in it. Trying all
 * two hundred on every line of somebody else's would take most of the time of reading it.
 */

/** Characters that are looked for together. */
const GRAM = 3;
/** Places for their hashes: far more than a line has characters, usually. */
const PLACES = 4096;

/** Tells of many patterns at once which may match a line. It may be wrong only in saying that one may. */
export class PatternFilter {
  /** For each pattern the first of its alternatives; they stand one behind the other. */
  readonly #firstOf: readonly number[];
  /** For each alternative, whose it is, and the places that a line must have. */
  readonly #patternOf: readonly number[];
  readonly #placesOf: readonly Uint16Array[];
  /** For each place, the number of the last line that had it. */
  readonly #lastSeen = new Float64Array(PLACES);
  #line = 0;

  constructor(patterns: readonly RegExp[]) {
    const parts = patterns.map(fixedParts);
    this.#patternOf = parts.flatMap((alternatives, pattern) => alternatives.map(() => pattern));
    this.#firstOf = parts.map((_, pattern) => this.#patternOf.indexOf(pattern));
    this.#placesOf = parts.flat().map(placesOf);
  }

  /** The line that `next` is asked of from now on. */
  look(line: string): void {
    this.#line += 1;
    const seen = this.#lastSeen;
    let before = line.charCodeAt(0);
    let last = line.charCodeAt(1);
    for (let at = 2; at < line.length; at += 1) {
      const next = line.charCodeAt(at);
      seen[placeOf(before, last, next)] = this.#line;
      before = last;
      last = next;
    }
  }

  /** The first pattern, of those from this index on, that may match the line; -1: there is none. */
  next(from: number): number {
    const { length } = this.#placesOf;
    for (let index = this.#firstOf[from] ?? length; index < length; index += 1) {
      if (this.#hasAll(this.#placesOf[index] as Uint16Array)) {
        return this.#patternOf[index] as number;
      }
    }
    return -1;
  }

  #hasAll(places: Uint16Array): boolean {
    for (let index = 0; index < places.length; index += 1) {
      if (this.#lastSeen[places[index] as number] !== this.#line) return false;
    }
    return true;
  }
}

function placeOf(first: number, second: number, third: number): number {
  return (first * 961 + second * 31 + third) & (PLACES - 1);
}

function placesOf(part: string): Uint16Array {
  const places = new Uint16Array(Math.max(0, part.length - GRAM + 1));
  for (let at = 0; at < places.length; at += 1) {
    places[at] = placeOf(part.charCodeAt(at), part.charCodeAt(at + 1), part.charCodeAt(at + 2));
  }
  return places;
}

/** An atom of a pattern, and how often it may stand there. */
const ATOM =
  /(\\[bB]|\^|\$|\\x[0-9a-f]{2}|\\.|\[(?:\\.|[^\]\\])*\]|[\s\S])((?:[*+?]|\{\d+,?\d*\})\??)?/gy;

/**
 * For each alternative of a pattern the longest text that every match of it has; empty where there is
 * none. What is inside a group does not count.
 *
 * @throws Error if letters match whatever their case.
 */
export function fixedParts(pattern: RegExp): readonly string[] {
  if (pattern.ignoreCase) throw new Error(`${pattern}: no part of it is fixed`);
  const longest = [''];
  let part = '';
  let depth = 0;
  const endPart = () => {
    const best = longest.length - 1;
    if (part.length > (longest[best] as string).length) longest[best] = part;
    part = '';
  };
  for (const [, atom = '', times] of pattern.source.matchAll(ATOM)) {
    if (atom === '(') {
      endPart();
      depth += 1;
    } else if (atom === ')') {
      depth -= 1;
    } else if (depth > 0) {
      // A choice in a group is none of the pattern's.
    } else if (atom === '|') {
      endPart();
      longest.push('');
    } else if (!/^(?:\\[bB]|\^|\$)$/.test(atom)) {
      const fixed = fixedAtom(atom);
      if (fixed === null || times !== undefined) endPart();
      else part += fixed;
    }
  }
  endPart();
  return longest;
}

/** The only character that an atom matches; null: it matches several. */
function fixedAtom(atom: string): string | null {
  if (atom.length === 1) return atom === '.' ? null : atom;
  return /^\\[^\w]$/.test(atom) ? atom.slice(1) : null;
}
