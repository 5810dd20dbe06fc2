import { describe, expect, it } from 'vitest';
import { virtioIommu } from '../../src/emulation/viommu/virtio/index.ts';
import type { ModelOptions } from '../../src/inference/machine.ts';
import type { Operation } from '../../src/inference/operation.ts';
import { noDirtySync } from '../../src/rules/no-dirty-sync/page.ts';
import { analyzeLines } from '../helpers/analyze.ts';
import { aContainer, mark, space } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const behindVirtio = { viommu: virtioIommu, mayHaveAwBits: false };

function aSync(line: number): Operation {
  const container = aContainer('legacy');
  return {
    kind: 'dirty-sync',
    mark: mark(line),
    space,
    container,
    count: 1,
    first: 0x100,
    last: 0x101,
    guest: [[0x3001, 0x3002]],
  };
}

testRule(noDirtySync, [
  { name: 'no dirty sync', operations: [], facts: behindVirtio, finds: [] },
  {
    name: 'two, of one device and in one window',
    operations: [aSync(10), aSync(20)],
    facts: { ...behindVirtio, isTraced: () => true },
    finds: [
      {
        severity: 'error',
        verdict: 'loses-dirty-pages',
        mode: 'active',
        count: 2,
        iova: '0x100000',
        atRisk: [{ gpa: '0x3001000', size: '0x2000' }],
        message: 'a migration that completes loses it, and none in this trace has completed',
        basis: 'and no vfio_iommu_map_dirty_notify',
        fixedIn: null,
        today: 'Unplug the device first, or use pass-through',
      },
    ],
  },
  {
    name: 'two, and the migration completes',
    operations: [aSync(10), aSync(20)],
    facts: { ...behindVirtio, completedMigration: mark(30) },
    finds: [{ message: 'of what the device wrote to 8 KiB of guest memory: the migration lost' }],
  },
  {
    name: 'two, and RAM is asked for before it completes: the device was bypassed',
    operations: [aSync(10), aSync(20)],
    facts: { ...behindVirtio, completedMigration: mark(30), lastDirtyQueryLine: 25 },
    finds: [{ message: 'unless a query of RAM (line 25) has sent it again' }],
  },
  {
    name: 'two, and RAM was asked for before',
    operations: [aSync(10), aSync(20)],
    facts: { ...behindVirtio, completedMigration: mark(30), lastDirtyQueryLine: 15 },
    finds: [{ message: 'the migration lost that memory' }],
  },
  {
    name: 'one, and no line shows that the notifier would have printed something',
    operations: [aSync(10)],
    facts: { ...behindVirtio, isTraced: () => false },
    finds: [{ evidence: 'derived', basis: 'that vfio_iommu_map_dirty_notify is traced' }],
  },
  {
    name: 'a migration that completed, of which no line shows a sync',
    operations: [],
    facts: {
      ...behindVirtio,
      isTraced: () => false,
      completedMigration: mark(9),
      hasContainers: true,
    },
    finds: [
      { evidence: 'assumed', message: 'No line of the trace shows the syncs', first: mark(9) },
    ],
  },
  {
    name: 'the same, and all of VFIO is traced: nothing was mapped',
    operations: [],
    facts: {
      ...behindVirtio,
      isTraced: (name) => name === 'vfio_device_get',
      completedMigration: mark(9),
      hasContainers: true,
    },
    finds: [],
  },
  {
    name: 'the same, and the device is not translated',
    operations: [],
    facts: {
      ...behindVirtio,
      isTraced: (name) => name === 'vfio_listener_region_add_ram',
      completedMigration: mark(9),
      hasContainers: true,
    },
    finds: [],
  },
  {
    name: 'the same with devices that log their own DMA',
    operations: [],
    facts: {
      ...behindVirtio,
      isTraced: () => false,
      completedMigration: mark(9),
      hasContainers: true,
      areSyncsOfOthers: true,
    },
    finds: [],
  },
  {
    name: 'the same behind VT-d, whose replay serves the notifier',
    operations: [],
    facts: { isTraced: () => false, completedMigration: mark(9), hasContainers: true },
    finds: [],
  },
]);

// --- Logs ----------------------------------------------------------------------------------------

const REGION = 'virtio-iommu-memory-region-0-128';
const RAM = '0x0 - 0x3fffffff';
const SYNCED = "memory_region_sync_dirty mr '(all)' listener 'vfio' synced (global=0)";

