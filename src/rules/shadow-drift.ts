import { Basis } from './basis.ts';
import { plural, type Rule, warningUnlessWhatIf } from './rule.ts';

/** VTD011: shadow and host map disagree, for a reason that no other rule reports. */
export const shadowDrift: Rule = {
  id: 'VTD011',
  slug: 'shadow-drift',
  title: "QEMU's shadow and the host's mappings disagree",
  severity: warningUnlessWhatIf,
  verdict: () => null,
  needs: ['vfio_iommu_map_notify', 'vtd_page_walk_one'],
  start: (_machine, sink) => ({
    drift(space, first, last, mark, detail) {
      const basis = new Basis().add('emulated').add('deviceInferred');
      const { container } = space;
      sink.add({ mode: 'active', mark, basis, space, container, first, last, topic: detail });
    },
  }),
  message({ count, iova, topic }) {
    return topic === 'host'
      ? `${plural(count, 'mapping')} of the host that QEMU's shadow does not know, the first at iova ${iova}: mostly an entry that the guest cleared and had not invalidated when a dirty sync rebuilt the shadow.`
      : `${plural(count, 'mapping')} of QEMU's shadow that the host does not hold, the first at iova ${iova}: the device faults there.`;
  },
  fix: () =>
    'Mostly mends itself at the next attach. If it does not, a report with the trace around the line is worth sending upstream.',
};
