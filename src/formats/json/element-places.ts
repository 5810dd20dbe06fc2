const LF = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** Where an element of the array begins. */
export interface ElementPlace {
  /** 1-based. */
  readonly line: number;
  readonly byteOffset: number;
}

/** Finds where the elements of a JSON array begin, across chunks; it trusts the JSON to be right. */
export class ElementPlaces {
  readonly #places: ElementPlace[] = [];
  #offset = 0;
  #line = 1;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #expecting = false;

  /** Offset of the first element that has not been taken, or of the end so far. */
  get next(): number {
    return this.#places[0]?.byteOffset ?? this.#offset;
  }

  /** The place of the first element that has not been taken. */
  take(): ElementPlace | undefined {
    return this.#places.shift();
  }

  scan(chunk: Uint8Array): void {
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] as number;
      if (byte === LF) this.#line += 1;
      if (this.#inString) this.#string(byte);
      else this.#structure(byte, this.#offset + index);
    }
    this.#offset += chunk.length;
  }

  #string(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#inString = false;
  }

  #structure(byte: number, offset: number): void {
    if (byte <= SPACE) return;
    if (this.#expecting && byte !== COMMA && byte !== CLOSE_BRACKET) {
      this.#places.push({ line: this.#line, byteOffset: offset });
      this.#expecting = false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      this.#depth += 1;
      if (this.#depth === 1) this.#expecting = true;
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) this.#depth -= 1;
    else if (byte === COMMA && this.#depth === 1) this.#expecting = true;
  }
}
