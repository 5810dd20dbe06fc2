import type { SessionFacts } from './facts.ts';

/** Why the silence of a rule says nothing of a session. */
interface Lack {
  readonly why: string;
  /** The event to ask for, where one would do. */
  readonly enable?: string;
}

const WHOLE_UNMAPS = 'QEMU 11.x leaves mappings behind without a line that says so';

/**
 * The events that rules require, each with what it means where the trace does not have it: null where
 * nothing was due that it would have shown. In the order in which reasons are given.
 */
const requirements = {
  vfio_iommu_map_notify(facts) {
    if (facts.isTraced('vfio_iommu_map_notify')) return null;
    if (!facts.hasContainers) {
      return {
        why: 'no VFIO activity in the trace: vfio_iommu_map_notify was not traced, or no device is assigned',
      };
    }
    return facts.mayLackNotifications
      ? { why: 'no vfio_iommu_map_notify in the trace: unmaps cannot be seen' }
      : null;
  },

  global_dirty_changed(facts) {
    const { hasHazard, uncertain } = facts.unmapsOfUnknownTracking;
    if (!hasHazard && uncertain === 0) return null;
    const which = hasHazard ? 'unmaps that would then do harm' : 'unmaps that might';
    return {
      why: `whether dirty tracking was on is not in the trace for ${which}`,
      // In 7.2 the flag word is not enough.
      enable: facts.isFlagWordTraced ? 'migrate_set_state' : 'global_dirty_changed',
    };
  },

  vtd_page_walk_one(facts) {
    const { count, firstLine, lastLine } = facts.uncertainUnderTracking;
    if (count === 0) return null;
    if (!facts.viommu.printsGuestAddresses) {
      return {
        why: `guest addresses of mappings are not in the trace: ${facts.viommu.name} prints none`,
      };
    }
    const isVtd = facts.viommu.name === 'intel-iommu';
    const ofMappings = isVtd ? 'vtd_page_walk_one' : 'virtio_iommu_notify_map';
    return facts.isTraced(ofMappings)
      ? {
          why:
            count === 1
              ? `1 unmap under tracking was evaluated over uncertain mappings (line ${firstLine})`
              : `${count} unmaps under tracking were evaluated over uncertain mappings (lines ${firstLine} to ${lastLine})`,
        }
      : {
          why: 'guest addresses of mappings are not in the trace',
          enable: ofMappings,
        };
  },

  vtd_page_walk_one_skip_unmap({ unseenSkipAtLine, viommu }) {
    return unseenSkipAtLine === 0 || viommu.name !== 'intel-iommu'
      ? null
      : {
          why: `QEMU had forgotten mappings when the guest invalidated something (line ${unseenSkipAtLine}), and whether it was them is not in the trace`,
          enable: 'vtd_page_walk_one_skip_unmap',
        };
  },

  /** No event tells it: the line has the device, and not its domain. */
  amdvi_devtab_inval({ unseenMoveAtLine, viommu }) {
    return unseenMoveAtLine === 0
      ? null
      : {
          why: `whether a device went to another domain (line ${unseenMoveAtLine}) is not in the trace: ${viommu.name} then leaves what it had mapped in the host`,
        };
  },

  /** QEMU's message tells it, be it in another file. */
  amdvi_pages_inval({ unseenChangeAtLine, viommu }) {
    return unseenChangeAtLine === 0
      ? null
      : {
          why: `whether the guest has changed where a mapping leads (line ${unseenChangeAtLine}) is in QEMU's messages, which are not in the trace: ${viommu.name} then leaves the old one in the host`,
        };
  },

  /** What a sync of AMD-Vi finds shows by its MAPs; one that finds nothing has none. */
  memory_region_sync_dirty(facts) {
    const { mayHaveUnseenSyncs, unseenSyncAtLine, viommu } = facts;
    const kept = `${viommu.name} forgets what it does not find, and the host keeps it`;
    if (unseenSyncAtLine > 0) {
      return {
        why: `what a dirty sync (line ${unseenSyncAtLine}) found of what a device maps is not in the trace: ${kept}`,
      };
    }
    return mayHaveUnseenSyncs && !facts.isTraced('memory_region_sync_dirty')
      ? { why: `dirty syncs are not in the trace: ${kept}`, enable: 'memory_region_sync_dirty' }
      : null;
  },

  vtd_switch_address_space(facts) {
    const isTraced = facts.isTraced('vtd_switch_address_space');
    return !isTraced && areWholeUnmapsUnseen(facts)
      ? { why: WHOLE_UNMAPS, enable: 'vtd_switch_address_space' }
      : null;
  },

  /** Any of the commands that make QEMU switch devices, if none is seen to be missing. */
  vtd_inv_desc_cc_device(facts) {
    const isTraced =
      facts.isTraced('vtd_inv_desc_cc_device') ||
      facts.isTraced('vtd_inv_desc_cc_global') ||
      facts.isTraced('vtd_dmar_enable');
    const isMet = isTraced && !facts.hasUnexplainedSwitch;
    return !isMet && areWholeUnmapsUnseen(facts)
      ? { why: WHOLE_UNMAPS, enable: 'vtd_inv_desc_cc_device' }
      : null;
  },

  vtd_ce_not_present(facts) {
    const isTraced = facts.isTraced('vtd_ce_not_present');
    return !isTraced && areWholeUnmapsUnseen(facts)
      ? { why: WHOLE_UNMAPS, enable: 'vtd_ce_not_present' }
      : null;
  },
} as const satisfies Readonly<Record<string, (facts: SessionFacts) => Lack | null>>;

/** An event that a rule can require. */
export type RequiredEvent = keyof typeof requirements;

/**
 * Whether a whole unmap may have passed without a line: 11.x unmaps by node while dirty pages are
 * tracked, and prints nothing where its search misses a mapping. A guest that uses its IOMMU makes
 * QEMU print the events that show which devices were unmapped.
 */
function areWholeUnmapsUnseen(facts: SessionFacts): boolean {
  const { profile, mayHaveTracked, viommu } = facts;
  if (!viommu.unmapsByNode || profile.unmapInMigration === null || !mayHaveTracked) return false;
  return facts.isTraced('vfio_iommu_map_notify');
}

/** Why the silence of rules that require these events does not mean `clean`; empty where it does. */
export function whatIsMissing(
  required: ReadonlySet<RequiredEvent>,
  facts: SessionFacts,
): readonly string[] {
  /** Events that would do, by what they would show. */
  const lacks = new Map<string, string[]>();
  for (const [event, lackOf] of Object.entries(requirements)) {
    if (!required.has(event as RequiredEvent)) continue;
    const lack: Lack | null = lackOf(facts);
    if (lack === null) continue;
    const events = lacks.get(lack.why) ?? [];
    lacks.set(lack.why, lack.enable === undefined ? events : [...events, lack.enable]);
  }
  return [...lacks].map(([why, events]) =>
    events.length === 0 ? why : `${why}: enable ${events.join(', ')}`,
  );
}
