/*
 * Which of many patterns are worth trying on a line: those of which a fixed part is in it. Trying all
 * two hundred on every line of somebody else's would take most of the time of reading it.
 */

import { fixedParts } from './fixed-parts.ts';

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
