import { plural } from '../../base/words.ts';
import { ENOSPC } from '../../emulation/vfio/errno.ts';
import { Basis, entryLimitGround } from '../grounds.ts';
import { errorUnlessWhatIf, modeOfFailure, type RuleBody } from '../rule.ts';

/** VTD008: host mappings reach the number that type1 accepts. */
export const dmaEntryLimit: RuleBody = {
  severity: (group) =>
    group.topic === 'near' || group.topic === 'warned' ? 'warning' : errorUnlessWhatIf(group),
  verdict: ({ mode }) => (mode === 'observed' ? 'fails' : null),
  requiredEvents: ['vfio_iommu_map_notify'],
  start: (facts, report) => ({
    'failed-map'({ mark, space, container, first, last, errno, observed, tracked }) {
      if (errno !== ENOSPC) return;
      const basis = new Basis().add(observed ? 'message' : entryLimitGround(facts));
      const mode = modeOfFailure(observed, tracked);
      report.add({ mode, mark, basis, space, container, first, last, errno, topic: 'reached' });
    },
    message({ about, mark, text }) {
      if (about.operation !== 'entry-limit') return;
      const basis = new Basis().add('message');
      report.add({ mode: 'what-if', mark, basis, topic: 'warned', detail: text, about });
    },
    'entry-limit'({ container, space, mark }) {
      const basis = new Basis().add(entryLimitGround(facts)).add('emulated');
      const detail = `${container.host.size} of ${facts.entryLimit.value}`;
      report.add({ mode: 'what-if', mark, basis, space, container, topic: 'near', detail });
    },
  }),
  message({ topic, count, iova, detail, mode }) {
    if (topic === 'warned')
      return `QEMU warns that the container may run out of mappings: ${detail}`;
    if (topic === 'near') {
      return `The container holds ${detail} mappings that the host accepts. At the limit every further MAP fails with -28 (No space left on device).`;
    }
    const fails = count === 1 ? 'fails' : 'fail';
    const verb = mode === 'observed' ? 'failed' : `${fails} by the emulation`;
    return `${plural(count, 'MAP')} ${verb} with -28 (No space left on device), ${iova === null ? '' : `the first at iova ${iova}: `}the container has reached its limit of mappings.`;
  },
  fix: () => ({
    today:
      'Raise dma_entry_limit of vfio_iommu_type1 on the host, or let the guest map larger pages (65535 mappings of 4 KiB are only 256 MiB).',
  }),
};
