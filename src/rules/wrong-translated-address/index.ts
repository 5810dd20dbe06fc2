import { plural } from '../../base/words.ts';
import { symptom } from '../../inference/unmap.ts';
import { errorUnlessWhatIf, type RuleBody } from '../rule.ts';

const restsOn = { backend: true, address: true, mappings: true, ram: true, version: true } as const;

/** VTD003: an unmap carries a non-zero address that is not its mapping's. */
export const wrongTranslatedAddress: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'loses-dirty-pages',
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed', 'vtd_page_walk_one'],
  restsOn,
  symptoms: symptom.wrongAddress,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      if (unmap.succeedsTracked) report.unmap(unmap, mode);
    },
  }),
  message({ mode, count, cause, carried, expected, misplaced, iova, atRiskText }) {
    const why =
      cause === 'changed-translation'
        ? 'the guest changed a translation in place, and QEMU sends the new address with the unmap of the old'
        : 'QEMU uses a guest-physical address as ram_addr, which differs above the hole under 4 GiB, or an address left in the page table';
    const lost = mode === 'what-if' ? 'would lose' : 'loses';
    return (
      `${plural(count, 'unmap')}: ${why}. The first, at iova ${iova}, carries ${carried ?? 'another address'} where ` +
      `${expected === misplaced ? '' : `ram_addr ${expected}, which is `}guest address ${misplaced}, is mapped. Migration ${lost} the dirty bits of ${atRiskText}.`
    );
  },
  fix: ({ cause }) =>
    cause === 'changed-translation'
      ? {
          release: { of: 'A translation changed in place', first: null, note: '11.x included' },
          today: 'Keep the device quiet, or unplug it, before migrating.',
        }
      : {
          release: { of: 'A guest address sent as ram_addr', first: null, note: '11.x included' },
          today:
            'Keep guest RAM below the hole (less than 2.75 GiB on q35), or unplug the device before migrating.',
        },
};
