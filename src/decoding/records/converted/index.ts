import type { StreamFormat } from '../../format.ts';
import { ConvertedDecoder } from './decoder.ts';
import { headerOf, isConverted } from './header.ts';

/** What `vtdscope convert` wrote, in either notation. */
export const converted: StreamFormat = {
  kind: 'stream',
  name: 'converted',
  title: 'events that vtdscope convert wrote',
  clock: 'wall',
  stampsTellVersion: false,
  recognises: isConverted,
  forHead(head) {
    const header = headerOf(head);
    if (header === null) return converted;
    const { clock, infersOperations = false, stampsTellVersion } = header;
    return { ...converted, clock, infersOperations, stampsTellVersion };
  },
  open: async (emit) => new ConvertedDecoder(emit),
};
