import { plural } from '../../base/words.ts';
import type { SessionFacts } from '../facts.ts';
import { Basis } from '../grounds.ts';
import type { GroupView, RuleBody } from '../rule.ts';

/** Nobody names them one by one: where one is traced, all of VFIO is. */
const WITH_ALL_OF_VFIO = [
  'vfio_device_get',
  'vfio_get_device',
  'vfio_device_reset_handler',
  'vfio_reset_handler',
  'vfio_state_pending',
  'vfio_query_stop_copy_size',
] as const;

function isAllOfVfioTraced(facts: SessionFacts): boolean {
  return WITH_ALL_OF_VFIO.some((name) => facts.isTraced(name));
}

/** Where the listener's lines are traced, they show the region of a device that is translated. */
function mayHaveTranslated(facts: SessionFacts): boolean {
  const isTraced = facts.isTraced('vfio_listener_region_add_ram');
  return !isTraced || facts.isTraced('vfio_listener_region_add_iommu');
}

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
        const isAsked = isAllOfVfioTraced(facts);
        const basis = new Basis().add(isAsked ? 'syncRepeated' : 'syncRepeatedUnasked');
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
        // Then nothing was mapped; or no device was translated.
        if (isAllOfVfioTraced(facts) || !mayHaveTranslated(facts)) return;
        const basis = new Basis().add('syncUntraced');
        report.add({ mode: 'active', mark: completedMigration, basis, topic: 'sync untraced' });
      },
    };
  },
  message(group) {
    const { facts, topic, iova, sizeText, atRiskBytes } = group;
    const { name } = facts.viommu;
    if (topic === 'sync untraced') {
      return `A migration completed with a device behind ${name}, whose replay does not serve VFIO's dirty sync: what the device wrote through its mappings is not migrated. No line of the trace shows the syncs.`;
    }
    const where =
      atRiskBytes > 0
        ? ''
        : ` The guest addresses of the mappings, the first of ${sizeText} at iova ${iova}, ${name} does not print.`;
    return `${whatWasLost(group)} Behind ${name} a sync maps again what is mapped already, and never calls VFIO's dirty notifier.${where}`;
  },
  fix: ({ facts }) => ({
    release: { of: `Dirty syncs behind ${facts.viommu.name}`, first: null, note: '11.1 included' },
    today:
      'Unplug the device first, or use pass-through (iommu=pt), where its memory is synced as RAM is; do not use the destination of such a migration.',
  }),
};

/** In one sentence, as far as the trace shows what became of the migration, or that there was none. */
function whatWasLost({ atRiskBytes, atRiskText, count, facts, lastLine, trackedBy }: GroupView) {
  const of = (writes: string) =>
    `no dirty bits of what the device ${writes}${atRiskBytes > 0 ? ` to ${atRiskText}` : ''}`;
  const syncs = plural(count, 'dirty sync');
  const fetch = count === 1 ? 'fetches' : 'fetch';
  if (trackedBy === '') return `${syncs} ${fetch} ${of('writes')}: a migration loses it.`;
  if (!trackedBy.includes('migration')) {
    return `${syncs} ${fetch} ${of('writes')}: the dirty rate or limit that was asked for lacks it, and no memory is lost; a migration would lose it.`;
  }
  const { completedMigration, lastDirtyQueryLine } = facts;
  if (completedMigration === null) {
    return `${syncs} ${fetch} ${of('writes')}: a migration that completes loses it, and none in this trace has completed.`;
  }
  // What is bypassed, or in pass-through, is asked for as RAM, and all of it counts as dirty.
  if (lastDirtyQueryLine > lastLine && lastDirtyQueryLine < completedMigration.line) {
    return `${syncs} fetched ${of('wrote')}: the migration lost it, unless a query of RAM (line ${lastDirtyQueryLine}) has sent it again.`;
  }
  return `${syncs} fetched ${of('wrote')}: the migration lost that memory.`;
}
