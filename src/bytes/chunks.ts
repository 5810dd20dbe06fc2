/** Bytes as they come, in order. A consumer that stops early closes what they come from. */
export type Chunks = AsyncIterable<Uint8Array>;

/** Counts the bytes that pass. */
export class Meter {
  bytes = 0;

  async *through(input: Chunks): AsyncGenerator<Uint8Array> {
    for await (const chunk of input) {
      this.bytes += chunk.length;
      yield chunk;
    }
  }
}

/** Keeps the bytes that pass, as long as they are few, so that they can be read again. */
export class Recorder {
  #chunks: Uint8Array[] | null = [];
  #left: number;

  constructor(mostBytes: number) {
    this.#left = mostBytes;
  }

  async *through(input: Chunks): AsyncGenerator<Uint8Array> {
    for await (const chunk of input) {
      this.#left -= chunk.length;
      if (this.#left < 0) this.#chunks = null;
      this.#chunks?.push(Uint8Array.from(chunk));
      yield chunk;
    }
  }

  /** What has passed, or null where it was too much. */
  again(): Chunks | null {
    return this.#chunks === null ? null : fromArray(this.#chunks);
  }
}

async function* fromArray(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** The chunks cut into pieces of `bytes` at most. */
export async function* piecesOf(input: Chunks, bytes: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) {
    for (let at = 0; at < chunk.length; at += bytes) yield chunk.subarray(at, at + bytes);
  }
}

/**
 * The chunks, of which the next one is made while one is used: for what makes them in other threads. A chunk
 * must stay as it is when the next one is asked for.
 */
export async function* ahead(input: Chunks): AsyncGenerator<Uint8Array> {
  const iterator = input[Symbol.asyncIterator]();
  const begin = () => {
    const next = iterator.next();
    // Told where it is waited for; nobody waits where the consumer stops early.
    next.catch(() => {});
    return next;
  };
  let next = begin();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done === true) return;
      next = begin();
      yield value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** A stream of which the start has been looked at. */
export interface Peeked {
  /** The first bytes: as many as were asked for, less only if there are no more. */
  readonly head: Uint8Array;
  /** All bytes, the first ones included. */
  readonly all: Chunks;
  /** Lets go of the stream, read or not. */
  close(): Promise<void>;
}

/** Looks at the first bytes of a stream. */
export async function peek(stream: Chunks, bytes: number): Promise<Peeked> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length < bytes) {
    const { done, value } = await iterator.next();
    if (done === true) break;
    chunks.push(value);
    length += value.length;
  }
  const close = async () => {
    await iterator.return?.();
  };
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks.splice(0);
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await close();
    }
  }
  return { head: Buffer.concat(chunks).subarray(0, bytes), all: all(), close };
}
