import { plural } from '../../base/words.ts';
import { ENOMEM } from '../../emulation/vfio/errno.ts';
import { type RuleBody, warningUnlessWhatIf } from '../rule.ts';

const restsOn = { backend: true, bitmapSize: true } as const;
/** Bitmaps from here on are worth a word: one is allocated, and cleared, for each such unmap. */
const WORTH_NOTING_BYTES = 128 * 2 ** 20;

/** VTD007: QEMU allocates a very large bitmap; the allocation can fail before the limit is checked. */
export const bitmapMemory: RuleBody = {
  severity: warningUnlessWhatIf,
  verdict: () => null,
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed'],
  restsOn,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      if (unmap.isReplacedByNodes || unmap.underTracking.query !== 'bitmap') return;
      const failed = unmap.message.isSeen && unmap.asTraced.errno === ENOMEM;
      if (!failed && unmap.bitmapBytes < WORTH_NOTING_BYTES) return;
      // Another failure, such as a bitmap that was too big, says nothing of its memory.
      const unsaid = unmap.tracked === true ? 'active' : 'what-if';
      report.unmap(unmap, mode === 'observed' && !failed ? unsaid : mode);
    },
  }),
  message({ mode, count, bitmapText, errno }) {
    const verb = mode === 'what-if' ? 'would allocate' : 'allocates';
    const failed = errno === ENOMEM ? ' Here the allocation failed (-12).' : '';
    return (
      `${plural(count, 'unmap')}: QEMU ${verb} a dirty bitmap of ${bitmapText} for the first. From 8.2 on it ` +
      `does so before it checks the limit, so a host short of memory returns -12 in the place of -7.${failed}`
    );
  },
  fix: ({ facts }) => ({
    today: facts.mayHaveAwBits
      ? 'aw-bits=39 on intel-iommu keeps every bitmap at 8 MiB or less.'
      : 'Leave the host memory for a bitmap of a bit per page of the largest memory section.',
  }),
};
