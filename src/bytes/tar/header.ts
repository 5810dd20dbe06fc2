/** Headers and data lie in blocks of so many bytes. */
export const BLOCK_BYTES = 512;

/** The fields of a header that are read (POSIX.1-2024 pax, ustar; GNU tar's tar.h). */
const NAME = [0, 100] as const;
const SIZE = [124, 136] as const;
const CHECKSUM = [148, 156] as const;
const TYPE = 156;
const MAGIC = [257, 263] as const;
const PREFIX = [345, 500] as const;

export interface TarHeader {
  readonly name: Buffer;
  /** Bytes of data behind it; null where the field holds no number that can be. */
  readonly size: number | null;
  readonly type: string;
}

/** A header, or null where the checksum is not that of these bytes. */
export function headerOf(block: Buffer): TarHeader | null {
  if (block.length < BLOCK_BYTES || numberIn(block.subarray(...CHECKSUM)) !== checksumOf(block)) {
    return null;
  }
  const name = textIn(block.subarray(...NAME));
  // GNU tar has other fields where POSIX has the front of the name.
  const hasPrefix = block.toString('latin1', ...MAGIC) === 'ustar\0';
  const prefix = hasPrefix ? textIn(block.subarray(...PREFIX)) : Buffer.alloc(0);
  return {
    name: prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]),
    size: numberIn(block.subarray(...SIZE)),
    type: String.fromCharCode(block[TYPE] ?? 0),
  };
}

/** Whether a file is an archive, by its first bytes. */
export function isTar(head: Uint8Array): boolean {
  const block = Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, BLOCK_BYTES));
  const header = headerOf(block);
  return header !== null && header.name.length > 0;
}

/** The sum of all bytes, those of the sum itself taken for blanks. */
function checksumOf(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at < BLOCK_BYTES; at += 1) {
    sum += at >= CHECKSUM[0] && at < CHECKSUM[1] ? 0x20 : (block[at] as number);
  }
  return sum;
}

/** Octal digits, or after a byte of 0x80 the number itself; null where it is none from 0 to 2^53. */
function numberIn(field: Buffer): number | null {
  if (field[0] === 0x80) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    return Number.isSafeInteger(value) ? value : null;
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field.toString('latin1'))?.[1];
  return digits === undefined ? null : Number.parseInt(digits || '0', 8);
}

function textIn(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return end < 0 ? field : field.subarray(0, end);
}
