import { hexOfPages } from '../../base/address.ts';
import { plural } from '../../base/words.ts';
import { symptom } from '../../inference/unmap.ts';
import { errorUnlessWhatIf, type GroupView, type RuleBody } from '../rule.ts';

const restsOn = { backend: true, address: true, mappings: true, ram: true } as const;

/** Pages for which QEMU allocates a piece of its dirty bitmap: `DIRTY_MEMORY_BLOCK_SIZE`, 8 GiB. */
const BLOCK_PAGES = 2 ** 21;

/** Bits in the last piece of the bitmap have room, those behind it have none. */
function harmOf({ pastRamPage, facts }: GroupView): string {
  const allocated = (Math.floor(facts.ramPages / BLOCK_PAGES) + 1) * BLOCK_PAGES;
  return pastRamPage < allocated
    ? 'They stay inside QEMU’s own bitmap, which has room for 8 GiB at a time, and mean no page.'
    : 'QEMU writes outside its own bitmap: memory corruption or a crash (SIGSEGV).';
}

/** VTD006: dirty bits would be set past the end of RAM. */
export const markPastRam: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'loses-dirty-pages',
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed', 'vtd_page_walk_one'],
  restsOn,
  symptoms: symptom.pastRam,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      if (unmap.succeedsTracked) report.unmap(unmap, mode);
    },
  }),
  message(group) {
    const { mode, count, iova, sizeText, pastRamPage, facts, lastLine } = group;
    const verb = mode === 'what-if' ? 'would set' : 'sets';
    const died = mode !== 'what-if' && facts.diedAtLine === lastLine;
    return (
      `${plural(count, 'unmap')}: by the wrong address QEMU ${verb} dirty bits past the end of RAM, up to ` +
      `ram_addr ${hexOfPages(pastRamPage)}. The first covers ${sizeText} at iova ${iova}. ${harmOf(group)}` +
      (died ? ' The trace ends right there, as it does when QEMU dies of it.' : '')
    );
  },
  fix: ({ cause, facts }) => ({
    release:
      cause === 'whole-unmap' && facts.viommu.unmapsByNode
        ? { of: 'Dirty bits past the end of RAM, set for whole unmaps', first: '11.0' }
        : {
            of:
              cause === 'whole-unmap'
                ? `Dirty bits past the end of RAM, set for whole unmaps of ${facts.viommu.name}`
                : 'Dirty bits past the end of RAM, set for single mappings',
            first: null,
            note: '11.x included',
          },
    today: `No migration, dirty-rate measurement or dirty limit with this device attached${
      facts.mayHaveAwBits ? '; aw-bits=39 on intel-iommu only keeps the damage smaller' : ''
    }.`,
  }),
};
