/**
 * Everything that a comparison lets pass, with its reason: things that nobody can know from the log.
 * A thing that is forgiven is still checked for soundness: the analyzer may not know it, but it may
 * not claim the wrong thing either.
 */
export const forgiven = {
  'events-off': 'the log lacks kinds of events that tell it',
  'starts-late': 'the trace was switched on after the boot',
  'version-unknown': 'no line tells this version of QEMU from those that behave otherwise',
  'version-late': 'the line that tells the version of QEMU came only later',
  'flag-word-silent': 'no line told of tracking up to there: it was off, or is not traced',
  'page-size-untold': 'the host page size is not 4 KiB, and no line had told it yet',
  'limit-untold': 'the largest bitmap is not the one of the kernel, and no line had told it yet',
  'device-log-untold':
    'that devices log their own DMA shows only when tracking starts for the first time',
  'failure-unseen': 'an operation failed for a reason outside the log, and messages are not in it',
  'rom-untold':
    'whether a section of the first megabyte is a ROM is not traced for legacy containers; it is taken as writable',
  'moved-silently':
    'one of two devices was moved without an invalidation: whose tables are walked shows only afterwards',
  died: 'QEMU died in the middle of an operation: what it had done by then is not in the log',
  'skips-off': 'invalidations that QEMU skipped are not traced',
  'nothing-notified': 'no notifier was ever called, which looks as if that were not traced',
} as const;

export type Forgiven = keyof typeof forgiven;
