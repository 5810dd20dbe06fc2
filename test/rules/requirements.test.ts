import { describe, expect, it } from 'vitest';
import { qemu10_2 } from '../../src/emulation/profiles/qemu-10.2.ts';
import { qemu11_0 } from '../../src/emulation/profiles/qemu-11.0.ts';
import { amdIommu } from '../../src/emulation/viommu/amd/index.ts';
import type { EventName } from '../../src/events/catalogue/index.ts';
import { captureAdvice } from '../../src/reports/capture.ts';
import type { SessionFacts } from '../../src/rules/facts.ts';
import { loadRules } from '../../src/rules/index.ts';
import { whatIsMissing } from '../../src/rules/requirements.ts';
import { aModel, aSession, aTrace } from '../helpers/report-builders.ts';
import { someFacts } from '../helpers/rule-builders.ts';

const rules = await loadRules();
const required = new Set(rules.flatMap(({ requiredEvents }) => requiredEvents));

const without = (...names: readonly EventName[]) => ({
  isTraced: (event: EventName) => !names.includes(event),
});
const WHOLE = 'QEMU 11.x leaves mappings behind without a line that says so: enable';

interface Row {
  readonly name: string;
  readonly facts: Partial<SessionFacts>;
  readonly reasons: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'nothing, where all is traced', facts: {}, reasons: [] },
  {
    name: 'notifications, where QEMU may have had some to send',
    facts: { ...without('vfio_iommu_map_notify'), mayLackNotifications: true },
    reasons: ['no vfio_iommu_map_notify in the trace: unmaps cannot be seen'],
  },
  {
    name: 'nothing, where it had none',
    facts: { ...without('vfio_iommu_map_notify'), mayLackNotifications: false },
    reasons: [],
  },
  {
    name: 'everything, where no container shows',
    facts: { ...without('vfio_iommu_map_notify'), hasContainers: false },
    reasons: [
      'no VFIO activity in the trace: vfio_iommu_map_notify was not traced, or no device is assigned',
    ],
  },
  {
    name: 'whether tracking was on, for unmaps that would do harm',
    facts: {
      isFlagWordTraced: false,
      unmapsOfUnknownTracking: { hasHazard: true, uncertain: 0 },
    },
    reasons: [
      'whether dirty tracking was on is not in the trace for unmaps that would then do harm: enable global_dirty_changed',
    ],
  },
  {
    name: 'the state of the migration, where the flag word is not enough',
    facts: { unmapsOfUnknownTracking: { hasHazard: false, uncertain: 2 } },
    reasons: [
      'whether dirty tracking was on is not in the trace for unmaps that might: enable migrate_set_state',
    ],
  },
  {
    name: 'guest addresses',
    facts: {
      ...without('vtd_page_walk_one'),
      uncertainUnderTracking: { count: 3, firstLine: 7, lastLine: 9 },
    },
    reasons: ['guest addresses of mappings are not in the trace: enable vtd_page_walk_one'],
  },
  {
    name: 'no guest addresses, where no unmap under tracking needed them',
    facts: without('vtd_page_walk_one'),
    reasons: [],
  },
  {
    name: 'what walks do not show either',
    facts: { uncertainUnderTracking: { count: 3, firstLine: 7, lastLine: 9 } },
    reasons: ['3 unmaps under tracking were evaluated over uncertain mappings (lines 7 to 9)'],
  },
  {
    name: 'what walks do not show of one unmap',
    facts: { uncertainUnderTracking: { count: 1, firstLine: 7, lastLine: 7 } },
    reasons: ['1 unmap under tracking was evaluated over uncertain mappings (line 7)'],
  },
  {
    name: 'what an invalidation skipped',
    facts: { unseenSkipAtLine: 12 },
    reasons: [
      'QEMU had forgotten mappings when the guest invalidated something (line 12), and whether it was them is not in the trace: enable vtd_page_walk_one_skip_unmap',
    ],
  },
  {
    name: 'which devices 11.x unmapped: the events in one reason',
    facts: { profile: qemu11_0, ...without('vtd_switch_address_space', 'vtd_ce_not_present') },
    reasons: [`${WHOLE} vtd_switch_address_space, vtd_ce_not_present`],
  },
  {
    name: 'a command, where none of its kind is traced',
    facts: {
      profile: qemu11_0,
      ...without('vtd_inv_desc_cc_device', 'vtd_inv_desc_cc_global', 'vtd_dmar_enable'),
    },
    reasons: [`${WHOLE} vtd_inv_desc_cc_device`],
  },
  {
    name: 'none, where another of its kind is',
    facts: { profile: qemu11_0, ...without('vtd_inv_desc_cc_device', 'vtd_dmar_enable') },
    reasons: [],
  },
  {
    name: 'the one of a switch that no command explains',
    facts: { profile: qemu11_0, hasUnexplainedSwitch: true },
    reasons: [`${WHOLE} vtd_inv_desc_cc_device`],
  },
  {
    name: 'the domain of a device behind AMD-Vi that may have gone to another',
    facts: { viommu: amdIommu, unseenMoveAtLine: 7 },
    reasons: [
      'whether a device went to another domain (line 7) is not in the trace: amd-iommu then leaves what it had mapped in the host',
    ],
  },
  {
    name: 'what a dirty sync behind AMD-Vi found, where nothing came of it',
    facts: { viommu: amdIommu, unseenSyncAtLine: 9 },
    reasons: [
      'what a dirty sync (line 9) found of what a device maps is not in the trace: amd-iommu forgets what it does not find, and the host keeps it',
    ],
  },
  {
    name: 'where a mapping of AMD-Vi leads, which messages alone tell',
    facts: { viommu: amdIommu, unseenChangeAtLine: 5 },
    reasons: [
      "whether the guest has changed where a mapping leads (line 5) is in QEMU's messages, which are not in the trace: amd-iommu then leaves the old one in the host",
    ],
  },
  {
    name: 'dirty syncs that may have been, where they are not traced',
    facts: {
      viommu: amdIommu,
      mayHaveUnseenSyncs: true,
      ...without('memory_region_sync_dirty'),
    },
    reasons: [
      'dirty syncs are not in the trace: amd-iommu forgets what it does not find, and the host keeps it: enable memory_region_sync_dirty',
    ],
  },
  {
    name: 'nothing of that, where tracking was never on',
    facts: { profile: qemu11_0, mayHaveTracked: false, ...without('vtd_ce_not_present') },
    reasons: [],
  },
  {
    name: 'nothing of that up to 10.2',
    facts: { profile: qemu10_2, hasUnexplainedSwitch: true, ...without('vtd_ce_not_present') },
    reasons: [],
  },
];

