const LF = 0x0a;
const NUL = 0x00;

/** A line longer than this is no longer held whole. */
const LONG_LINE = 1024 * 1024;
/** Of such a line, bytes that are kept; as many as decoders look at. */
const KEPT_OF_LONG_LINE = 256 * 1024;

/** Some whole lines of a trace. */
export interface LineBlock {
  readonly bytes: Uint8Array;
  /** Offset of the first byte in the stream. */
  readonly byteOffset: number;
  /** Bytes of the stream that it stands for: more than it holds where a line was too long. */
  readonly byteLength: number;
}

/**
 * A line that is too long to be held: its first bytes are kept, and none of a run of NUL before
 * them, as copytruncate leaves it at the start of a rotated log.
 */
class LongLine {
  readonly #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #length = 0;

  add(piece: Uint8Array): void {
    this.#length += piece.length;
    let from = 0;
    if (this.#keptBytes === 0) while (from < piece.length && piece[from] === NUL) from += 1;
    const to = Math.min(piece.length, from + KEPT_OF_LONG_LINE - this.#keptBytes);
    if (to <= from) return;
    this.#kept.push(Uint8Array.from(piece.subarray(from, to)));
    this.#keptBytes += to - from;
  }

  /** The line as a block of its own; `ending` is its LF, or nothing at the end of a trace. */
  block(byteOffset: number, ending: Uint8Array): LineBlock {
    return {
      bytes: Buffer.concat([...this.#kept, ending]),
      byteOffset,
      byteLength: this.#length + ending.length,
    };
  }
}

/** Cuts a stream of chunks into blocks of whole lines, however the chunks are cut. */
export class LineBlocks {
  /** The unfinished line at the end: its pieces, or itself once it is long. */
  #pieces: Uint8Array[] = [];
  #piecesBytes = 0;
  #long: LongLine | null = null;
  /** Offset of the unfinished line. */
  #offset: number;

  constructor(byteOffset = 0) {
    this.#offset = byteOffset;
  }

  /** Takes a chunk; returns the lines that are complete with it. */
  push(chunk: Uint8Array): readonly LineBlock[] {
    const blocks: LineBlock[] = [];
    let rest = chunk;
    if (this.#long !== null) {
      const lf = rest.indexOf(LF);
      if (lf < 0) {
        this.#long.add(rest);
        return blocks;
      }
      this.#long.add(rest.subarray(0, lf));
      blocks.push(this.#take(this.#long.block(this.#offset, rest.subarray(lf, lf + 1))));
      rest = rest.subarray(lf + 1);
    }
    const lf = rest.lastIndexOf(LF);
    if (lf >= 0) {
      const whole = rest.subarray(0, lf + 1);
      const bytes = this.#piecesBytes === 0 ? whole : Buffer.concat([...this.#pieces, whole]);
      blocks.push(this.#take({ bytes, byteOffset: this.#offset, byteLength: bytes.length }));
      rest = rest.subarray(lf + 1);
    }
    if (rest.length > 0) this.#hold(rest);
    return blocks;
  }

  /** The last line of a trace, if it does not end with LF. */
  end(): LineBlock | null {
    if (this.#long !== null) {
      return this.#take(this.#long.block(this.#offset, new Uint8Array(0)));
    }
    if (this.#piecesBytes === 0) return null;
    const bytes = Buffer.concat(this.#pieces);
    return this.#take({ bytes, byteOffset: this.#offset, byteLength: bytes.length });
  }

  #take(block: LineBlock): LineBlock {
    this.#offset = block.byteOffset + block.byteLength;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#long = null;
    return block;
  }

  #hold(piece: Uint8Array): void {
    this.#piecesBytes += piece.length;
    // A copy: whoever made the chunk may use its buffer again.
    this.#pieces.push(Uint8Array.from(piece));
    if (this.#piecesBytes <= LONG_LINE) return;
    this.#long = new LongLine();
    for (const held of this.#pieces) this.#long.add(held);
    this.#pieces = [];
    this.#piecesBytes = 0;
  }
}
