import { plural } from '../../base/words.ts';
import { Basis, unmapsGround } from '../grounds.ts';
import { errorUnlessWhatIf, type RuleBody } from '../rule.ts';

const WHY = {
  wrap: 'while dirty tracking is on, QEMU 11.x unmaps mapping by mapping and, by an overflow, misses everything from iova 0xfef00000 up',
  unlisted:
    'while dirty tracking is on, QEMU 11.x unmaps only what its own list holds, and these are not in it as the host has them',
  'failed-unmap': 'the unmap that should have removed them failed',
  'failed-removal': 'the unmap by which QEMU takes the section of memory out failed',
  'skipped-invalidation':
    'the guest invalidated them when QEMU had already forgotten them, so that nothing was unmapped',
  forgotten:
    'a dirty sync did not find them there, forgot them and unmapped nothing, so that no later invalidation unmaps them',
} as const;

/** Why they should not be there. */
const LEFT = {
  wrap: 'the device has left the domain',
  unlisted: 'the device has left the domain',
  'failed-unmap': 'the device has left the domain',
  'failed-removal': 'the device has another address space',
  'skipped-invalidation': 'the guest has invalidated them',
  forgotten: "they are no longer in the guest's tables",
} as const;

/** What brought the unmap that did not remove them. */
const CAUSES = {
  wrap: 'drain',
  unlisted: 'drain',
  'failed-unmap': 'whole-unmap',
  'failed-removal': 'region-del',
  'skipped-invalidation': 'page-walk',
  forgotten: 'unknown',
} as const;

/** VTD005: a host mapping outlives the unmap that should have removed it. */
export const staleHostMapping: RuleBody = {
  severity: errorUnlessWhatIf,
  verdict: () => 'leaves-mappings',
  requiredEvents: [
    'amdvi_devtab_inval',
    'memory_region_sync_dirty',
    'vfio_iommu_map_notify',
    'vtd_page_walk_one_skip_unmap',
    'vtd_switch_address_space',
    'vtd_inv_desc_cc_device',
    'vtd_ce_not_present',
  ],
  start: (facts, report) => ({
    'stale-mappings'({ mark, space, container, count, first, last, guest, pages, why, happened }) {
      const basis = new Basis().add('emulated');
      const isVtd = facts.viommu.name === 'intel-iommu';
      if (space.bdf !== null) basis.add('deviceInferred');
      else basis.add(isVtd ? 'deviceUntold' : 'deviceUntoldElsewhere');
      const unchecked = unmapsGround(facts);
      if (unchecked !== null) basis.add(unchecked);
      const isInMigration = why === 'wrap' || why === 'unlisted';
      if (isInMigration) {
        const source = facts.versionSource;
        if (source === 'option') basis.add('versionOption');
        else if (!facts.versionsAgree('unmapInMigration')) basis.add('versionAssumed');
        else if (source === 'derived') basis.add('versionDerived');
      }
      report.add({
        mode: happened ? 'active' : 'what-if',
        mark,
        basis,
        restsOn: { backend: why === 'failed-unmap' || why === 'failed-removal' },
        cause: CAUSES[why],
        space,
        container,
        count,
        first,
        last,
        risk: guest,
        topic: why,
        detail: String(pages),
      });
    },
  }),
  message({ mode, count, iova, sizeText, topic }) {
    const isOne = count === 1;
    const verb = mode === 'what-if' ? 'would stay' : isOne ? 'stays' : 'stay';
    const why = WHY[topic as keyof typeof WHY];
    const left = LEFT[topic as keyof typeof LEFT];
    return (
      `${plural(count, 'host mapping')} ${verb} in the container although ${left}: ${why}. The first covers ${sizeText} at iova ${iova}. The device can still reach the ` +
      `memory behind ${isOne ? 'it' : 'them'}, and mapping the same iova again fails with -17 (File exists).`
    );
  },
  fix: ({ topic }) =>
    topic === 'wrap'
      ? {
          release: { of: 'Mappings left behind', first: null, note: '11.x included' },
          today:
            'Do not migrate, and do not measure the dirty rate, while a guest may move the device to another domain.',
        }
      : { followsFrom: 'the failure before it: see that finding' },
};
