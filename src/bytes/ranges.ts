import { setImmediate as nextTurn } from 'node:timers/promises';
import { type LineBlock, LineBlocks } from './lines.ts';
import type { OpenRanges } from './source.ts';
import { readAt } from './trace-file.ts';

const LF = 0x0a;
/** Bytes read around a range for the lines that it cuts: nearly all lines are shorter. */
export const TAIL_BYTES = 4 * 1024;
/** Bytes read at a time of a line that is longer. */
const STEP_BYTES = 64 * 1024;
/** Bytes of one line that are read before an interrupt is let in: a file may be one line of any length. */
const TURN_BYTES = 16 * 1024 * 1024;

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
 * to it to its last byte, and the next range begins with the line after it. Nothing is read behind
 * the bytes that are to be read of the file; where there are fewer, or some cannot be read, the
 * lines end there. `into`: memory for it, used where it holds the range and TAIL_BYTES more.
 */
export async function readRange(
  ranges: OpenRanges,
  range: ByteRange,
  into: Uint8Array | null = null,
): Promise<readonly LineBlock[]> {
  const start = firstLineOf(ranges, range);
  return start < 0 ? [] : await linesFrom(ranges, { start, end: range.end }, into);
}

/** The lines that begin in a range which begins with a line. */
async function linesFrom(
  { file, bytes }: OpenRanges,
  { start, end }: ByteRange,
  into: Uint8Array | null,
): Promise<readonly LineBlock[]> {
  const wanted = Math.min(end + TAIL_BYTES, bytes) - start;
  // No Buffer, so that all blocks are of one type for the decoder, and in memory of its own, so that it
  // can go to another thread.
  const buffer =
    into !== null && into.length >= wanted ? into.subarray(0, wanted) : new Uint8Array(wanted);
  const length = readAt(file, buffer, start);
  const lines = new LineBlocks(start);
  const lf = buffer.subarray(0, length).indexOf(LF, end - start - 1);
  if (lf >= 0) return lines.push(buffer.subarray(0, lf + 1));
  const blocks = lines.push(buffer.subarray(0, length));
  if (length === 0) return [];
  return [...blocks, ...(await restOfLine({ file, bytes }, lines, start + length))];
}

/** Offset of the first line that begins in the range, or -1. */
function firstLineOf({ file }: OpenRanges, { start, end }: ByteRange): number {
  if (start === 0) return 0;
  let step = TAIL_BYTES;
  // The byte before the range decides whether it begins with a line.
  for (let at = start - 1; at < end - 1; at += step, step = STEP_BYTES) {
    const wanted = Math.min(step, end - 1 - at);
    const buffer = Buffer.allocUnsafe(wanted);
    const length = readAt(file, buffer, at);
    const lf = buffer.subarray(0, length).indexOf(LF);
    if (lf >= 0) return at + lf + 1;
    if (length < wanted) return -1;
  }
  return -1;
}

/** The end of the line that the range was cut in. */
async function restOfLine(
  { file, bytes }: OpenRanges,
  lines: LineBlocks,
  from: number,
): Promise<readonly LineBlock[]> {
  for (let at = from; ; at += STEP_BYTES) {
    if ((at - from) % TURN_BYTES === TURN_BYTES - STEP_BYTES) await nextTurn();
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(STEP_BYTES, bytes - at)));
    const length = readAt(file, buffer, at);
    if (length === 0) {
      const last = lines.end();
      return last === null ? [] : [last];
    }
    const lf = buffer.subarray(0, length).indexOf(LF);
    const blocks = lines.push(buffer.subarray(0, lf < 0 ? length : lf + 1));
    if (lf >= 0) return blocks;
  }
}
