import { BatchWriter } from '../../../events/writer.ts';
import type { LineFormat } from '../../format.ts';
import { ISO_STAMP, THREAD_STAMP } from '../../stamps.ts';
import { QemuLogDecoder } from './decode.ts';

const STAMP = `(?:${THREAD_STAMP.source}|${ISO_STAMP.source})`;
/** A line as most are in a log that holds nothing else; other texts have such lines, too. */
const EVENT_LINE = new RegExp(
  String.raw`^(?:${STAMP}[a-z][a-z0-9]*_[a-z0-9_]+(?: |\r?$)|[a-z][a-z0-9]*_[a-z0-9_]+ (?![=:(]))`,
);
/** What shows that it is worth while to look for an event. */
const FAMILY =
  /(?:vtd|vfio|iommufd|global_dirty|migrate|memory_region|dirtyrate)_[a-z0-9_]+(?: |\r?$)/m;
const QEMU_LINE =
  /starting up libvirt version:|^(?:\S+Z )?(?:[\w.-]+ )?(?:\S*\/)?(?:qemu-[\w-]+|qemu|kvm): /m;
/** Lines that are counted. */
const SAMPLE = 200;

/** Text of QEMU's `log` trace backend: `-D` files, stderr, libvirt's logs. */
export const qemuLog: LineFormat = {
  kind: 'lines',
  name: 'qemu-log',
  title: "text of QEMU's log backend",
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    return QEMU_LINE.test(text) || isMostlyEvents(text) || (FAMILY.test(text) && hasEvent(head));
  },
  decoder: () => new QemuLogDecoder(),
};

function isMostlyEvents(text: string): boolean {
  const lines = text.split('\n', SAMPLE).filter((line) => line.trim() !== '');
  const events = lines.filter((line) => EVENT_LINE.test(line));
  return events.length > 0 && events.length * 2 >= lines.length;
}

/** True where an event that the replay needs can be read, whatever is around it. */
function hasEvent(head: Uint8Array): boolean {
  const writer = new BatchWriter();
  const block = Buffer.concat([head, Buffer.from('\n')]);
  const lines = new QemuLogDecoder().decode(block, writer);
  return writer.finish(block, 0, lines).traceEvents > 0;
}
