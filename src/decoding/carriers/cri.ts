import type { Carrier } from '../carrier.ts';
import { timeOfIso } from '../iso-time.ts';
import { ISO_TIME } from '../patterns.ts';
import { libvirtRemark } from '../remarks/libvirt.ts';
import { hasFramedNote } from '../sample.ts';

/*
 * What a container runtime of Kubernetes (containerd, CRI-O) writes below /var/log/pods: time, stream,
 * tags, and a line that the container wrote, or a part of one. A part has the tag P, and its rest comes
 * in the next line of the same stream; CRI-O cuts wherever it happened to read.
 *
 *   2026-11-22T07:35:47.845867123Z stderr P 2026-11-22T07:35:47.845867Z vtd_switch_a
 *   2026-11-22T07:35:47.845867123+01:00 stderr F ddress_space Device 00:00.0 switching ...
 */

/** Longest header that is looked for. */
const HEADER_LENGTH = 128;

/** Time, fraction, zone, stream, tag. */
const HEADER = new RegExp(String.raw`^${ISO_TIME} (stdout|stderr) ([PF])(?::\S{0,64})?(?: |$)`);

/** Lines of QEMU in the log of a container runtime. */
export const cri: Carrier = {
  name: 'cri',
  title: "QEMU's lines in a container runtime's log (CRI)",
  clock: 'wall',
  stampsTellVersion: false,
  embeds: true,
  joins: true,
  remarks: [libvirtRemark],
  recognises: (head) => hasFramedNote(cri, head),
  frame(bytes, at, end, frame) {
    const text = bytes.toString('latin1', at, Math.min(end, at + HEADER_LENGTH));
    const [header, time = '', fraction = '', zone = 'Z', stream = '', tag] =
      HEADER.exec(text) ?? [];
    if (header === undefined) return false;
    const { seconds, nanoseconds } = timeOfIso(time, fraction, zone);
    frame.seconds = seconds;
    frame.nanoseconds = nanoseconds;
    frame.stream = stream;
    frame.isPart = tag === 'P';
    frame.textAt = at + header.length;
    frame.textEnd = end;
    if (header.endsWith(' ')) frame.setForm(at + time.length + 1, fraction);
    return true;
  },
};
