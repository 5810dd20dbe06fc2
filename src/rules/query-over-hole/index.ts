import { plural } from '../../base/words.ts';
import { symptom } from '../../inference/unmap.ts';
import { isQueryRefused } from '../failures.ts';
import { errorUnlessWhatIf, type RuleBody } from '../rule.ts';

const restsOn = {
  backend: true,
  mappings: true,
  holes: true,
  noDeviceLog: true,
  version: true,
} as const;

/** VTD010: iommufd's dirty query covers a hole. */
export const queryOverHole: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'fails',
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed', 'vtd_page_walk_one'],
  restsOn,
  symptoms: symptom.failure,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      if (isQueryRefused(unmap)) report.unmap(unmap, mode);
    },
  }),
  message({ mode, count, iova, sizeText }) {
    const verb =
      mode === 'what-if'
        ? 'would fail'
        : mode === 'observed'
          ? 'failed'
          : count === 1
            ? 'fails'
            : 'fail';
    return `${plural(count, 'unmap')} ${verb} with -22: the kernel answers a dirty query only for a range that is mapped without holes. The first covers ${sizeText} at iova ${iova}. The unmap itself is done, and a running migration fails.`;
  },
  fix: ({ facts }) => ({
    release: { of: 'Dirty queries of iommufd over holes', first: null },
    today: facts.mayHaveAwBits
      ? 'The legacy container with aw-bits=39, or do not migrate with this device attached.'
      : 'Do not migrate with this device attached.',
  }),
};
