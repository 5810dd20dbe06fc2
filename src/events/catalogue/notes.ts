import type { Declarations } from './declaration.ts';

/** What a trace says beside its trace events, in the same batches. */
export const notes = {
  /** QEMU's message "UNMAP: Size of bitmap too big". */
  'message:bitmap-too-big': { args: { bytes: 'u64' }, shapes: [] },
  /** "...dma_unmap(container, iova, size) = errno (text)". */
  'message:dma-unmap-failed': {
    args: { container: 'u64', iova: 'u64', size: 'u64', errno: 'i32', text: 'text', era: 'u32' },
    shapes: [],
  },
  /** "...dma_map(container, iova, size, vaddr) = errno (text)". */
  'message:dma-map-failed': {
    args: { container: 'u64', iova: 'u64', size: 'u64', errno: 'i32', text: 'text', era: 'u32' },
    shapes: [],
  },
  /** Any other message of QEMU that a rule knows; `topic` is an index into `messageTopics`. */
  'message:other': { args: { topic: 'u32', text: 'text' }, shapes: [] },
  /** A line with QEMU's program name that no rule knows: proof that messages are in this trace. */
  'message:unknown': { args: {}, shapes: [] },
  /** libvirt's "starting up": a new boot begins. */
  'session:start': { args: { qemu: 'text' }, shapes: [] },
  /** A line of the command that libvirt printed. */
  'session:argument': { args: { text: 'text' }, shapes: [] },
  /** The guest's name, of libvirt or of `-msg guest-name=on`. */
  'session:name': { args: { name: 'text' }, shapes: [] },
  /** QEMU ended: a signal, or libvirt's "shutting down". */
  'session:end': { args: { text: 'text' }, shapes: [] },
  /** Something of the trace is lost here; `kind` is an index into `lossKinds`. */
  'trace:loss': { args: { kind: 'u32', count: 'u64', detail: 'text' }, shapes: [] },
} as const satisfies Declarations;

/** The ways in which a trace loses something; the order is the number in `trace:loss`. */
export const lossKinds = [
  'dropped',
  'overwritten',
  'torn',
  'unreadable',
  'truncated',
  'missing-events',
  'starts-late',
  'rate-limited',
] as const;
export type LossKind = (typeof lossKinds)[number];

/** What QEMU's own messages are about; the order is the number in `message:other`. */
export const messageTopics = [
  /** The kernel refused an unmap; QEMU's own "= -1" or "= -22" follows. */
  'unmap-ioctl',
  'bitmap-allocation',
  'dirty-query',
  'tracking-start',
  'tracking-stop',
  'map-dropped',
  'wrong-address-space',
  'blocker-viommu',
  'blocker-tracking',
  'blocker-memory',
  'migration-failed',
  /** A failed unmap that only the end of a migration tells of. */
  'unmap-told-late',
  'backend',
  /** Only QEMU 11.x prints this warning. */
  'dmabuf-fallback',
] as const;
export type MessageTopic = (typeof messageTopics)[number];

/** Where the version of QEMU shows in the name of a failing function: 0 unknown, 1 7.2, 2 10.0 and later. */
export const messageEra = { unknown: 0, old: 1, current: 2 } as const;
