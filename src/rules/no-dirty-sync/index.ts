import { plural } from '../../base/words.ts';
import { Basis } from '../grounds.ts';
import type { RuleBody } from '../rule.ts';

/** Nobody names them one by one: where one is traced, all of VFIO is. */
const WITH_ALL_OF_VFIO = [
  'vfio_device_get',
  'vfio_get_device',
  'vfio_device_reset_handler',
  'vfio_reset_handler',
  'vfio_state_pending',
  'vfio_query_stop_copy_size',
] as const;

/** VTD016: a dirty sync maps again what is mapped, and fetches no dirty bits. */
export const noDirtySync: RuleBody = {
  severity: () => 'error',
  verdict: () => 'loses-dirty-pages',
  requiredEvents: ['vfio_iommu_map_notify'],
  start: (facts, report) => {
    let hasFired = false;
    return {
      'dirty-sync'({ mark, space, container, first, last, guest }) {
        hasFired = true;
        const isNotifyTraced = WITH_ALL_OF_VFIO.some((name) => facts.isTraced(name));
        const basis = new Basis().add(isNotifyTraced ? 'syncRepeated' : 'syncRepeatedUnasked');
        if (facts.isTrackingOption) basis.add('trackingOption');
        else basis.add(facts.isFlagWordTraced ? 'trackingFlag' : 'trackingBySync');
        if (space === null || space.bdf === null) basis.add('deviceUntoldElsewhere');
        // Another device may have mapped the same, and this one maps it now.
        if (space === null && !facts.hasMessages) basis.add('deviceGuessedElsewhere');
        report.add({
          mode: 'active',
          mark,
          basis,
          restsOn: { backend: true },
          space,
          container,
          first,
          last,
          risk: guest,
          topic: 'sync',
        });
      },
      finish() {
        const { completedMigration, viommu } = facts;
        if (hasFired || viommu.replayServesDirtySync || completedMigration === null) return;
        const isSyncTraced =
          facts.isTraced('vfio_iommu_map_notify') || facts.isTraced('virtio_iommu_notify_map');
        if (isSyncTraced || !facts.hasContainers || facts.areSyncsOfOthers) return;
        const basis = new Basis().add('syncUntraced');
        report.add({ mode: 'active', mark: completedMigration, basis, topic: 'sync untraced' });
      },
    };
  },
  message({ count, facts, topic, trackedBy, iova, sizeText, atRiskBytes, atRiskText }) {
    const { name } = facts.viommu;
    if (topic === 'sync untraced') {
      return `A migration completed with a device behind ${name}, whose replay does not serve VFIO's dirty sync: what the device wrote through its mappings is not migrated. No line of the trace shows the syncs.`;
    }
    const where =
      atRiskBytes > 0
        ? atRiskText
        : `the mappings, the first of ${sizeText} at iova ${iova}, whose guest addresses ${name} does not print`;
    const harm = trackedBy.includes('migration')
      ? 'the migration loses it, and the destination has old memory there'
      : trackedBy === ''
        ? 'a migration loses it'
        : 'the dirty rate or limit that was asked for lacks it, and no memory is lost; a migration would lose it';
    const fetch = count === 1 ? 'fetches' : 'fetch';
    return `${plural(count, 'dirty sync')} ${fetch} no dirty bits of what the device writes to ${where}: ${harm}. ${name} answers a sync by mapping again what is mapped already, and never calls VFIO's dirty notifier.`;
  },
  fix: ({ facts }) => ({
    release: { of: `Dirty syncs behind ${facts.viommu.name}`, first: null, note: '11.1 included' },
    today:
      'Do not use the destination of such a migration; unplug the device before migrating, or have the guest run it in pass-through (iommu=pt), where its memory is synced as RAM is.',
  }),
};
