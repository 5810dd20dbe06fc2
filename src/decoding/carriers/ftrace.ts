import { LAST_THREAD } from '../../events/batch.ts';
import type { Carrier } from '../carrier.ts';
import { LAST_SECOND } from '../iso-time.ts';
import { ftraceRemark } from '../remarks/ftrace.ts';
import { hasFramedNote } from '../sample.ts';

/*
 * QEMU's `ftrace` trace backend: Linux's `trace` and `trace_pipe`, and `trace-cmd report` of a
 * trace.dat. QEMU writes an event as one marker, of 511 bytes at most. A task's name may hold blanks,
 * hyphens and colons; its thread is the number before the CPU in brackets.
 *
 *   # entries-in-buffer/entries-written: 3195/11361   #P:2
 *            <...>-7329    [000] ...1.  1915.246562: tracing_mark_write: vtd_reset_exit
 *      CPU 0/KVM-7331 ( 7329) [001] .....  1915.246562: tracing_mark_write: vtd_reset_exit    record-tgid
 *   CPU:0 [LOST 8166 EVENTS]
 *            <...>-7329  [000]  1915.246562: print:      tracing_mark_write: vtd_reset_exit   trace-cmd
 *            <...>-7329  [000]  1915.246562871: print:   0xffffffff8120e1c5s: vtd_reset_exit  -t, no symbols
 *            <...>-7329  [000]  1915.246562: print:      ip=tracing_mark_write buf=vtd_reset_exit  -R
 *   CPU:0 [8166 EVENTS DROPPED]
 *
 * Seconds are those of the ring buffer's clock, since boot as a rule; numbers without a point are
 * cycles or a counter and are no times. Not supported: `latency-format`.
 */

/** Longest header that is looked for. */
const HEADER_LENGTH = 256;

/** Thread, process, seconds, fraction. Other events of the kernel have another name behind the time. */
const HEADER =
  /^.{1,64}?-(\d{1,10}) *(?:\( *(\d{1,10}|-{1,7})\) *)?\[\d{1,9}\] +(?:[^\s:]{3,9} +)?(\d{1,20})(?:\.(\d{6}|\d{9}))?: +(?:\([+-]\d{1,20}\) +)?(?:print: +(?:(?:tracing_mark_write|0x[0-9a-f]{1,16}s?): |ip=\S{1,64} buf=)?|tracing_mark_write: )/;
/** What stands on lines of its own about losses. */
const LOSS = /^(?:CPU:\d|# entries-in-buffer)/;

/** What most have before the text. */
const MARKER = 'tracing_mark_write: ';

const C = 0x43;
const HASH = 0x23;

/** QEMU's events as markers of Linux's tracer. */
export const ftrace: Carrier = {
  name: 'ftrace',
  title: "QEMU's events in Linux's ftrace, as text of the kernel's or of trace-cmd's",
  clock: 'boot',
  stampsTellVersion: false,
  embeds: true,
  remarks: [ftraceRemark],
  recognises: (head) => hasFramedNote(ftrace, head),
  frame(bytes, at, end, frame) {
    const text = bytes.toString('latin1', at, Math.min(end, at + HEADER_LENGTH));
    const first = bytes[at];
    frame.textEnd = end;
    if ((first === C || first === HASH) && LOSS.test(text)) {
      frame.textAt = at;
      return true;
    }
    const found = HEADER.exec(text);
    if (found === null) return false;
    if (end === bytes.length && isCut(text.slice(found[0].length))) return false;
    const [header, thread, process = '-', seconds, fraction] = found;
    frame.textAt = at + header.length;
    if (fraction !== undefined && Number(seconds) <= LAST_SECOND) {
      frame.seconds = Number(seconds);
      frame.nanoseconds = Number(fraction.padEnd(9, '0'));
    }
    if (Number(thread) <= LAST_THREAD) frame.thread = Number(thread);
    if (!process.startsWith('-')) frame.source = `process ${Number(process)}`;
    const second = ` ${seconds}.`;
    frame.setForm(at + header.lastIndexOf(second) + second.length, fraction ?? '');
    return true;
  },
};

/** The header ends within the name of its function, at the end of the trace. */
function isCut(rest: string): boolean {
  return rest !== '' && MARKER.startsWith(rest);
}
