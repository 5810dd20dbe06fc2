import { errorUnlessWhatIf, plural, type Rule } from './rule.ts';

const needs = { backend: true, mappings: true, version: true } as const;

/** VTD004: nothing asks for dirty bits under writable mappings. */
export const noDirtyQuery: Rule = {
  id: 'VTD004',
  slug: 'no-dirty-query',
  title: 'An unmap asks for no dirty bits',
  severity: errorUnlessWhatIf,
  verdict: () => 'loses-dirty-pages',
  needs: ['vfio_iommu_map_notify'],
  start: (_machine, sink) => ({
    judge(unmap, mode) {
      if (unmap.trackedQuery === 'none' && unmap.noQuery) sink.unmap(unmap, mode, needs);
    },
  }),
  message({ mode, count, cause, machine, atRiskText }) {
    const backend = machine.containers[0]?.backend ?? 'legacy';
    const why =
      cause === 'region-del'
        ? 'the memory listener removes a section without asking for its dirty bits'
        : backend === 'vfio-user'
          ? 'a vfio-user container tracks no dirty pages'
          : 'the iommufd backend up to 10.2 does not ask for dirty bits when it unmaps';
    const lost = mode === 'what-if' ? 'would be lost' : 'are lost';
    return `${plural(count, 'unmap')}: ${why}. Writes since the last sync to ${atRiskText} ${lost}.`;
  },
  fix: ({ cause }) =>
    cause === 'region-del'
      ? 'RAM sections: fixed in QEMU 11.0. Sections of a translated device: no release yet. Today: do not let the guest switch a device between pass-through and translation while migrating.'
      : 'iommufd: fixed in QEMU 11.0. Today: do not migrate with this device attached.',
};