const boot = [
  'virtio_iommu_init_iommu_mr init virtio-iommu-memory-region-0-128',
  'virtio_iommu_switch_address_space Device 00:10.0 switching address space (iommu enabled=0)',
  'vfio_device_attach  (0000:00:05.0) group 7',
  `vfio_listener_region_add_ram region_add [ram] ${RAM} [0x7f009be00000]`,
  'vfio_device_get Device 0000:00:05.0 flags: 3, regions: 9, irqs: 5',
];
const translate = [
  'virtio_iommu_attach domain=1 endpoint=128',
  'virtio_iommu_switch_address_space Device 00:10.0 switching address space (iommu enabled=1)',
  `vfio_listener_region_del region_del ${RAM}`,
  `vfio_listener_region_add_iommu region_add [iommu] ${REGION} 0x0 - 0xffffffffffffffff`,
];
const bypass = [
  'virtio_iommu_switch_address_space Device 00:10.0 switching address space (iommu enabled=0)',
  `vfio_listener_region_del_iommu region_del [iommu] ${REGION}`,
  'vfio_listener_region_del region_del 0x0 - 0xffffffffffffffff',
  `vfio_listener_region_add_ram region_add [ram] ${RAM} [0x7f009be00000]`,
];
const range = 'virt_start=0x10000000 virt_end=0x10000fff';
const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x10000000 - 0x10000fff';
const FAILED =
  'qemu-system-x86_64: vfio_container_dma_map(0x5619e64eea80, 0x10000000, 0x1000, 0x7f009ee01000) = -17 (File exists)';
const notify = (flags: number) =>
  `virtio_iommu_notify_map mr=${REGION} ${range} phys_start=0x3001000 flags=${flags}`;
const map = (flags = 3) => [
  `virtio_iommu_map domain=1 ${range} phys_start=0x3001000 flags=${flags}`,
  notify(flags),
  MAP,
];
const again = (flags = 3) => [
  `virtio_iommu_remap mr=${REGION} ${range} phys_start=0x3001000`,
  notify(flags),
  MAP,
  FAILED,
];
const unmap = [
  `virtio_iommu_unmap domain=1 ${range}`,
  `virtio_iommu_notify_unmap mr=${REGION} ${range}`,
  'vfio_iommu_map_notify iommu UNMAP @ 0x10000000 - 0x10000fff',
  `virtio_iommu_unmap_done domain=1 ${range}`,
];
const on = ['migrate_set_state new state setup', 'global_dirty_changed bitmask 0x1'];
const off = ['migrate_set_state new state completed', 'global_dirty_changed bitmask 0x0'];
const served = 'vfio_iommu_map_dirty_notify iommu dirty @ 0x10000000 - 0x10000fff';

async function findings(lines: readonly string[], model: Partial<ModelOptions> = {}) {
  const { session } = await analyzeLines(lines, model);
  return session.findings.filter(({ rule }) => rule === 'VTD016');
}

describe('a migration behind virtio-iommu', () => {
  const rounds = [...boot, ...translate, ...map(), ...on, ...again(), SYNCED, ...again(), SYNCED];

  it('loses what the device writes', async () => {
    const [finding, ...others] = await findings([...rounds, ...off]);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      count: 2,
      device: '00:10.0',
      evidence: 'observed',
      severity: 'error',
      atRisk: [{ gpa: '0x3001000', size: '0x1000' }],
    });
    expect(finding?.message).toContain('a migration that completes loses it');
  });

  it('is told by the MAPs alone, where they begin again', async () => {
    const lines = rounds.filter((line) => line !== SYNCED);
    expect(await findings([...lines, ...off])).toMatchObject([{ count: 2 }]);
  });

  it('shows also where messages went elsewhere', async () => {
    const lines = rounds.filter((line) => line !== FAILED);
    expect(await findings([...lines, ...off])).toMatchObject([{ count: 2 }]);
  });

  it('is no loss of memory where only a dirty rate was measured', async () => {
    const lines = [...boot, ...translate, ...map(), 'global_dirty_changed bitmask 0x2', ...again()];
    const [finding] = await findings([...lines, SYNCED, 'global_dirty_changed bitmask 0x0']);
    expect(finding?.message).toContain('no memory is lost');
  });
});

