import { errorUnlessWhatIf, plural, type Rule } from './rule.ts';

const needs = { backend: true, address: true, mappings: true, ram: true } as const;

/** VTD006: dirty bits would be set past the end of RAM. */
export const markPastRam: Rule = {
  id: 'VTD006',
  slug: 'mark-past-ram',
  title: 'Dirty bits are set past the end of RAM',
  severity: errorUnlessWhatIf,
  verdict: () => 'loses-dirty-pages',
  needs: ['vfio_iommu_map_notify', 'vtd_page_walk_one'],
  start: (_machine, sink) => ({
    judge(unmap, mode) {
      const succeeds = unmap.tracked === true ? unmap.errno === 0 : unmap.trackedErrno === 0;
      if (succeeds && unmap.pastRamPage >= 0) sink.unmap(unmap, mode, needs);
    },
  }),
  message({ mode, count, iova, sizeText, detail }) {
    const verb = mode === 'what-if' ? 'would set' : 'sets';
    const end = detail === '' ? '' : ` ${detail}`;
    return (
      `${plural(count, 'unmap')}: by the wrong address QEMU ${verb} dirty bits past the end of RAM. ` +
      `The first covers ${sizeText} at iova ${iova}. QEMU writes outside its own bitmap: memory ` +
      `corruption or a crash (SIGSEGV).${end}`
    );
  },
  fix: () =>
    'Follows from the wrong address: see VTD002 and VTD003. Today: aw-bits=39 keeps the damage smaller; do not migrate with this device attached.',
};
