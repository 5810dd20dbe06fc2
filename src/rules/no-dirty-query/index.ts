import { plural } from '../../base/words.ts';
import { symptom } from '../../inference/unmap.ts';
import { errorUnlessWhatIf, type RuleBody } from '../rule.ts';

const restsOn = { backend: true, mappings: true, version: true } as const;

/** VTD004: nothing asks for dirty bits under writable mappings. */
export const noDirtyQuery: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'loses-dirty-pages',
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed', 'vtd_page_walk_one'],
  restsOn,
  symptoms: symptom.noQuery,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      report.unmap(unmap, mode);
    },
  }),
  message({ mode, count, cause, backend, atRiskText }) {
    const why =
      cause === 'region-del'
        ? 'the memory listener removes a section without asking for its dirty bits'
        : backend === 'vfio-user'
          ? 'a vfio-user container tracks no dirty pages'
          : 'the iommufd backend up to 10.2 does not ask for dirty bits when it unmaps';
    const lost = mode === 'what-if' ? 'would be lost' : 'are lost';
    return `${plural(count, 'unmap')}: ${why}. Writes since the last sync to ${atRiskText} ${lost}.`;
  },
  fix({ cause, backend }) {
    if (cause === 'region-del') {
      return {
        release: {
          of: 'Switches between pass-through and translation',
          first: '11.0',
          note: 'but only for the RAM of a device in pass-through, not for that of a translated one',
        },
        today: 'Do not let the guest switch a device while migrating.',
      };
    }
    return {
      release:
        backend === 'vfio-user'
          ? { of: 'vfio-user tracks no dirty pages', first: null }
          : { of: 'Unmaps of iommufd without a dirty query', first: '11.0' },
      today: 'Do not migrate with this device attached.',
    };
  },
};
