import { fixedAtom, fixedTexts, hasNoWidth } from './fixed-parts.ts';

/*
 * A line without its numbers. A log repeats few texts with other numbers in them, so that what a line
 * is, once it is known not to hang on its numbers, need not be found out again.
 *
 * The outline of `[drm] engine 4711 is idle` is `[drm] engine 0 is idle`: a number, or `0x` and
 * hexadecimal digits that no other letter follows, is a 0. So all lines with one outline differ in
 * their numbers only, and in how long these are.
 */

const LF = 0x0a;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_X = 0x78;

/** Bytes of a line that is worth it, with its numbers and without. */
const LONGEST_LINE = 1024;
const LONGEST_OUTLINE = 256;
/** Places for outlines, by their hashes; of two at one place the newer one counts. */
const PLACES = 2048;
/** An outline is looked into when it comes again, and not more often than with each so-manyth line. */
const LINES_PER_LOOK = 4;

const FNV_PRIME = 0x0100_0193;
const FNV_START = 0x811c_9dc5 | 0;

const IS_HEX = bytesOf('0123456789abcdef');
const IS_WORD = bytesOf('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_');

function bytesOf(chars: string): Uint8Array {
  const is = new Uint8Array(256);
  for (const char of chars) is[char.charCodeAt(0)] = 1;
  return is;
}

/** The same of a text. */
export function outlineOf(text: string): string {
  return text.replace(/0x[0-9a-f]+(?!\w)|\d+/g, (number) =>
    number.startsWith('0x') ? '0x0' : '0',
  );
}

/** What was found out of the outlines of lines; a value for each. */
export class Outlines<Value> {
  readonly #outline = new Uint8Array(LONGEST_OUTLINE);
  #length = 0;
  #place = 0;
  #hash = 0;
  #lines = 0;
  #looks = 0;
  /** At each place, the hash that was there last. */
  readonly #seen = new Int32Array(PLACES);
  readonly #known: (Uint8Array | undefined)[] = new Array(PLACES).fill(undefined);
  readonly #values: (Value | undefined)[] = new Array(PLACES).fill(undefined);

  /**
   * Reads the outline of the line from `at` to its LF; returns where that is, or -1 where the line is
   * too long, or not of printable ASCII. `mark`, a byte: lines with another one have other outlines.
   */
  read(bytes: Uint8Array, at: number, mark: number): number {
    const outline = this.#outline;
    outline[0] = mark;
    let length = 1;
    let hash = Math.imul(FNV_START ^ mark, FNV_PRIME);
    let next = at;
    for (;;) {
      let byte = bytes[next] as number;
      if (byte >= ZERO && byte <= NINE) {
        const first = next;
        do next += 1;
        while (isDigit(bytes[next] as number));
        if (byte === ZERO && next === first + 1 && bytes[next] === LETTER_X) {
          const end = hexEnd(bytes, next + 1);
          if (end >= 0) {
            // The digits behind the x are the 0 of the next turn.
            outline[length] = ZERO;
            outline[length + 1] = LETTER_X;
            length += 2;
            hash = Math.imul(Math.imul(hash ^ ZERO, FNV_PRIME) ^ LETTER_X, FNV_PRIME);
            next = end;
          }
        }
        byte = ZERO;
      } else if (byte === LF) {
        break;
      } else if (byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE) {
        return -1;
      } else {
        next += 1;
      }
      // Room for three.
      if (length > LONGEST_OUTLINE - 4) return -1;
      outline[length] = byte;
      length += 1;
      hash = Math.imul(hash ^ byte, FNV_PRIME);
    }
    if (next - at > LONGEST_LINE) return -1;
    this.#length = length;
    this.#hash = hash;
    this.#place = (hash ^ (hash >>> 15)) & (PLACES - 1);
    this.#lines += 1;
    return next;
  }

  /** What is known of the outline that was read last. */
  get(): Value | undefined {
    const known = this.#known[this.#place];
    if (known === undefined || known.length !== this.#length) return undefined;
    const outline = this.#outline;
    for (let index = 0; index < known.length; index += 1) {
      if (known[index] !== outline[index]) return undefined;
    }
    return this.#values[this.#place];
  }

  /** True where it is worth while to find out what can be known of the outline that was read last. */
  isWorthALook(): boolean {
    const place = this.#place;
    const isAgain = this.#seen[place] === this.#hash;
    this.#seen[place] = this.#hash;
    if (!isAgain || this.#looks * LINES_PER_LOOK > this.#lines) return false;
    this.#looks += 1;
    return true;
  }

  /** Remembers it. */
  set(value: Value): void {
    this.#known[this.#place] = this.#outline.slice(0, this.#length);
    this.#values[this.#place] = value;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** Where hexadecimal digits from `at` on end; -1: there are none, or they are a part of a word. */
function hexEnd(bytes: Uint8Array, at: number): number {
  let end = at;
  while (IS_HEX[bytes[end] as number] === 1) end += 1;
  return end > at && IS_WORD[bytes[end] as number] === 0 ? end : -1;
}

/** Stand for the ends of a text in an outline that patterns are tried on. */
const START = '\u0002';
const END = '\u0003';

/** Tells which patterns may match a text, whatever the numbers in it are. It may be wrong only in saying that one may. */
export class OutlinePatterns {
  /** For each alternative what an outline has, in lower case, if the pattern matches a text of it. */
  readonly #alternatives: readonly (readonly string[])[];

  constructor(patterns: readonly RegExp[]) {
    this.#alternatives = patterns.flatMap((pattern) =>
      fixedTexts(pattern, textInOutline).map((texts) => texts.map(outlinePart).filter(isSure)),
    );
  }

  mayMatch(outline: string): boolean {
    const text = `${START}${outline.toLowerCase()}${END}`;
    return this.#alternatives.some((parts) => parts.every((part) => text.includes(part)));
  }
}

/** Every digit is a 0, be it said or any. */
function textInOutline(atom: string, times: string): string | null {
  if (atom === '^') return START;
  if (atom === '$') return END;
  if (hasNoWidth(atom)) return '';
  if (atom === '\\d') return /^$|^\{[1-9]|^\+/.test(times) ? '0' : null;
  return times === '' ? fixedAtom(atom) : null;
}

function outlinePart(text: string): string {
  return outlineOf(text).toLowerCase();
}

/**
 * Whether a part of a text stands in the text's outline as it stands in its own. It does not where
 * it may begin, or has digits, inside a number with letters.
 */
function isSure(part: string): boolean {
  return part !== '' && !/^0*[a-fx][0a-fx]*(?:[^\w]|$)|0x0*[a-f]/.test(part);
}
