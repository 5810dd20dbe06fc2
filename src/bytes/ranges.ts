import { closeSync, openSync, readSync } from 'node:fs';
import { type LineBlock, LineBlocks } from './lines.ts';

const LF = 0x0a;
/** Bytes read at a time behind the end of a range, for its last line. */
export const TAIL_BYTES = 64 * 1024;

/** Part of a plain file, by bytes: `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts a file of `size` bytes into ranges of about `bytes`. `first`: of the first one, from which on
 * they double, so that there is something to replay soon.
 */
export function* rangesOf(size: number, bytes: number, first = bytes): Generator<ByteRange> {
  let start = 0;
  for (let length = Math.min(first, bytes); start < size; length = Math.min(2 * length, bytes)) {
    yield { start, end: Math.min(size, start + length) };
    start += length;
  }
}

/**
 * Reads the lines that begin in a range, wherever it is cut: the line that a range ends in belongs
 * to it to its last byte, and the next range begins with the line after it. `into`: memory for it,
 * used where it holds the range and TAIL_BYTES more.
 */
export function readRange(
  path: string,
  range: ByteRange,
  into: Uint8Array | null = null,
): readonly LineBlock[] {
  const file = openSync(path, 'r');
  try {
    const start = firstLineOf(file, range);
    return start < 0 ? [] : linesFrom(file, { start, end: range.end }, into);
  } finally {
    closeSync(file);
  }
}

/** The lines that begin in a range which begins with a line. */
function linesFrom(
  file: number,
  { start, end }: ByteRange,
  into: Uint8Array | null,
): readonly LineBlock[] {
  const wanted = end - start + TAIL_BYTES;
  // No Buffer, so that all blocks are of one type for the decoder, and in memory of its own, so that it
  // can go to another thread.
  const buffer =
    into !== null && into.length >= wanted ? into.subarray(0, wanted) : new Uint8Array(wanted);
  const length = readFully(file, buffer, start);
  const lines = new LineBlocks(start);
  const lf = buffer.subarray(0, length).indexOf(LF, end - start - 1);
  if (lf >= 0) return lines.push(buffer.subarray(0, lf + 1));
  const blocks = lines.push(buffer.subarray(0, length));
  return length === 0 ? [] : [...blocks, ...restOfLine(file, lines, start + length)];
}

/** Offset of the first line that begins in the range, or -1. */
function firstLineOf(file: number, { start, end }: ByteRange): number {
  if (start === 0) return 0;
  const buffer = Buffer.allocUnsafe(TAIL_BYTES);
  // The byte before the range decides whether it begins with a line.
  for (let at = start - 1; at < end - 1; at += TAIL_BYTES) {
    const wanted = Math.min(TAIL_BYTES, end - 1 - at);
    const length = readSync(file, buffer, 0, wanted, at);
    if (length === 0) return -1;
    const lf = buffer.subarray(0, length).indexOf(LF);
    if (lf >= 0) return at + lf + 1;
  }
  return -1;
}

function readFully(file: number, buffer: Uint8Array, at: number): number {
  let length = 0;
  while (length < buffer.length) {
    const read = readSync(file, buffer, length, buffer.length - length, at + length);
    if (read === 0) break;
    length += read;
  }
  return length;
}

/** The end of the line that the range was cut in. */
function restOfLine(file: number, lines: LineBlocks, from: number): readonly LineBlock[] {
  for (let at = from; ; at += TAIL_BYTES) {
    const buffer = Buffer.allocUnsafe(TAIL_BYTES);
    const length = readSync(file, buffer, 0, TAIL_BYTES, at);
    if (length === 0) {
      const last = lines.end();
      return last === null ? [] : [last];
    }
    const lf = buffer.subarray(0, length).indexOf(LF);
    const blocks = lines.push(buffer.subarray(0, lf < 0 ? length : lf + 1));
    if (lf >= 0) return blocks;
  }
}