describe('no false alarm', () => {
  const start = [...boot, ...translate, ...map()];
  const traps: readonly {
    readonly name: string;
    readonly lines: readonly string[];
    readonly model?: Partial<ModelOptions>;
  }[] = [
    { name: 'tracking ends before the first sync', lines: [...start, ...on, ...off] },
    { name: 'the trace ends before the first sync', lines: [...start, ...on] },
    {
      name: 'a device without support for migration is not synced',
      lines: [...start, ...on, SYNCED, SYNCED, 'global_dirty_changed bitmask 0x0'],
    },
    {
      name: 'the notifier is called',
      lines: [...start, ...on, ...again(), served, SYNCED, ...off],
    },
    {
      name: 'the notifier is called before the MAPs',
      lines: [...start, ...on, served, ...again(), SYNCED, ...off],
    },
    {
      name: 'the bitmap of the mapping is queried',
      lines: [
        ...start,
        ...on,
        ...again(),
        'vfio_container_query_dirty_bitmap iova=0x10000000 size=0x1000 backend_flag=0x0 bitmap_size=0x8 gpa=0x3001000 dirty_pages=1',
        SYNCED,
        ...off,
      ],
    },
    {
      name: 'devices log their own DMA',
      lines: [
        ...start,
        ...on,
        'vfio_device_dirty_tracking_start nr_ranges 2',
        ...again(),
        SYNCED,
        ...off,
      ],
    },
    {
      name: 'the host does not track',
      lines: [
        ...boot.map((line) =>
          line.startsWith('vfio_device_attach')
            ? 'iommufd_cdev_connect_and_bind  [iommufd=11] Successfully bound device 0000:00:05.0 (fd=12): output devid=1'
            : line,
        ),
        'iommufd_backend_alloc_hwpt  iommufd=11 dev_id=1 pt_id=2 flags=0x0 hwpt_type=0 len=0 data_ptr=0x0 out_hwpt=3 (0)',
        ...translate,
        ...map(),
        ...on,
        ...again(),
        SYNCED,
        ...off,
      ],
    },
    {
      name: 'nothing is tracked, whatever is mapped again',
      lines: [...start, ...on, ...off, ...again()],
    },
    { name: 'nothing is mapped', lines: [...boot, ...translate, ...on, SYNCED, ...off] },
    {
      name: 'the mapping has gone with a bitmap of its own',
      lines: [...start, ...on, ...unmap, SYNCED, ...off],
    },
    {
      name: 'the device may only read',
      lines: [...boot, ...translate, ...map(1), ...on, ...again(1), SYNCED, ...off],
    },
    {
      name: 'the device is bypassed',
      lines: [
        ...start,
        ...unmap,
        ...bypass,
        ...on,
        'vfio_container_query_dirty_bitmap iova=0x0 size=0x40000000 backend_flag=0x0 bitmap_size=0x8000 gpa=0x0 dirty_pages=262144',
        SYNCED,
        ...off,
      ],
    },
    {
      name: 'a device joins a domain, whose mappings are mapped by the replay and by the guest',
      lines: [
        ...boot,
        ...on,
        ...translate,
        ...again().filter((line) => line !== FAILED),
        notify(3),
        MAP,
        FAILED,
        SYNCED,
        'global_dirty_changed bitmask 0x0',
      ],
    },
  ];

  it.each(traps)('$name', async ({ lines, model }) => {
    expect(await findings(lines, model)).toEqual([]);
  });

  const amd = [
    'vfio_device_attach  (0000:00:05.0) group 7',
    'vfio_device_get Device 0000:00:05.0 flags: 3, regions: 9, irqs: 5',
    'amdvi_devtab_inval device table entry for devid: 00:10.0 invalidated',
    'vfio_listener_region_add_iommu region_add [iommu] amd_iommu 0x0 - 0xfedfffff',
    MAP,
  ];
  const pages = 'amdvi_pages_inval AMD-Vi pages for domain 0x5 invalidated';

  it('a migration completes, and no line shows a sync', async () => {
    const states = ['setup', 'active', 'device', 'completed'];
    const lines = states.map((state) => `migrate_set_state new state ${state}`);
    const [line, ...others] = translate;
    const unseen = [line as string, ...others.slice(0, 1), ...lines];
    const attached = 'vfio_device_attach  (0000:00:05.0) group 7';
    expect(await findings([attached, ...unseen])).toMatchObject([
      { evidence: 'assumed', count: 1 },
    ]);
    expect(await findings([attached, ...unseen.slice(0, -1)])).toEqual([]);
  });

  it('a guest behind AMD-Vi changes where a mapping leads', async () => {
    const conflict =
      'qemu-system-x86_64: Found conflicting translation. This could be due to an incorrect or missing invalidation command';
    expect(await findings([...amd, ...on, conflict, MAP, FAILED, pages])).toEqual([]);
    // Where messages are elsewhere, that one may be as well.
    expect(await findings([...amd, ...on, MAP, pages])).toEqual([]);
    // Each change has that message, and so a sync's own line is what is missing.
    expect(await findings([...amd, ...on, MAP, FAILED, pages])).toMatchObject([{ count: 1 }]);
    expect(await findings([...amd, ...on, MAP, FAILED, SYNCED, pages])).toMatchObject([
      { count: 1, device: '00:10.0', atRisk: [] },
    ]);
  });
});
