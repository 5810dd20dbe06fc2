import type { Carrier } from '../carrier.ts';
import { LAST_SECOND } from '../iso-time.ts';
import { systemTapRemark } from '../remarks/systemtap.ts';
import { hasFramedNote } from '../sample.ts';

/*
 * QEMU's `dtrace` backend through SystemTap: `qemu-trace-stap run`, or the tapset `qemu-*-log.stp` that
 * QEMU is built with (scripts/tracetool/format/log_stap.py). The process, and nanoseconds since 1970:
 *
 *   7329@1795332947845867137 vtd_switch_address_space Device 00:00.0 switching address space (iommu enabled=0)
 *
 * What SystemTap says of events that it skipped comes on stderr.
 */

/** Longest header that is looked for. */
const HEADER_LENGTH = 40;

/** Process, seconds, nanoseconds. */
const HEADER = /^(\d{1,10})@(\d{1,11})(\d{9}) /;
const WARNING = /^(?:WARNING|ERROR): /;

/** Lines of SystemTap's scripts for QEMU. */
export const systemTap: Carrier = {
  name: 'systemtap',
  title: "QEMU's events as SystemTap's log scripts print them",
  clock: 'wall',
  stampsTellVersion: false,
  embeds: true,
  remarks: [systemTapRemark],
  recognises: (head) => hasFramedNote(systemTap, head),
  frame(bytes, at, end, frame) {
    const text = bytes.toString('latin1', at, Math.min(end, at + HEADER_LENGTH));
    frame.textEnd = end;
    if (WARNING.test(text)) {
      frame.textAt = at;
      return true;
    }
    const [header, process = '', seconds, nanoseconds = ''] = HEADER.exec(text) ?? [];
    if (header === undefined) return false;
    frame.textAt = at + header.length;
    frame.source = `process ${Number(process)}`;
    if (Number(seconds) <= LAST_SECOND) {
      frame.seconds = Number(seconds);
      frame.nanoseconds = Number(nanoseconds);
    }
    frame.setForm(frame.textAt - ' '.length - nanoseconds.length, nanoseconds);
    return true;
  },
};
