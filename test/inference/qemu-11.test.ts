import { describe, expect, it } from 'vitest';
import { profileNamed } from '../../src/emulation/profiles/index.ts';
import { analyzeLines } from '../helpers/analyze.ts';

const GIB = 2 ** 18;
/** 4 GiB of RAM, half of it above the hole. */
const ram = { total: 4 * GIB, below: 2 * GIB };
const model = (qemu: string) => ({ qemu: profileNamed(qemu) ?? null, ram });

const BOOT = [
  'vtd_switch_address_space Device 00:10.0 switching address space (iommu enabled=0)',
  'vfio_device_attach  (0000:00:05.0) group 3',
  'vfio_listener_region_add_ram region_add [ram] 0x0 - 0x7fffffff [0x7f0000000000]',
  'vfio_listener_region_add_ram region_add [ram] 0x100000000 - 0x17fffffff [0x7f0080000000]',
];
const ON = 'vtd_switch_address_space Device 00:10.0 switching address space (iommu enabled=1)';
const REMOVED = [
  'vfio_listener_region_del region_del 0x0 - 0x7fffffff',
  'vfio_listener_region_del region_del 0x100000000 - 0x17fffffff',
];
/** As 11.1.3 prints it of a device without a dirty log of its own; and of one that has it. */
const INIT =
  'vfio_migration_init  (0000:00:05.0) mig_flags 0x1, precopy_info_v2_used 0, dirty_pages_supported 0';
const LOGS_DMA = INIT.replace('dirty_pages_supported 0', 'dirty_pages_supported 1');

/** The device in domain 1, with a page at 0x1000. */
const MAPPED = [
  'vtd_dmar_enable enable 1',
  ON,
  ...REMOVED,
  'vfio_listener_region_add_iommu region_add [iommu] vtd-10.0-dmar 0x0 - 0xfedfffff',
  'vtd_replay_ce_invalid replay invalid context device 00:10.00',
  'vfio_listener_region_add_iommu region_add [iommu] vtd-10.0-dmar 0xfef00000 - 0xffffffffffffffff',
  'vtd_replay_ce_invalid replay invalid context device 00:10.00',
  'vtd_inv_desc_cc_device context invalidate device 00:10.00',
  ON,
  'vtd_page_walk_level walk (base=0x1000000, level=4) iova range 0x0 - 0x1000000000000',
  'vtd_page_walk_one domain 0x1 iova 0x1000 -> gpa 0x5000 mask 0xfff perm 3',
  'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff',
];
const UNMAPPED = [
  'vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x1 addr 0x1000 mask 0x0',
  'vtd_page_walk_level walk (base=0x1000000, level=4) iova range 0x1000 - 0x2000',
  'vtd_page_walk_one domain 0x1 iova 0x1000 -> gpa 0x0 mask 0xfff perm 0',
  'vfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff',
];
const TRACKED = 'global_dirty_changed bitmask 0x2';

describe('the removal of a section under tracking', () => {
  const lines = [...BOOT, TRACKED, 'vtd_dmar_enable enable 1', ON, ...REMOVED, 'vtd_reset_exit '];
  const told = async (qemu: string) => {
    const { unmaps } = await analyzeLines(lines, model(qemu));
    return unmaps.map(({ carriedAddress, atRisk }) => [carriedAddress, atRisk.length]);
  };

  it('carries the guest address in 11.0, which is wrong above the hole', async () => {
    expect(await told('11.0')).toEqual([
      ['0x0', 0],
      ['0x100000000', 1],
    ]);
  });

  it('carries the ram_addr from 11.1 on', async () => {
    expect(await told('11.1')).toEqual([
      ['0x0', 0],
      ['0x80000000', 0],
    ]);
  });

  it('is right in 11.1 also where the trace does not show where RAM lies', async () => {
    const late = [ON.replace('=1', '=0'), TRACKED, ...lines.slice(1, 2), ON, REMOVED[1] ?? ''];
    const { unmaps } = await analyzeLines(late, { qemu: profileNamed('11.1') ?? null });
    expect(unmaps).toMatchObject([{ carriedAddress: null, atRisk: [] }]);
  });

  it('is as sure as the version, where only 11.x is known', async () => {
    const named = [INIT, ...lines];
    const { session } = await analyzeLines(named, { ram });
    const wrong = session.findings.find(({ rule }) => rule === 'VTD003');
    expect(wrong).toMatchObject({ cause: 'region-del', evidence: 'assumed' });
    expect(wrong?.basis.join()).toContain('QEMU version: assumed');
  });
});

