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

  /**
   * Takes a chunk; returns the lines that are complete with it. Whether a line is too long depends
   * on its length alone, never on how it comes.
   */
  push(chunk: Uint8Array): readonly LineBlock[] {
    const blocks: LineBlock[] = [];
    let rest = chunk;
    if (this.#long !== null || this.#piecesBytes > 0) {
      const lf = rest.indexOf(LF);
      if (lf < 0) {
        this.#hold(rest);
        return blocks;
      }
      if (this.#long !== null || this.#piecesBytes + lf > LONG_LINE) {
        blocks.push(this.#longLine(rest.subarray(0, lf + 1)));
        rest = rest.subarray(lf + 1);
      }
    }
    for (let at = longLineIn(rest); at >= 0; at = longLineIn(rest)) {
      if (at > 0) blocks.push(this.#wholeLines(rest.subarray(0, at)));
      const end = rest.indexOf(LF, at) + 1;
      blocks.push(this.#longLine(rest.subarray(at, end)));
      rest = rest.subarray(end);
    }
    const end = rest.lastIndexOf(LF) + 1;
    if (end > 0) blocks.push(this.#wholeLines(rest.subarray(0, end)));
    if (end < rest.length) this.#hold(rest.subarray(end));
    return blocks;
  }

  /** The last line of a trace, if it does not end with LF. */
  end(): LineBlock | null {
    if (this.#long !== null) {
      return this.#take(this.#long.block(this.#offset, new Uint8Array(0)));
    }
    return this.#piecesBytes === 0 ? null : this.#wholeLines(new Uint8Array(0));
  }

  /** The lines that end in `bytes`, the first of them begun by what is held. */
  #wholeLines(bytes: Uint8Array): LineBlock {
    const all = this.#piecesBytes === 0 ? bytes : Buffer.concat([...this.#pieces, bytes]);
    return this.#take({ bytes: all, byteOffset: this.#offset, byteLength: all.length });
  }

  /** The end of a line that is too long, begun by what is held. */
  #longLine(bytes: Uint8Array): LineBlock {
    const long = this.#heldAsLong();
    long.add(bytes.subarray(0, bytes.length - 1));
    return this.#take(long.block(this.#offset, bytes.subarray(bytes.length - 1)));
  }

  #take(block: LineBlock): LineBlock {
    this.#offset = block.byteOffset + block.byteLength;
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#long = null;
    return block;
  }

  #hold(piece: Uint8Array): void {
    if (this.#long !== null) {
      this.#long.add(piece);
      return;
    }
    // A copy: whoever made the chunk may use its buffer again.
    this.#pieces.push(Uint8Array.from(piece));
    this.#piecesBytes += piece.length;
    if (this.#piecesBytes > LONG_LINE) this.#heldAsLong();
  }

  #heldAsLong(): LongLine {
    const long = this.#long ?? new LongLine();
    for (const piece of this.#pieces) long.add(piece);
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#long = long;
    return long;
  }
}

/** Where the first line begins that is too long and ends in `bytes`, or -1. */
function longLineIn(bytes: Uint8Array): number {
  let at = 0;
  while (bytes.length - at > LONG_LINE) {
    const lf = bytes.lastIndexOf(LF, at + LONG_LINE);
    if (lf < at) return bytes.indexOf(LF, at) < 0 ? -1 : at;
    at = lf + 1;
  }
  return -1;
}
