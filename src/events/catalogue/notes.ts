import type { Declarations } from './declaration.ts';

/** What a failing call and its result tell. */
const failedCall = {
  container: 'u64',
  iova: 'u64',
  size: 'u64',
  errno: 'i32',
  text: 'text',
  era: 'u32',
  flags: 'u32',
} as const;

/** What a trace says beside its trace events, in the same batches. */
export const notes = {
  /** QEMU's message "UNMAP: Size of bitmap too big". */
  'message:bitmap-too-big': { args: { bytes: 'u64', flags: 'u32' }, shapes: [] },
  /** "...dma_unmap(container, iova, size) = errno (text)"; `flags`: of `messageFlag`. */
  'message:dma-unmap-failed': { args: failedCall, shapes: [] },
  /** "...dma_map(container, iova, size, vaddr) = errno (text)", and the region's name if one is told. */
  'message:dma-map-failed': { args: { ...failedCall, region: 'text' }, shapes: [] },
  /**
   * The end of a failing call of which a mailer put the front into the line before: what is left of its
   * numbers, in hexadecimal, and what it returned.
   */
  'message:call-rest': { args: { errno: 'i32', numbers: 'text', text: 'text' }, shapes: [] },
  /** Any other message that is known; `about` is an index into `messageTexts`, `errno` 0 where none is told. */
  'message:known': {
    args: { about: 'u32', errno: 'i32', iova: 'u64', limit: 'u32', flags: 'u32', text: 'text' },
    shapes: [],
  },
  /** A line with QEMU's program name that no text is known for: proof that messages are in this trace. */
  'message:unknown': { args: { text: 'text' }, shapes: [] },
  /** libvirt's "starting up": a new boot begins. */
  'session:start': { args: { qemu: 'text' }, shapes: [] },
  /** A line of the command that libvirt printed. */
  'session:argument': { args: { text: 'text' }, shapes: [] },
  /** The guest's name, of libvirt or of `-msg guest-name=on`. */
  'session:name': { args: { name: 'text' }, shapes: [] },
  /** QEMU ended: a signal, or libvirt's "shutting down". */
  'session:end': { args: { text: 'text' }, shapes: [] },
  /**
   * Something of the trace is lost here; `kind` is an index into `lossKinds`. `isBefore` is 1 where it
   * may be missing anywhere before.
   */
  'trace:loss': {
    args: { kind: 'u32', count: 'u64', detail: 'text', isBefore: 'u32' },
    shapes: [],
  },
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

/** What a message tells beside its words, as bits. */
export const messageFlag = {
  /** It is a warning. */
  warning: 1,
  /** It repeats what was said when it happened, as a monitor's status does. */
  retold: 2,
  /** It names an address. */
  hasIova: 4,
  /** It happened while a device was being attached. */
  atAttach: 8,
  /** Its program is not that of an x86 host. */
  notX86: 16,
  /** It is a field of a line that another program wrote: in logfmt, or in JSON. */
  inLogfmt: 32,
  inJson: 64,
  /** The kernel wrote it, and not QEMU. */
  ofKernel: 128,
  /** Its time is of QEMU's own stamp. */
  qemusTime: 256,
} as const;
