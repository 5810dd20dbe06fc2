/** Thrown where a block is not there to its end. */
export class NotEnough extends Error {}

/** Reads bits, the first of a byte being its highest. */
export class Bits {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  /** The next bit, counted from the first byte. */
  position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.#end = bytes.length * 8;
    this.position = position;
  }

  /** The next `count` bits, at most 24, as they are or with zeros behind the end; they stay unread. */
  peek(count: number): number {
    const at = this.position >>> 3;
    const bytes = this.#bytes;
    const word =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0);
    return (word << (this.position & 7)) >>> (32 - count);
  }

  /** @throws NotEnough */
  skip(count: number): void {
    this.position += count;
    if (this.position > this.#end) throw new NotEnough();
  }

  /** The next `count` bits, 1 to 24. */
  read(count: number): number {
    const bits = this.peek(count);
    this.skip(count);
    return bits;
  }

  read32(): number {
    const high = this.read(16);
    return ((high << 16) | this.read(16)) >>> 0;
  }

  /** Goes to the next whole byte. */
  align(): void {
    this.position = (this.position + 7) & ~7;
  }
}
