import type { Carrier } from '../carrier.ts';
import { timeOfIso } from '../iso-time.ts';
import { libvirtRemark } from '../remarks/libvirt.ts';
import { hasFramedNote } from '../sample.ts';

/*
 * What the tools around containers print of the lines that one wrote; the names tell VMs apart:
 *
 *   2026-11-22T07:35:47.845867123Z vtd_reset_exit               docker logs -t, kubectl logs --timestamps
 *   [pod/virt-launcher-vm-a-x7k2p/compute] vtd_reset_exit       kubectl logs --prefix
 *   [pod/virt-launcher-vm-a-x7k2p/compute] 2026-11-22T07:35:47.845867123Z vtd_reset_exit
 *   vm-a-1  | vtd_reset_exit                                    docker compose logs
 *   vm-a-1  | 2026-11-22T07:35:47.845867123Z vtd_reset_exit     the same with -t
 *
 * Their times have nine digits behind the point, where QEMU's have six.
 */

/** Longest header that is looked for. */
const HEADER_LENGTH = 512;

const NAME = String.raw`(?:\[(pod\/[^\]\s]{1,300})\] |([a-zA-Z0-9][\w.-]{0,128}) {1,64}\| )`;
const TIME = String.raw`(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})(Z|[+-]\d\d:\d\d) `;
/** Pod, service; time, fraction, zone. */
const HEADER = new RegExp(`^${NAME}?(?:${TIME})?`);

/** Lines of QEMU as tools print the output of containers. */
export const container: Carrier = {
  name: 'container',
  title: "QEMU's lines in the output of kubectl logs, docker logs or docker compose",
  clock: 'wall',
  stampsTellVersion: false,
  embeds: true,
  remarks: [libvirtRemark],
  recognises: (head) => hasFramedNote(container, head),
  frame(bytes, at, end, frame) {
    const text = bytes.toString('latin1', at, Math.min(end, at + HEADER_LENGTH));
    const [header = '', pod, service, time, fraction = '', zone = ''] = HEADER.exec(text) ?? [];
    if (header === '') return false;
    frame.source = pod ?? service ?? '';
    frame.textAt = at + header.length;
    frame.textEnd = end;
    if (time !== undefined) {
      const { seconds, nanoseconds } = timeOfIso(time, fraction, zone);
      frame.seconds = seconds;
      frame.nanoseconds = nanoseconds;
    }
    const behindTime = time === undefined ? 0 : header.indexOf(time) + time.length;
    frame.setForm(at + behindTime + 1, fraction);
    return true;
  },
};
