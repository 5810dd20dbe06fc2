import { writeLoss } from '../notes.ts';
import type { Remark } from './remark.ts';

/** Linux's trace_pipe and trace-cmd, where a reader was too slow. The kernel does not always know how many. */
const LOST_EVENTS = /^CPU:\d{1,9} \[(?:LOST )?(?:(\d{1,9}) )?EVENTS(?: DROPPED)?\]/;
/** The head of Linux's `trace` file: events that the buffer still holds, and that were written to it. */
const IN_BUFFER = /^# entries-in-buffer\/entries-written: (\d{1,9})\/(\d{1,9})\b/;

/** What the kernel says of events that its ring buffer lost. */
export const ftraceRemark: Remark = {
  patterns: [LOST_EVENTS, IN_BUFFER],
  write(text, writer, place) {
    const dropped = LOST_EVENTS.exec(text);
    if (dropped !== null) {
      writeLoss(writer, place, 'dropped', text, Number(dropped[1] ?? 1));
      return true;
    }
    const [, held, written] = IN_BUFFER.exec(text) ?? [];
    if (held === undefined) return false;
    const lost = Number(written) - Number(held);
    if (lost > 0) writeLoss(writer, place, 'overwritten', text, lost);
    return true;
  },
};
