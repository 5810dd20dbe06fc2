/** A compression, told by its first bytes and never by a name. */
export interface Codec {
  /** As results name it. */
  readonly name: string;
  /** The command that takes it off. */
  readonly command: string;
  isIt(head: Buffer): boolean;
  /** False where nothing comes of a piece with damage in it, be there some before it. */
  readonly givesDamagedPieces: boolean;
  open(): Promise<Decompressor>;
}

/** Takes one compression off one input. */
export interface Decompressor {
  /**
   * What a piece of at most PIECE_BYTES gives, a part at a time: a few bytes may stand for gigabytes.
   * A part stays as it is when more is asked for.
   *
   * @throws DamagedData behind what comes before the damage
   */
  decode(piece: Uint8Array): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /**
   * What is left behind the last piece.
   *
   * @throws DamagedData where the input ends before its end
   */
  end(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Lets go of its memory, at whichever point. */
  close(): void;
}

/** Compressed bytes that a decompressor gets at a time: those of a log give some 512 KiB. */
export const PIECE_BYTES = 64 * 1024;

/** What is wrong with compressed data. */
export type Damage = 'ends early' | 'is followed by other data' | 'is damaged';

/** Compressed data that cannot be followed any further. */
export class DamagedData extends Error {
  readonly damage: Damage;

  constructor(damage: Damage, message = '') {
    super(message);
    this.damage = damage;
  }
}
