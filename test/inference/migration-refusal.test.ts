import { describe, expect, it } from 'vitest';
import { profileNamed } from '../../src/emulation/profiles/index.ts';
import { amdIommu } from '../../src/emulation/viommu/amd/index.ts';
import { intelIommu } from '../../src/emulation/viommu/intel/index.ts';
import { type EventName, kindOf } from '../../src/events/catalogue/index.ts';
import { SeenEvents } from '../../src/inference/seen-events.ts';
import { QemuVersion, type VersionMark } from '../../src/inference/version.ts';
import { vIommuKind } from '../../src/inference/viommu-kind.ts';

const span = (from: number, to: number): VersionMark => ({ from, to, reason: 'a line' });

describe('a version refuses to migrate behind a vIOMMU', () => {
  const versions: readonly {
    readonly name: string;
    readonly marks: readonly VersionMark[];
    readonly named?: string;
    readonly option?: string;
    readonly byNode?: boolean;
    readonly refuses: boolean;
  }[] = [
    { name: 'where lines show 10.0', marks: [span(1000, 1000)], refuses: true },
    { name: 'where libvirt names 10.0.13', marks: [], named: '10.0.13', refuses: true },
    { name: 'where the user says 10.2', marks: [], option: '10.2', refuses: true },
    { name: 'not where no line tells it', marks: [], refuses: false },
    { name: 'not where it may be 7.2', marks: [span(0, 1001)], refuses: false },
    { name: 'not where it may be 11.0', marks: [span(1002, Infinity)], refuses: false },
    { name: 'not in 7.2', marks: [], named: '7.2.22', refuses: false },
    { name: 'not in 11.1', marks: [], named: '11.1.3', refuses: false },
    {
      name: 'not where the user says 11.0',
      marks: [span(1000, 1000)],
      option: '11.0',
      refuses: false,
    },
    {
      name: 'not where it has parts of 11.0, as what a distribution makes of it',
      marks: [],
      named: '10.0.13',
      byNode: true,
      refuses: false,
    },
    {
      name: 'not where it is named 11.1 and unmaps as before',
      marks: [],
      named: '11.1.3',
      byNode: false,
      refuses: false,
    },
  ];

  it.each(versions)('$name', ({ marks, named, option, byNode, refuses }) => {
    const version = new QemuVersion(option === undefined ? null : (profileNamed(option) ?? null));
    if (named !== undefined) version.name(named);
    for (const mark of marks) version.learn(mark);
    if (byNode !== undefined) version.sawUnmapInMigration(byNode);
    expect(version.refusesBehindVIommu).toBe(refuses);
  });
});

describe('the vIOMMU of a VM', () => {
  const kinds: readonly {
    readonly seen: readonly EventName[];
    readonly value: string | null;
    readonly source: string;
  }[] = [
    { seen: ['vfio_attach_device', 'vtd_dmar_enable'], value: 'intel-iommu', source: 'trace' },
    { seen: ['vfio_attach_device', 'amdvi_devtab_inval'], value: 'amd-iommu', source: 'trace' },
    { seen: ['vfio_iommu_map_notify'], value: 'intel-iommu', source: 'assumed' },
    { seen: ['vfio_listener_region_add_ram'], value: 'none', source: 'assumed' },
    { seen: ['migrate_set_state'], value: null, source: 'assumed' },
    { seen: [], value: null, source: 'assumed' },
  ];

  it.each(kinds)('by $seen is $value', ({ seen, value, source }) => {
    const events = new SeenEvents();
    for (const name of seen) events.count(kindOf(name));
    const viommu = seen.some((name) => name.startsWith('amdvi_')) ? amdIommu : intelIommu;
    expect(vIommuKind({ seen: events, viommu })).toMatchObject({ value, source });
  });
});
