import type { BatchWriter } from '../events/writer.ts';
import type { Carrier } from './carrier.ts';

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
