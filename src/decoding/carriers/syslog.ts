import type { Carrier } from '../carrier.ts';
import { timeOfIso } from '../iso-time.ts';
import { ISO_TIME } from '../patterns.ts';
import { journalRemark } from '../remarks/journal.ts';
import { hasFramedNote } from '../sample.ts';

/*
 * QEMU's `syslog` trace backend, or its stderr in the journal, as syslog daemons and journalctl
 * print it. The ident and the process id tell VMs apart:
 *
 *   Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: vtd_reset_exit            no year: no times
 *   2026-11-22T07:35:47.845867+00:00 host-a qemu-system-x86_64[7329]: vtd_reset_exit
 *   <30>1 2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64 7329 - - vtd_reset_exit
 */

/** Longest header that is looked for. */
const HEADER_LENGTH = 512;

const PRIORITY = String.raw`(?:<\d{1,3}>)?`;
const YEARLESS = String.raw`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?`;
/**
 * Time, fraction, zone, host, ident, process. QEMU's `openlog` asks for the process id; without it,
 * a line would look like one of QEMU's own messages behind a guest's name.
 */
const HEADERS = [
  new RegExp(
    String.raw`^${PRIORITY}(?:${YEARLESS}|${ISO_TIME}) ([^\s:]{1,255}) ([^\s:[\]]{1,128})\[(\d{1,10})\]: `,
  ),
  new RegExp(
    String.raw`^<\d{1,3}>1 ${ISO_TIME} (\S{1,255}) (\S{1,128}) (\d{1,10}) \S{1,64} (?:-|\[[^\]]*\]) (?:\xef\xbb\xbf)?`,
  ),
] as const;

/** Lines of QEMU behind the header of a syslog daemon or of journalctl. */
export const syslog: Carrier = {
  name: 'syslog',
  title: "QEMU's lines in a syslog or in journalctl's text",
  clock: 'wall',
  stampsTellVersion: false,
  embeds: true,
  remarks: [journalRemark],
  recognises: (head) => hasFramedNote(syslog, head),
  frame(bytes, at, end, frame) {
    const text = bytes.toString('latin1', at, Math.min(end, at + HEADER_LENGTH));
    const found = HEADERS[0].exec(text) ?? HEADERS[1].exec(text);
    if (found === null) return false;
    const [header, time, fraction = '', zone = 'Z', host = '', ident = '', process = ''] = found;
    frame.textAt = at + header.length;
    frame.textEnd = end;
    if (time !== undefined) {
      const { seconds, nanoseconds } = timeOfIso(time, fraction, zone);
      frame.seconds = seconds;
      frame.nanoseconds = nanoseconds;
    }
    const source = `${host} ${ident}[${process}]`;
    // What a daemon says of losses is about everybody's lines.
    if (!source.includes('journal') && !source.includes('rsyslog')) frame.source = source;
    return true;
  },
};
