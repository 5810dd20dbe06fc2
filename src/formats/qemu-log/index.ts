import type { LineFormat } from '../format.ts';
import { QemuLogDecoder } from './decode.ts';

const EVENT_LINE =
  /^(?:\d{1,10}@\d{1,11}\.\d{6}:|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z )?[a-z][a-z0-9]*_[a-z0-9_]+(?: |\r?$)/m;
const KNOWN_LINE =
  /(?:^|[:\s])(?:vtd|vfio|iommufd|global_dirty|migrate|migration|memory_region)_[a-z0-9_]+(?: |\r?$)/m;
const QEMU_LINE = /starting up libvirt version:|^(?:\S+Z )?(?:\S*\/)?(?:qemu-[a-z0-9-]+|kvm): /m;

/** Text of QEMU's `log` trace backend: `-D` files, stderr, libvirt's logs. */
export const qemuLog: LineFormat = {
  kind: 'lines',
  name: 'qemu-log',
  title: "text of QEMU's log backend",
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    return (
      KNOWN_LINE.test(text) ||
      (EVENT_LINE.test(text) && !text.includes('\0\0\0\0')) ||
      QEMU_LINE.test(text)
    );
  },
  decoder: () => new QemuLogDecoder(),
};