describe('what devices say of themselves as they are made', () => {
  const queriesOf = async (init: readonly string[], qemu = '11.1') => {
    const lines = [...BOOT, ...init, ...MAPPED, TRACKED, ...UNMAPPED];
    return (await analyzeLines(lines, model(qemu))).unmaps.at(-1)?.query;
  };

  it('with a dirty log of its own, an unmap needs no bitmap', async () => {
    expect(await queriesOf([LOGS_DMA])).toBe('after');
  });

  it('without, or unsaid, it does', async () => {
    expect(await queriesOf([INIT])).toBe('bitmap');
    expect(await queriesOf([])).toBe('bitmap');
  });

  it('all devices of a container need one', async () => {
    const second = LOGS_DMA.replace('00:05.0', '00:06.0');
    expect(await queriesOf([LOGS_DMA, second])).toBe('after');
    expect(await queriesOf([INIT, second])).toBe('bitmap');
  });

  it('settles what is assumed elsewhere', async () => {
    const basisOf = async (init: readonly string[]) => {
      const lines = [...BOOT, ...init, ...MAPPED, ...UNMAPPED];
      const { session } = await analyzeLines(lines, { bitmapLimit: 1 });
      return session.findings.find(({ rule }) => rule === 'VTD001')?.basis.join() ?? '';
    };
    expect(await basisOf([])).toContain('do not log their own DMA');
    expect(await basisOf([INIT])).toContain('kind of container');
    expect(await basisOf([INIT])).not.toContain('do not log their own DMA');
  });
});

describe('a migration that fails in 11.1', () => {
  // From a capture of 11.1.3; the flag word is not among its events everywhere.
  const failing = [
    'migrate_set_state new state setup',
    'migrate_set_state new state active',
    'migrate_error error=Failed to save iterable device state: timed out',
    'migrate_set_state new state failing',
  ];
  const trackedAfter = async (lines: readonly string[]) => {
    const { unmaps, session } = await analyzeLines([...BOOT, ...MAPPED, ...lines, ...UNMAPPED]);
    return [unmaps.at(-1)?.tracked, session.model.qemu.value];
  };

  it('tracks until its log is stopped', async () => {
    expect(await trackedAfter(failing)).toEqual([true, '11.0']);
    expect(await trackedAfter([...failing, 'migrate_set_state new state failed'])).toEqual([
      null,
      '11.0',
    ]);
  });

  it('by the flag word, where that is traced', async () => {
    const [setup, ...rest] = failing;
    const lines = [setup ?? '', 'global_dirty_changed bitmask 0x1', ...rest];
    expect(await trackedAfter(lines)).toEqual([true, '11.0']);
    expect(await trackedAfter([...lines, 'global_dirty_changed bitmask 0x0'])).toEqual([
      false,
      '11.0',
    ]);
  });

  it('has not tracked where it failed before it was set up', async () => {
    const early = ['migrate_set_state new state setup', 'migrate_set_state new state failing'];
    expect(await trackedAfter(early)).toEqual([null, '11.0']);
  });
});

describe('other new lines of 11.1', () => {
  it('a section that is not mapped for DMA is none that is unmapped', async () => {
    const bar = [
      'vfio_listener_region_add_ram region_add [ram] 0x380000000000 - 0x3800ffffffff [0x7e0000000000]',
      'vfio_listener_region_skip_dma_map Region "0000:00:05.0 BAR 2" 0x380000000000 size=0x100000000 marked to skip IOMMU mapping',
    ];
    const removed = 'vfio_listener_region_del region_del 0x380000000000 - 0x3800ffffffff';
    const { mappings, session, unmaps } = await analyzeLines([...BOOT, ...bar], model('11.1'));
    expect(mappings.map(({ iova }) => iova)).toEqual(['0x0', '0x100000000']);
    expect(unmaps).toEqual([]);
    expect(session.findings).toEqual([]);
    const after = await analyzeLines(
      [...BOOT, ...bar, 'vtd_dmar_enable enable 1', ON, ...REMOVED, removed],
      model('11.1'),
    );
    expect(after.unmaps.map(({ iova }) => iova)).toEqual(['0x0', '0x100000000']);
  });

  it('the PASID cache of a device belongs to its context invalidation', async () => {
    const devsi = 'vtd_pasid_cache_devsi Dev selective PC invalidation dev: 00:10.00';
    const absent = 'vtd_ce_not_present Context entry bus 0 devfn 128 not present';
    const pieces = [
      'vfio_iommu_map_notify iommu UNMAP @ 0xfef00000 - 0xfeffffff',
      'vfio_iommu_map_notify iommu UNMAP @ 0xff000000 - 0xffffffff',
    ];
    const lines = [
      ...BOOT,
      ...MAPPED,
      'vtd_inv_desc_cc_device context invalidate device 00:10.00',
      ON,
    ];
    const { session, unmaps } = await analyzeLines([...lines, devsi, absent, ...pieces]);
    expect(unmaps.slice(-2)).toMatchObject([
      { cause: 'whole-unmap', device: '00:10.0' },
      { cause: 'whole-unmap', device: '00:10.0' },
    ]);
    expect(session.model.qemu.value).toBe('11.0');
  });
});
