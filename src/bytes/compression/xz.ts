import xzDecompress from 'xz-decompress';
import { once } from '../../base/once.ts';
import { DamagedData, type Decompressor } from './codec.ts';

/*
 * xz: the decoder of the Linux kernel (XZ Embedded) in WebAssembly, as the package xz-decompress has
 * it. The package's own stream gives up what comes shortly before damage, and lets only one be open at a
 * time; so the decoder is called here.
 */

/** What is used of the decoder; places are offsets in its memory. */
interface XzEmbedded {
  readonly memory: { readonly buffer: ArrayBuffer };
  create_context(): number;
  destroy_context(context: number): void;
  supply_input(context: number, bytes: number): void;
  /** Returns what xz.h of XZ Embedded calls xz_ret. */
  get_next_output(context: number): number;
}

/** What the package keeps for itself. */
interface Internals {
  _getModuleInstance(): Promise<void>;
  _moduleInstance: { readonly exports: unknown };
}

/** The decoder, once for each process or thread. */
const xzEmbedded = once(async (): Promise<XzEmbedded> => {
  const internals = xzDecompress.XzReadableStream as unknown as Internals;
  await internals._getModuleInstance();
  return internals._moduleInstance.exports as XzEmbedded;
});

const OK = 0;
const STREAM_END = 1;
/** xz_ret where it is an error. */
const ERRORS: ReadonlyMap<number, string> = new Map([
  [2, 'the kind of checksum is unknown'],
  [3, 'not enough memory'],
  [4, 'the dictionary is larger than 64 MiB'],
  [5, 'no stream begins here'],
  [6, 'a filter other than LZMA2'],
  [7, 'corrupted data'],
  [8, 'corrupted data'],
]);

/**
 * What is used of a context, in words: where a buffer lies, how far it has been used, and its end;
 * first of the input, then of the output.
 */
const INPUT = 1;
const INPUT_USED = 2;
const INPUT_END = 3;
const OUTPUT = 4;
const OUTPUT_USED = 5;
const CONTEXT_WORDS = 7;

export async function openXz(): Promise<Decompressor> {
  return new Xz(await xzEmbedded());
}

/** Streams one behind the other, which may be padded with NUL. */
class Xz implements Decompressor {
  readonly #lib: XzEmbedded;
  readonly #context: number;

  constructor(lib: XzEmbedded) {
    this.#lib = lib;
    this.#context = lib.create_context();
  }

  /** PIECE_BYTES are no more than the 64 KiB that the decoder has for them. */
  *decode(piece: Uint8Array): Generator<Uint8Array> {
    new Uint8Array(this.#lib.memory.buffer).set(piece, this.#words[INPUT]);
    this.#lib.supply_input(this.#context, piece.length);
    for (let hasMore = piece.length > 0; hasMore; ) {
      const result = this.#lib.get_next_output(this.#context);
      const isTaken = this.#words[INPUT_USED] === this.#words[INPUT_END];
      const isFull = yield* this.#output();
      if (result !== OK) {
        const what = ERRORS.get(result) ?? `error ${result} of XZ Embedded`;
        throw new DamagedData('is damaged', what);
      }
      // A full buffer may not be all that the input gives.
      hasMore = !isTaken || isFull;
    }
  }

  /** What has been decoded; whether it filled the buffer. */
  *#output(): Generator<Uint8Array, boolean> {
    const [place = 0, used = 0, end = 0] = this.#words.subarray(OUTPUT);
    if (used > 0) yield new Uint8Array(this.#lib.memory.buffer).slice(place, place + used);
    this.#words[OUTPUT_USED] = 0;
    return used === end;
  }

  *end(): Generator<Uint8Array> {
    // No input at all says that there is no more.
    this.#lib.supply_input(this.#context, 0);
    const result = this.#lib.get_next_output(this.#context);
    yield* this.#output();
    if (result !== STREAM_END) throw new DamagedData('ends early');
  }

  close(): void {
    this.#lib.destroy_context(this.#context);
  }

  /** Memory that has grown is another buffer. */
  get #words(): Uint32Array {
    return new Uint32Array(this.#lib.memory.buffer, this.#context, CONTEXT_WORDS);
  }
}
