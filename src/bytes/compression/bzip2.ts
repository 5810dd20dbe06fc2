import { Bits, NotEnough } from './bzip2-bits.ts';
import { readBlock, textOf } from './bzip2-block.ts';
import { DamagedData, type Decompressor } from './codec.ts';

/*
 * bzip2, of any number of streams. Written here, since what npm has wants a whole file in memory, or
 * holds what a block gives as an array of numbers: 370 MB for some bytes that are made to.
 *
 * A block can only be decoded whole, so that one which is cut or damaged gives nothing.
 */

/** The square root of pi, and pi, in decimal: what ends a stream, and what begins a block. */
const END_OF_STREAM = [0x177245, 0x385090] as const;
const BLOCK = [0x314159, 0x265359] as const;
/** `BZh` and a digit: the most bytes of a block in 100,000. */
const HEADER = 0x425a68;
const BLOCK_UNIT = 100_000;
/** Compressed bytes with which a block is tried for the first time. */
const FIRST_TRY_BYTES = 32 * 1024;

export class Bzip2 implements Decompressor {
  #bytes: Uint8Array = new Uint8Array(0);
  /** Of the next bit in #bytes. */
  #position = 0;
  /** Bytes without which it is not worth to try again. */
  #wanted = 0;
  /** Memory for a block of this stream; null between two. */
  #table: Uint32Array | null = null;
  #checksum = 0;
  #isFirst = true;

  *decode(piece: Uint8Array): Generator<Uint8Array> {
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.#position >>> 3), piece]);
    this.#position &= 7;
    if (this.#bytes.length < this.#wanted) return;
    yield* this.#decodeAll();
    // A block is read from its start for each try: twice as much the next time.
    this.#wanted = Math.max(FIRST_TRY_BYTES, 2 * (this.#bytes.length - (this.#position >>> 3)));
  }

  *end(): Generator<Uint8Array> {
    yield* this.#decodeAll();
    const isAtEnd = this.#table === null && this.#position === 8 * this.#bytes.length;
    if (!isAtEnd) throw new DamagedData('ends early');
  }

  close(): void {
    this.#table = null;
  }

  /** Decodes what is there to its end. */
  *#decodeAll(): Generator<Uint8Array> {
    while (this.#position < 8 * this.#bytes.length) {
      const bits = new Bits(this.#bytes, this.#position);
      let text: Iterable<Uint8Array>;
      try {
        text = this.#next(bits);
      } catch (thrown) {
        if (thrown instanceof NotEnough) return;
        throw thrown;
      }
      this.#position = bits.position;
      yield* text;
    }
  }

  /** Reads a header, a block or the end of a stream; returns what it gives. */
  #next(bits: Bits): Iterable<Uint8Array> {
    if (this.#table === null) {
      this.#table = this.#header(bits);
      return [];
    }
    const [first, second] = [bits.read(24), bits.read(24)];
    if (first === BLOCK[0] && second === BLOCK[1]) {
      const block = readBlock(bits, this.#table);
      this.#checksum = ((this.#checksum << 1) | (this.#checksum >>> 31)) ^ block.checksum;
      return textOf(block);
    }
    if (first !== END_OF_STREAM[0] || second !== END_OF_STREAM[1]) {
      throw new DamagedData('is damaged', 'no block begins here');
    }
    if (bits.read32() !== this.#checksum >>> 0) {
      throw new DamagedData('is damaged', 'wrong checksum of all blocks');
    }
    bits.align();
    this.#table = null;
    this.#checksum = 0;
    this.#isFirst = false;
    return [];
  }

  #header(bits: Bits): Uint32Array {
    const magic = bits.read(24);
    const level = bits.read(8) - 0x30;
    if (magic === HEADER && level >= 1 && level <= 9) return new Uint32Array(level * BLOCK_UNIT);
    throw this.#isFirst
      ? new DamagedData('is damaged', 'no stream begins here')
      : new DamagedData('is followed by other data');
  }
}
