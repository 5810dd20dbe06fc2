import { type LineBlock, LineBlocks } from '../bytes/lines.ts';
import type { Slot, Slots } from '../bytes/slots.ts';
import { HEAD_BYTES, type OpenSource } from '../bytes/source.ts';

const LF = 0x0a;

/** Blocks of lines that follow each other, and the memory that their bytes are in. */
export interface GatheredBlocks {
  readonly blocks: readonly LineBlock[];
  /** Null where all were in use. */
  readonly slot: Slot | null;
}

/** Bytes that are gathered at most. */
const GATHERED_BYTES = 512 * 1024;
/** Of a trace of which no more is to come than its first bytes. */
const LEAST_BYTES = 4096;

/** Bytes that slots have in which a trace is gathered: less than usual where it is known to be small. */
export function gatheredBytes({ head }: OpenSource): number {
  return head.length < HEAD_BYTES ? Math.max(LEAST_BYTES, head.length) : GATHERED_BYTES;
}

/**
 * The lines of a trace that comes as a stream, in order, gathered in slots of `gatheredBytes`. While
 * those that have come are looked at, a compressed file is decompressed further, by a thread of
 * Node's.
 */
export async function* gatheredBlocks(
  source: OpenSource,
  slots: Slots,
): AsyncGenerator<GatheredBlocks> {
  // Of a pipe nobody waits for bytes before they are needed.
  const isAhead = source.compression !== 'none' && source.inputBytes !== null;
  const gathering = new Gathering(slots, gatheredBytes(source));
  const iterator = source.chunks()[Symbol.asyncIterator]();
  try {
    for (let next = iterator.next(); ; ) {
      const { done, value } = await next;
      if (done === true) break;
      const gathered = gathering.add(value);
      if (isAhead) next = ahead(iterator);
      yield* gathered;
      if (!isAhead) next = iterator.next();
    }
  } finally {
    await iterator.return?.();
  }
  yield gathering.end();
}

/** Asks for the next chunk; that it fails is told to whoever waits for it, if anybody ever does. */
function ahead(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  const next = iterator.next();
  next.catch(() => {});
  return next;
}

/**
 * Copies chunks into slots. A full one is handed out up to the end of its last line: what is behind
 * it begins the next, so that lines are copied once, and never put together.
 */
class Gathering {
  readonly #slots: Slots;
  readonly #size: number;
  readonly #lines = new LineBlocks();
  #slot: Slot | null = null;
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(slots: Slots, size: number) {
    this.#slots = slots;
    this.#size = size;
    this.#begin();
  }

  /** Takes a chunk, of which nothing is needed afterwards. */
  add(chunk: Uint8Array): readonly GatheredBlocks[] {
    const gathered: GatheredBlocks[] = [];
    for (let at = 0; at < chunk.length; ) {
      const piece = chunk.subarray(at, at + this.#size - this.#used);
      this.#bytes.set(piece, this.#used);
      this.#used += piece.length;
      at += piece.length;
      if (this.#used === this.#size) gathered.push(this.#full());
    }
    return gathered;
  }

  /** What is left. */
  end(): GatheredBlocks {
    const blocks = this.#lines.push(this.#bytes.subarray(0, this.#used));
    const last = this.#lines.end();
    return { blocks: last === null ? blocks : [...blocks, last], slot: this.#slot };
  }

  #full(): GatheredBlocks {
    const slot = this.#slot;
    const bytes = this.#bytes;
    // Of a line that is longer than all this, the pieces are held elsewhere.
    const end = bytes.lastIndexOf(LF) + 1 || this.#size;
    this.#begin();
    this.#bytes.set(bytes.subarray(end));
    this.#used = this.#size - end;
    return { blocks: this.#lines.push(bytes.subarray(0, end)), slot };
  }

  #begin(): void {
    this.#slot = this.#slots.take();
    this.#bytes = this.#slot?.source ?? new Uint8Array(this.#size);
    this.#used = 0;
  }
}
