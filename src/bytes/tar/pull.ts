import type { Chunks } from '../chunks.ts';

/** Takes from a stream as many bytes as are wanted. */
export class Pull {
  /** Bytes taken or passed over. */
  position = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(input: Chunks) {
    this.#chunks = input[Symbol.asyncIterator]();
  }

  /** The next bytes: fewer only where there are no more. */
  async take(count: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.#parts(count)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** Passes over bytes; false where there are not as many. */
  async skip(count: number): Promise<boolean> {
    const end = this.position + count;
    for await (const _ of this.#parts(count));
    return this.position === end;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async *#parts(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0; ) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done === true) return;
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      this.position += part.length;
      left -= part.length;
      yield part;
    }
  }
}
