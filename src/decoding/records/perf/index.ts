import type { StreamFormat } from '../../format.ts';
import { OrderedLines } from '../../ordered-lines.ts';
import { perfEventOf } from './event.ts';
import { newPerfDecoder } from './lines.ts';

/** Lines that are looked at. */
const SAMPLE = 200;

/** Events of QEMU's probes as `perf script` prints them. */
export const perfScript: StreamFormat = {
  kind: 'stream',
  name: 'perf-script',
  title: "QEMU's probes (USDT), as text of perf script",
  clock: 'boot',
  stampsTellVersion: false,
  infersOperations: true,
  recognises(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString('latin1');
    return text.split('\n', SAMPLE).some((line) => perfEventOf(line) !== null);
  },
  open: async (emit) => new OrderedLines(emit, newPerfDecoder()),
};
