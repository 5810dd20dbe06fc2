import { ZSTDDecoder } from 'zstddec/stream';
import { once } from '../../base/once.ts';
import { DamagedData, type Decompressor, PIECE_BYTES } from './codec.ts';

/*
 * zstd (RFC 8878): libzstd in WebAssembly, as the package zstddec has it, the same on every Node.js.
 * The package's own functions want all of the input at once; so libzstd is called here.
 */

/** What is used of libzstd; places are offsets in its memory, sizes bytes. */
interface Libzstd {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  free(place: number): void;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): number;
  ZSTD_DStreamOutSize(): number;
  /** Returns 0 at the end of a frame, what it would like to have next, or an error. */
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

/** libzstd, once for each process or thread. */
const libzstd = once(async (): Promise<Libzstd> => {
  let exports: unknown = null;
  class Exporting extends ZSTDDecoder {
    override _init(result: { readonly instance: { readonly exports: unknown } }): void {
      exports = result.instance.exports;
      // The module sees its memory through what it is told here.
      ZSTDDecoder.prototype._init.call(this, result as never);
    }
  }
  await new Exporting().init();
  return exports as Libzstd;
});

/** ZSTD_inBuffer and ZSTD_outBuffer: a place, a size, and how far it has been used; of 32 bits each. */
const BUFFER_BYTES = 12;

/** Errors are the last of 2^32, by their numbers (zstd_errors.h). */
const ERRORS_FROM = 2 ** 32 - 120;
const UNKNOWN_START = 10;
const ERRORS: ReadonlyMap<number, string> = new Map([
  [UNKNOWN_START, 'no frame begins here'],
  [14, 'a frame of an unknown kind'],
  [16, 'the window is larger than 128 MiB'],
  [20, 'corrupted data'],
  [22, 'wrong checksum'],
  [32, 'a dictionary is needed'],
  [64, 'not enough memory'],
]);

export async function openZstd(): Promise<Decompressor> {
  return new Zstd(await libzstd());
}

/** Frames one behind the other, with those between them that are to be skipped. */
class Zstd implements Decompressor {
  readonly #lib: Libzstd;
  readonly #context: number;
  readonly #outputBytes: number;
  /** Of the buffers, and of what describes them. */
  readonly #input: number;
  readonly #output: number;
  readonly #inputPlace: number;
  readonly #outputPlace: number;
  #isInFrame = true;

  constructor(lib: Libzstd) {
    this.#lib = lib;
    this.#context = lib.ZSTD_createDCtx();
    this.#outputBytes = lib.ZSTD_DStreamOutSize();
    this.#input = lib.malloc(PIECE_BYTES);
    this.#output = lib.malloc(this.#outputBytes);
    this.#inputPlace = lib.malloc(BUFFER_BYTES);
    this.#outputPlace = lib.malloc(BUFFER_BYTES);
  }

  *decode(piece: Uint8Array): Generator<Uint8Array> {
    new Uint8Array(this.#lib.memory.buffer).set(piece, this.#input);
    this.#describe(this.#inputPlace, this.#input, piece.length);
    for (let hasMore = true; hasMore; ) {
      this.#describe(this.#outputPlace, this.#output, this.#outputBytes);
      const result =
        this.#lib.ZSTD_decompressStream(this.#context, this.#outputPlace, this.#inputPlace) >>> 0;
      const { used } = this.#look(this.#outputPlace);
      if (used > 0) {
        yield new Uint8Array(this.#lib.memory.buffer).slice(this.#output, this.#output + used);
      }
      if (result >= ERRORS_FROM) this.#fail(2 ** 32 - result);
      this.#isInFrame = result !== 0;
      const isTaken = this.#look(this.#inputPlace).used === piece.length;
      // A full buffer may not be all of a frame that the input gives.
      hasMore = !isTaken || (this.#isInFrame && used === this.#outputBytes);
    }
  }

  #fail(error: number): never {
    if (error === UNKNOWN_START && !this.#isInFrame)
      throw new DamagedData('is followed by other data');
    throw new DamagedData('is damaged', ERRORS.get(error) ?? `error ${error} of libzstd`);
  }

  end(): readonly Uint8Array[] {
    if (this.#isInFrame) throw new DamagedData('ends early');
    return [];
  }

  close(): void {
    this.#lib.ZSTD_freeDCtx(this.#context);
    for (const place of [this.#input, this.#output, this.#inputPlace, this.#outputPlace]) {
      this.#lib.free(place);
    }
  }

  #describe(place: number, buffer: number, size: number): void {
    new Uint32Array(this.#lib.memory.buffer, place, 3).set([buffer, size, 0]);
  }

  #look(place: number): { readonly used: number } {
    const [, , used = 0] = new Uint32Array(this.#lib.memory.buffer, place, 3);
    return { used };
  }
}
