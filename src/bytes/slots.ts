/**
 * Memory that one part of a trace takes on its way through the decoder to the replay: its bytes and
 * its records. Where those are threads both see it, so nothing is copied, and it is used again and
 * again: fresh memory for each part costs the kernel, and the garbage collector, as much as decoding does.
 */
export interface Slot {
  readonly source: Uint8Array;
  readonly words: Uint32Array;
}

/** A record of the shortest line takes twice its bytes; what does not fit, a `BatchWriter` puts elsewhere. */
const WORDS_PER_BYTE = 0.5;

/** A bounded number of slots, made when they are first needed. */
export class Slots {
  readonly #sourceBytes: number;
  readonly #isShared: boolean;
  readonly #free: Slot[] = [];
  #left: number;

  /** `isShared`: several threads see them; V8 copies such memory at half the speed or less. */
  constructor(most: number, sourceBytes: number, isShared: boolean) {
    this.#left = most;
    this.#isShared = isShared;
    this.#sourceBytes = sourceBytes;
  }

  /** A free slot; null where all are in use, and memory has to be had elsewhere. */
  take(): Slot | null {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#left === 0) return null;
    this.#left -= 1;
    const wordBytes = Math.ceil(this.#sourceBytes * WORDS_PER_BYTE) * Uint32Array.BYTES_PER_ELEMENT;
    return {
      source: new Uint8Array(this.#memory(this.#sourceBytes)),
      words: new Uint32Array(this.#memory(wordBytes)),
    };
  }

  #memory(bytes: number): ArrayBufferLike {
    return this.#isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes);
  }

  /** Nobody looks at the slot any more. */
  give(slot: Slot): void {
    this.#free.push(slot);
  }
}
