import { BatchWriter } from '../events/writer.ts';
import { type Carrier, Frame } from './carrier.ts';
import { newKernel } from './kernels.ts';
import { FAMILY } from './patterns.ts';

const LF = Buffer.from('\n');
/** The name of an event that this program knows the subject of. */
const OURS = new RegExp(`^${FAMILY}`);
/** Lines that are looked at for a carrier's header. */
const LINES = 200;

/** Events that the replay needs, and messages, that can be read in the head of a trace, whatever is around them. */
export function countNotes(carrier: Carrier, head: Uint8Array): number {
  const { events, traceEvents } = decoded(carrier, Buffer.concat([head, LF]));
  return Math.max(events, traceEvents);
}

/**
 * True where one of the first lines of a trace is as the carrier writes them, and its head holds an
 * event, be it one that is only counted, a message or a loss in such lines, and no more events in others.
 */
export function hasFramedNote(carrier: Carrier, head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  const { framed, others } = sortedLines(carrier, bytes);
  if (framed.length === 0) return false;
  // The last line is as it is: where the head was cut, not where the trace ends.
  const { events, skipped } = decoded(carrier, Buffer.concat(framed));
  if (events === 0) return Object.keys(skipped).some((name) => OURS.test(name));
  // A log with some lines of a journal pasted behind it is read as the log: each of its lines counts there.
  const bare = decoded({ ...carrier, embeds: false }, Buffer.concat(others)).events;
  return events >= bare && events * 2 >= decoded(carrier, Buffer.concat([bytes, LF])).events;
}

/** The lines of a head that are as the carrier writes them, none if it does not begin with any; and the others. */
function sortedLines(carrier: Carrier, head: Buffer): Record<'framed' | 'others', Buffer[]> {
  const framed: Buffer[] = [];
  const others: Buffer[] = [];
  const frame = new Frame();
  for (let at = 0, line = 0; at < head.length; line += 1) {
    const lf = head.indexOf(LF, at);
    const end = lf < 0 ? head.length : lf;
    if (carrier.frame(head, at, end, frame)) framed.push(head.subarray(at, end), LF);
    else if (framed.length === 0 && line >= LINES) break;
    else others.push(head.subarray(at, end), LF);
    at = end + 1;
  }
  return { framed, others };
}

function decoded(carrier: Carrier, block: Uint8Array) {
  const writer = new BatchWriter();
  const lines = newKernel().decode(block, carrier, writer);
  return writer.finish(block, 0, lines);
}
