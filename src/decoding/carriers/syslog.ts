import { NO_TIME } from '../../base/place.ts';
import type { Carrier, Frame } from '../carrier.ts';
import { LAST_SECOND, NO_TIME_AT_ALL, type Time, timeOfIso } from '../iso-time.ts';
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
 *   Sun 2026-11-22 07:35:47 UTC host-a qemu-system-x86_64[7329]: vtd_reset_exit     journalctl -o short-full
 *   1795332947.845867 host-a qemu-system-x86_64[7329]: vtd_reset_exit               -o short-unix
 *   [ 1915.246562] host-a qemu-system-x86_64[7329]: vtd_reset_exit                  -o short-monotonic
 *
 * `--no-hostname` leaves out the host. Zones by name other than UTC, and times since boot, are no times.
 */

/** Programs that look after VMs: what they say is of one that another process is. */
const KEEPERS: ReadonlySet<string> = new Set([
  'kubelet',
  'libvirtd',
  'nova-compute',
  'pvedaemon',
  'qm',
  'qmeventd',
  'virtqemud',
]);
/** How a line in logfmt begins. */
const LOGFMT = 'time="';
/** Longest header that is looked for. */
const HEADER_LENGTH = 512;

const PRIORITY = String.raw`(?:\d{1,6} )?(?:<\d{1,3}>)?`;
const YEARLESS = String.raw`[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?`;
/** journalctl's; groups for the day, the time, its fraction and the zone. */
const FULL = String.raw`[A-Z][a-z]{2} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ([\w+:/-]{1,32})`;
const UNIX = String.raw`(\d{9,11})\.(\d{6})`;
const MONOTONIC = String.raw`\[ {0,12}\d{1,12}\.\d{6}\]`;
/** Host; ident and process. */
const WRITER = String.raw`(?:([^\s:[\]]{1,255}) )?([^\s:[\]]{1,128})\[(\d{1,10})\]: `;
/**
 * The kernel has no process id; its name stays with the text, which tells its words by it.
 * Daemons write without a process id what they say of losses. Of others, without it, a line would look
 * like one of QEMU's own messages behind a guest's name.
 */
const DAEMON = String.raw`(?:[^\s:[\]]{1,255} )?(?:(?:rsyslogd|syslogd|syslog-ng|systemd-journald|journal)(?:-\d{1,6})?: |(?=last message repeated \d|kernel: ))`;
const TIMES = `(?:${YEARLESS}|${ISO_TIME}|${FULL}|${UNIX}|${MONOTONIC})`;
/** A time has the groups of `ISO_TIME`, `FULL` and `UNIX`; a writer host, ident and process. */
const HEADER = new RegExp(`^${PRIORITY}${TIMES} (?:${WRITER}|${DAEMON})`);
/** RFC 5424: time, fraction, zone, host, ident, process. */
const RFC_5424 = new RegExp(
  String.raw`^(?:\d{1,6} )?<\d{1,3}>1 ${ISO_TIME} (\S{1,255}) (\S{1,128}) (\d{1,10}|-) \S{1,64} (?:-|(?:\[[^\]]{0,256}\]){1,8}) (?:\xef\xbb\xbf)?`,
);

/** What a header says. */
interface Header {
  readonly length: number;
  readonly time: Time;
  /** The fraction of its second, as it stands there, and where; '' if there is none. */
  readonly fraction: string;
  readonly fractionAt: number;
  /** The header ends in itself, whatever follows. */
  readonly isForm: boolean;
  /** '' where it does not say who wrote the line, or where the line is about everybody's. */
  readonly source: string;
}

function headerOf(text: string): Header | null {
  const found = HEADER.exec(text);
  if (found === null) return newHeaderOf(text);
  const [header, iso, isoFraction = '', isoZone = '', ...others] = found;
  const [day, hours = '', fraction = '', zone, unix, micro = '', ...writer] = others;
  let time = NO_TIME_AT_ALL;
  if (iso !== undefined) time = timeOfIso(iso, isoFraction, isoZone);
  else if (day !== undefined && zone === 'UTC') time = timeOfIso(`${day} ${hours}`, fraction, 'Z');
  else if (unix !== undefined && Number(unix) <= LAST_SECOND) {
    time = { seconds: Number(unix), nanoseconds: Number(micro) * 1000 };
  }
  const second = iso ?? (day === undefined ? unix : hours) ?? '';
  const [host, ident, process] = writer;
  return {
    length: header.length,
    time,
    fraction: isoFraction || fraction || micro,
    fractionAt: header.indexOf(second) + second.length + 1,
    // A daemon's line shows by what follows that it has no ident.
    isForm: process !== undefined,
    source: sourceOf(host, ident, process),
  };
}

function newHeaderOf(text: string): Header | null {
  const found = RFC_5424.exec(text);
  if (found === null) return null;
  const [header, iso = '', fraction = '', zone = '', host, ident, process] = found;
  return {
    length: header.length,
    time: timeOfIso(iso, fraction, zone),
    fraction,
    fractionAt: header.indexOf(iso) + iso.length + 1,
    isForm: true,
    source: sourceOf(host, ident, process),
  };
}

function sourceOf(host = '', ident = '', process = '-'): string {
  // What a daemon says of losses is about everybody's lines.
  if (process === '-' || ident.includes('journal') || ident.includes('rsyslog')) return '';
  if (KEEPERS.has(ident)) return '';
  return `${host} ${ident}[${process}]`.trim();
}

/** kata's shim and containerd both pass on what the QEMU of a sandbox says; null where none is named. */
function sandboxOf(bytes: Buffer, { textAt, textEnd }: Frame): string | null {
  if (bytes.toString('latin1', textAt, textAt + LOGFMT.length) !== LOGFMT) return null;
  const found = / sandbox=([\w.-]{1,128})/.exec(bytes.toString('latin1', textAt, textEnd));
  return found === null ? null : `sandbox ${found[1]}`;
}

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
    const header = headerOf(text);
    if (header === null) return false;
    frame.textAt = at + header.length;
    frame.textEnd = end;
    if (header.time.nanoseconds !== NO_TIME) {
      frame.seconds = header.time.seconds;
      frame.nanoseconds = header.time.nanoseconds;
    }
    const sandbox = header.source === '' ? null : sandboxOf(bytes, frame);
    if (header.source !== '') frame.source = sandbox ?? header.source;
    if (header.isForm && sandbox === null) frame.setForm(at + header.fractionAt, header.fraction);
    return true;
  },
};
