import { plural } from '../../base/words.ts';
import { Basis } from '../grounds.ts';
import { type RuleBody, warningUnlessWhatIf } from '../rule.ts';

/** VTD011: shadow and host map disagree, for a reason that no other rule reports. */
export const shadowDrift: RuleBody = {
  severity: warningUnlessWhatIf,
  verdict: () => null,
  requiredEvents: ['vfio_iommu_map_notify', 'vtd_page_walk_one'],
  start: (_facts, report) => ({
    drift({ space, first, last, mark, side }) {
      const basis = new Basis().add('emulated').add('deviceInferred').add('walkComplete');
      const { container } = space;
      report.add({ mode: 'active', mark, basis, space, container, first, last, topic: side });
    },
  }),
  message({ count, iova, topic }) {
    return topic === 'host'
      ? `${plural(count, 'mapping')} of the host that QEMU's shadow does not know, the first at iova ${iova}: mostly an entry that the guest had cleared and not yet invalidated when a dirty sync rebuilt the shadow, or one that iommufd left in place without a word. The device can still reach the memory behind it.`
      : `${plural(count, 'mapping')} of QEMU's shadow that the host does not hold, the first at iova ${iova}: a dirty sync met an entry that the guest had set and not yet invalidated, so that no MAP follows, or QEMU dropped the MAP on its way. The device faults there.`;
  },
  fix: () => ({
    today:
      'Mostly mends itself at the next attach. If it does not, a report with the trace around the line is worth sending upstream.',
  }),
};
