import { plural } from '../../base/words.ts';
import { symptom } from '../../inference/unmap.ts';
import { errorUnlessWhatIf, type RuleBody } from '../rule.ts';

const restsOn = { backend: true, address: true, mappings: true, ram: true } as const;

/** VTD002: an unmap that succeeds carries address 0 while writable mappings under it live elsewhere. */
export const zeroTranslatedAddress: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'loses-dirty-pages',
  requiredEvents: ['vfio_iommu_map_notify', 'global_dirty_changed', 'vtd_page_walk_one'],
  restsOn,
  symptoms: symptom.harmfulZero,
  start: (_facts, report) => ({
    unmap(unmap, mode) {
      if (unmap.succeedsTracked) report.unmap(unmap, mode);
    },
  }),
  message({ mode, count, cause, iova, misplaced, atRiskText }) {
    const from =
      cause === 'whole-unmap'
        ? 'QEMU unmaps a whole IOVA space in pieces that carry address 0'
        : cause === 'request'
          ? 'virtio-iommu unmaps whatever it is with address 0'
          : 'the guest had cleared the page-table entry, and QEMU sends what is left in it, 0';
    const lost = mode === 'what-if' ? 'would lose' : 'loses';
    const where =
      misplaced === null
        ? ''
        : `; the first, at iova ${iova}, belongs to guest address ${misplaced}`;
    return (
      `${plural(count, 'unmap')}: ${from}. QEMU marks pages from ram_addr 0 on as dirty instead of ` +
      `those that were mapped, and ${lost} the dirty bits of ${atRiskText}${where}.`
    );
  },
  fix: ({ cause, facts }) =>
    cause === 'whole-unmap' && !facts.viommu.unmapsByNode
      ? {
          release: {
            of: `Address 0 in whole unmaps of ${facts.viommu.name}`,
            first: null,
            note: '11.1 included',
          },
          today: 'Do not migrate while a guest may move the device to another domain.',
        }
      : cause === 'whole-unmap'
        ? {
            release: {
              of: 'Address 0 in whole unmaps',
              first: '11.0',
              note: 'but not for RAM above 4 GiB (VTD003)',
            },
            today: 'Do not migrate while a guest may move the device to another domain.',
          }
        : {
            release: {
              of:
                cause === 'request'
                  ? 'Address 0 in unmaps of virtio-iommu'
                  : 'Address 0 in unmaps of single pages',
              first: null,
              note: '11.x included',
            },
            today: 'Unplug the device, or shut its driver down, before migrating.',
          },
};
