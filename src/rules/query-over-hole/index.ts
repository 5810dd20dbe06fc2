import { EINVAL } from '../../emulation/vfio/errno.ts';
import { symptom, type Unmap } from '../../inference/unmap.ts';

import { errorUnlessWhatIf, plural, type Rule } from '../rule.ts';

const needs = {
  backend: true,
  mappings: true,
  holes: true,
  noDeviceLog: true,
  version: true,
} as const;

/** True where the kernel refuses to tell the dirty bits of what is unmapped. */
export function isQueryRefused(unmap: Unmap): boolean {
  return unmap.underTracking.query === 'before' && unmap.errno === EINVAL;
}

/** VTD010: iommufd's dirty query covers a hole. */
export const queryOverHole: Rule = {
  id: 'VTD010',
  slug: 'query-over-hole',
  title: "iommufd's dirty query covers a range with holes",
  severity: errorUnlessWhatIf,
  verdict: () => 'fails',
  needs: ['vfio_iommu_map_notify', 'vtd_page_walk_one'],
  symptoms: symptom.failure,
  start: (_machine, sink) => ({
    unmap(unmap, mode) {
      if (isQueryRefused(unmap)) sink.unmap(unmap, mode, needs);
    },
  }),
  message({ mode, count, iova, sizeText }) {
    const verb = mode === 'what-if' ? 'would fail' : mode === 'active' ? 'fails' : 'failed';
    return `${plural(count, 'unmap')} ${verb} with -22: the kernel answers a dirty query only for a range that is mapped without holes. The first covers ${sizeText} at iova ${iova}. The unmap itself is done, and a running migration fails.`;
  },
  fix: () =>
    'Dirty queries of iommufd over holes: no release fixes this yet. Today: the legacy container with aw-bits=39, or do not migrate with this device attached.',
};
