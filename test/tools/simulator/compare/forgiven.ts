/** Something that nobody can know from a log. */
interface Untellable {
  /** why nobody can */
  readonly why: string;
  /** what the result says in its place */
  readonly graded: string;
}

/**
 * Everything that a comparison lets pass, with its reason and with how the result is graded for it. A
 * thing that is forgiven is still checked for soundness (`compare-claims.ts`): the analyzer may not
 * know it, but it may not claim the wrong thing either.
 */
export const forgiven = {
  'events-off': {
    why: 'the log lacks kinds of events that tell it',
    graded: 'null, unknown, assumed or inconclusive; the basis names the events',
  },
  'starts-late': {
    why: 'the trace was switched on after the boot',
    graded: 'inconclusive; mappings are those since the beginning (derived), or assumed',
  },
  'version-unknown': {
    why: 'no line tells this version of QEMU from those that behave otherwise',
    graded: 'the version, and what rests on it, is assumed',
  },
  'version-late': {
    why: 'the line that tells the version of QEMU came only later',
    graded: 'what was judged by another version until then is assumed',
  },
  'flag-word-silent': {
    why: 'no line told of tracking up to there: it was off, or is not traced',
    graded: 'tracked is null; inconclusive where it would do harm',
  },
  'page-size-untold': {
    why: 'the host page size is not 4 KiB, and no line had told it yet',
    graded: 'derived, as a constant of the platform that the basis names',
  },
  'limit-untold': {
    why: 'the largest bitmap is not the one of the kernel, and no line had told it yet',
    graded: 'derived, as a constant of the platform that the basis names',
  },
  'device-log-untold': {
    why: 'that devices log their own DMA shows only when tracking starts for the first time',
    graded: 'what only a bitmap with the unmap would bring is assumed',
  },
  'failure-unseen': {
    why: 'an operation failed for a reason outside the log, and messages are not in it',
    graded: 'derived: the basis says that no message tells what the host made of it',
  },
  'rom-untold': {
    why: 'whether a section of the first megabyte is a ROM is not traced for legacy containers; it is taken as writable',
    graded: 'assumed: the basis says that it is taken as writable',
  },
  'moved-silently': {
    why: 'one of two devices was moved without an invalidation: whose tables are walked shows only afterwards',
    graded: 'not at all: such a guest breaks the rules of VT-d',
  },
  'addresses-untold': {
    why: 'AMD-Vi prints no guest addresses of what it maps',
    graded: 'inconclusive, where nothing is worse; memory at risk is without addresses',
  },
  'read-only-untold': {
    why: 'AMD-Vi prints no permissions, and some pages of this guest can only be read',
    graded: 'derived: the basis says that mappings are taken as writable',
  },
  'several-devices': {
    why: 'AMD-Vi names neither the device of a notification nor the domain of a device, and there are two',
    graded: 'the device is null, or assumed; inconclusive',
  },
  'never-named': {
    why: 'behind AMD-Vi nothing names a device that is never translated',
    graded: 'the device is null',
  },
  'left-by-amd': {
    why: 'that a mapping is no longer the guest’s, or is again, shows in no line where AMD-Vi does not unmap it',
    graded: 'VTD009 where its place is mapped again; else not at all',
  },
  died: {
    why: 'QEMU died in the middle of an operation: what it had done by then is not in the log',
    graded: 'the device is null, what it maps is doubtful',
  },
  'skips-off': {
    why: 'invalidations that QEMU skipped are not traced',
    graded: 'inconclusive where one may have met what QEMU had forgotten',
  },
  'nothing-notified': {
    why: 'no notifier was ever called, which looks as if that were not traced',
    graded: 'inconclusive',
  },
} as const satisfies Readonly<Record<string, Untellable>>;

export type Forgiven = keyof typeof forgiven;
