import { DEEPEST } from './parse.ts';

const LF = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;
/** UTF-8's byte order mark. */
const MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/** Longest element that is read; events have some hundred bytes. */
const LONGEST_ELEMENT = 1024 * 1024;

/** Where an element of the array lies. */
export interface ElementPlace {
  /** 1-based. */
  readonly line: number;
  readonly byteOffset: number;
  /** Offset behind it; null while it is not complete. */
  end: number | null;
}

/** Finds where the elements of JSON arrays lie, across chunks; it trusts the JSON to be right. */
export class ElementPlaces {
  /** Why what stands at `next` cannot be read, nor what follows it; the scan stopped there. */
  problem: string | null = null;

  /** Those that have not been taken are from #taken on. */
  #places: ElementPlace[] = [];
  #taken = 0;
  #open: ElementPlace | null = null;
  #offset = 0;
  #line = 1;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #expecting = false;

  /** Offset of the first element that has not been taken, or of the end so far. */
  get next(): number {
    return this.#places[this.#taken]?.byteOffset ?? this.#offset;
  }

  /** True where no array and no element is open. */
  get isClosed(): boolean {
    return this.#depth === 0 && this.problem === null;
  }

  /** The first element that has not been taken. */
  take(): ElementPlace | undefined {
    const place = this.#places[this.#taken];
    if (place !== undefined) this.#taken += 1;
    if (this.#taken === this.#places.length) {
      this.#places = [];
      this.#taken = 0;
    }
    return place;
  }

  /** The first element that has not been taken, if it is complete. */
  takeComplete(): ElementPlace | undefined {
    return typeof this.#places[this.#taken]?.end === 'number' ? this.take() : undefined;
  }

  scan(chunk: Uint8Array): void {
    for (let index = 0; index < chunk.length && this.problem === null; index += 1) {
      const byte = chunk[index] as number;
      if (byte === LF) this.#line += 1;
      if (this.#inString) this.#string(byte);
      else this.#structure(byte, this.#offset + index);
    }
    this.#offset += chunk.length;
    this.#checkLength(this.#offset);
  }

  #string(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }

  #structure(byte: number, offset: number): void {
    if (byte <= SPACE) return;
    if (this.#depth === 0 && byte !== OPEN_BRACKET) {
      if (offset < MARK.length && byte === MARK[offset]) return;
      this.#begin(offset);
      this.problem = 'something else follows the array';
      return;
    }
    if (this.#expecting && byte !== COMMA && byte !== CLOSE_BRACKET) {
      this.#begin(offset);
      this.#expecting = false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      this.#depth += 1;
      if (this.#depth === 1) this.#expecting = true;
      else if (this.#depth > DEEPEST + 1)
        this.problem = `an element is nested more than ${DEEPEST} deep`;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      if (this.#depth === 1) this.#close(offset);
      this.#depth -= 1;
      this.#expecting &&= this.#depth === 1;
    } else if (byte === COMMA && this.#depth === 1) {
      this.#close(offset);
      this.#expecting = true;
    }
  }

  #begin(offset: number): void {
    this.#open = { line: this.#line, byteOffset: offset, end: null };
    this.#places.push(this.#open);
  }

  #close(offset: number): void {
    this.#checkLength(offset);
    if (this.#open !== null && this.problem === null) this.#open.end = offset;
    this.#open = null;
  }

  #checkLength(offset: number): void {
    if (this.#open === null || offset - this.#open.byteOffset <= LONGEST_ELEMENT) return;
    this.problem ??= `an element is longer than ${LONGEST_ELEMENT} bytes`;
  }
}