describe('what is missing', () => {
  it.each(rows)('is $name', ({ facts, reasons }) => {
    expect(whatIsMissing(required, someFacts(facts))).toEqual(reasons);
  });

  it.each(rows)('is nothing to rules that require nothing ($name)', ({ facts }) => {
    expect(whatIsMissing(new Set(), someFacts(facts))).toEqual([]);
  });
});

describe('required events', () => {
  it('of a rule with a verdict on unmaps are the notifications at least', () => {
    const judging = rules.filter(({ restsOn, id }) => restsOn !== undefined && id !== 'VTD015');
    expect(judging.length).toBeGreaterThan(5);
    for (const { requiredEvents } of judging) {
      expect(requiredEvents).toContain('vfio_iommu_map_notify');
    }
  });

  it('are all switched on by the options that reports recommend', () => {
    const patterns = (['intel-iommu', 'amd-iommu'] as const).flatMap((value) => {
      const model = { ...aModel, vIommu: { ...aModel.vIommu, value } };
      const { command } = captureAdvice(aTrace({ sessions: [aSession({ model })] }));
      return [...command.join(' ').matchAll(/-trace '([^'-]+)'/g)];
    });
    const isTraced = (name: string) =>
      patterns.some(([, pattern = '']) =>
        new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name),
      );
    expect([...required].filter((name) => !isTraced(name))).toEqual([]);
  });
});
