import type { StreamFormat } from '../../format.ts';
import { SimpleDecoder } from './decoder.ts';
import { headerOf, isHeaderless, VERSION } from './wire.ts';

/** The binary files of QEMU's `simple` trace backend. */
export const simple: StreamFormat = {
  kind: 'stream',
  name: 'simple',
  title: "records of QEMU's simple backend",
  clock: 'monotonic',
  stampsTellVersion: false,
  isWhole: true,
  recognises: (head) => headerOf(head)?.version === VERSION,
  open: async (emit, events = null) => new SimpleDecoder(emit, events, true),
};

/** The same records as SystemTap writes them, without a header. */
export const simpleHeaderless: StreamFormat = {
  kind: 'stream',
  name: 'simple-headerless',
  title: "records of SystemTap's simpletrace",
  clock: 'wall',
  stampsTellVersion: false,
  isWhole: true,
  needsEvents: true,
  recognises: isHeaderless,
  open: async (emit, events = null) => new SimpleDecoder(emit, events, false),
};
