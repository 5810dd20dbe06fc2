import { createGunzip } from 'node:zlib';
import { codeOf, messageOf } from '../../base/errors.ts';
import { type Codec, DamagedData, type Decompressor } from './codec.ts';

/**
 * Output of zlib at a time; its default of 16 KiB is less than half as quick. It goes on by itself for
 * so many bytes, and then waits until the thread that asked for them has time.
 */
const CHUNK_BYTES = 512 * 1024;

/**
 * gzip (RFC 1952), of any number of members, which may be padded with NUL. zlib gives nothing of
 * a piece with damage.
 */
export const gzip: Codec = {
  name: 'gzip',
  command: 'gzip -dc',
  isIt: ([first, second]) => first === 0x1f && second === 0x8b,
  givesDamagedPieces: false,
  open: async () => new Gunzip(),
};

/** zlib fed piece by piece: each gives all that it can before the next is taken. */
class Gunzip implements Decompressor {
  readonly #zlib = createGunzip({ chunkSize: CHUNK_BYTES });
  #output: Uint8Array[] = [];
  #fail: (error: Error) => void = () => {};
  #written = 0;
  /** zlib stops at a NUL behind a member. */
  #isOver = false;

  constructor() {
    this.#zlib.on('data', (chunk: Uint8Array) => this.#output.push(chunk));
    this.#zlib.on('error', (error) => this.#fail(error));
  }

  /** Where the piece is damaged, nothing of it is given. */
  async *decode(piece: Uint8Array): AsyncGenerator<Uint8Array> {
    let rest = piece;
    if (!this.#isOver) {
      rest = await this.#write(piece);
      yield* this.#output.splice(0);
    }
    // What comes behind the padding is not looked for.
    if (rest.some((byte) => byte !== 0)) throw new DamagedData('is followed by other data');
  }

  /** Gives a piece to zlib; returns what it did not take. */
  async #write(piece: Uint8Array): Promise<Uint8Array> {
    await this.#orDamage((resolve, reject) =>
      this.#zlib.write(piece, (error) => (error ? reject(error) : resolve())),
    );
    this.#written += piece.length;
    const left = this.#written - this.#zlib.bytesWritten;
    this.#isOver = left > 0;
    return piece.subarray(piece.length - left);
  }

  async *end(): AsyncGenerator<Uint8Array> {
    if (this.#isOver) return;
    await this.#orDamage((resolve) => {
      this.#zlib.once('end', resolve);
      this.#zlib.end();
    });
    yield* this.#output.splice(0);
  }

  close(): void {
    this.#fail = () => {};
    this.#zlib.destroy();
  }

  async #orDamage(
    work: (resolve: () => void, reject: (error: Error) => void) => void,
  ): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#fail = reject;
        work(resolve, reject);
      });
    } catch (thrown) {
      const code = String(codeOf(thrown));
      if (!code.startsWith('Z_')) throw thrown;
      throw new DamagedData(
        code === 'Z_BUF_ERROR' ? 'ends early' : 'is damaged',
        messageOf(thrown),
      );
    }
  }
}
