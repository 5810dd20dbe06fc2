import type { BatchWriter } from '../events/writer.ts';
import type { Carrier } from './carrier.ts';
import type { FormedLines } from './formed-lines.ts';

/**
 * Turns lines into records: the innermost loop of the program. All kernels write the same words for
 * the same bytes, whatever the lines are: whole, torn, glued or somebody else's. No state between
 * lines but tables for speed, so that blocks of one trace can be decoded side by side.
 */
export interface LineKernel {
  /**
   * Decodes a block of whole lines, as `carrier` frames them, and returns how many there were. Only
   * the last line of a trace may lack its LF; it is not believed then, as it may be the front of a
   * longer line.
   */
  decode(block: Uint8Array, carrier: Carrier, writer: BatchWriter): number;
}

/** A kernel that another one can leave single lines to. */
export interface SingleLineKernel extends LineKernel {
  /** Reads the lines of a carrier that embeds them. */
  framed(carrier: Carrier): FormedLines;
  /**
   * Decodes the line at `at`, which has an LF and is as QEMU's process wrote it; returns where the next
   * one begins. `writer.line` is its number.
   */
  line(block: Uint8Array, at: number, carrier: Carrier, writer: BatchWriter): number;
  /** The last line of a trace, at `at`, without its LF. */
  unfinishedLine(block: Uint8Array, at: number, writer: BatchWriter): void;
  /** Moves the counts of events that are not stored to the batch that is being written. */
  takeCounts(writer: BatchWriter): void;
}
