import type { Carrier } from '../carrier.ts';
import { FAMILY, LONGEST_NAME, STAMP } from '../patterns.ts';
import { ftraceRemark } from '../remarks/ftrace.ts';
import { journalRemark } from '../remarks/journal.ts';
import { libvirtRemark } from '../remarks/libvirt.ts';
import { countNotes } from '../sample.ts';

/*
 * QEMU's `log` trace backend, alone or among what else a process prints: stderr, a libvirt log, a
 * file of `-D`. Nothing stands before a line but QEMU's stamp:
 *
 *   vtd_reset_exit                                                   any version, no time stamps
 *   1331@1795334254.166216:vtd_reset_exit                            to 10.1 with -msg timestamp=on
 *   2026-11-22T07:51:14.717309Z vtd_reset_exit                       from 10.2 on
 *   2026-11-22T07:51:14Z qemu-system-x86_64: message                 messages, in all versions
 *   2026-11-22 07:33:15.201+0000: starting up libvirt version: ...   libvirt
 */

/** A line as most are in a log that holds nothing else; other texts have such lines, too. */
const EVENT_LINE = new RegExp(
  String.raw`^(?:${STAMP}[a-z][a-z0-9]*_[a-z0-9_]+(?: |\r?$)|[a-z][a-z0-9]*_[a-z0-9_]+ (?![=:(]))`,
);
/** What shows that it is worth while to look for an event. */
const NAMED_LIKE_EVENT = new RegExp(
  String.raw`${FAMILY}[a-z0-9_]{1,${LONGEST_NAME}}(?: |\r?$)`,
  'm',
);
const QEMU_LINE =
  /starting up libvirt version:|^(?:\S+Z )?(?:[\w.-]+ )?(?:\S*\/)?(?:qemu-[\w-]+|qemu|kvm): /m;
/** What shows that it is worth while to look for a message. */
const MESSAGE =
  /vfio|VFIO|IOMMU|iommu|bitmap|vtd_|[Mm]igration|QEMU|qemu|kvm|hostdev|host device|DMAR|AMD-Vi|locked memory|FLR|NotLiveMigratable/;
const LIBVIRT_LINE = /starting up libvirt version:/;
/** A field of journalctl -o verbose, where each entry has many lines. */
const JOURNAL_FIELD = /^ {4}MESSAGE=/m;
/** Lines that are counted. */
const SAMPLE = 200;
/** Lines of a text that may quote a log, and how many it may quote. */
const QUOTE_SAMPLE = 400;
const MOST_QUOTED = 12;
/** A text that quotes has more than so many lines for each that it quotes. */
const FEWEST_OTHERS = 4;

/** Lines as QEMU prints them: `-D` files, stderr, libvirt's logs. */
export const plain: Carrier = {
  name: 'qemu-log',
  title: "text of QEMU's log backend",
  clock: 'wall',
  stampsTellVersion: true,
  embeds: false,
  remarks: [libvirtRemark, journalRemark, ftraceRemark],
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    if (QEMU_LINE.test(text) || isMostlyEvents(text)) return true;
    return (NAMED_LIKE_EVENT.test(text) || MESSAGE.test(text)) && countNotes(plain, head) > 0;
  },
  isQuotedIn(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    const lines = text.split('\n', QUOTE_SAMPLE);
    const all = lines.filter((line) => line.trim() !== '').length;
    const read = countNotes(plain, head.subarray(0, lines.join('\n').length));
    const isLog = LIBVIRT_LINE.test(text) || JOURNAL_FIELD.test(text);
    return read <= MOST_QUOTED && read * FEWEST_OTHERS < all && !isLog;
  },
  frame: () => false,
};

function isMostlyEvents(text: string): boolean {
  const lines = text.split('\n', SAMPLE).filter((line) => line.trim() !== '');
  const events = lines.filter((line) => EVENT_LINE.test(line));
  return events.length > 0 && events.length * 2 >= lines.length;
}
