import { BatchWriter } from '../events/writer.ts';
import { type Carrier, Frame } from './carrier.ts';
import { newKernel } from './kernels.ts';

const LF = Buffer.from('\n');
/** Lines that are looked at for a carrier's header. */
const LINES = 200;

/** Events that the replay needs, and messages, that can be read in the head of a trace, whatever is around them. */
export function countNotes(carrier: Carrier, head: Uint8Array): number {
  const { events, traceEvents } = decoded(carrier, Buffer.concat([head, LF]));
  return Math.max(events, traceEvents);
}

/**
 * True where one of the first lines of a trace is as the carrier writes them, and its head holds an
 * event, a message or a loss.
 */
export function hasFramedNote(carrier: Carrier, head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  const frame = new Frame();
  for (let at = 0, line = 0; line < LINES && at < bytes.length; line += 1) {
    const lf = bytes.indexOf(LF, at);
    const end = lf < 0 ? bytes.length : lf;
    if (carrier.frame(bytes, at, end, frame)) {
      // The last line is as it is: where the head was cut, not where the trace ends.
      return decoded(carrier, Buffer.concat([bytes, LF])).events > 0;
    }
    at = end + 1;
  }
  return false;
}

function decoded(carrier: Carrier, block: Uint8Array) {
  const writer = new BatchWriter();
  const lines = newKernel().decode(block, carrier, writer);
  return writer.finish(block, 0, lines);
}
