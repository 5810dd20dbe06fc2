import { describe, expect, it } from 'vitest';
import { amdviAddressSpaceUnmap } from '../../src/emulation/viommu/amd/index.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../src/emulation/viommu/notifiers.ts';
import { analyzeLines } from '../helpers/analyze.ts';

const hex = (value: bigint) => `0x${value.toString(16)}`;
const notify = (op: 'MAP' | 'UNMAP', iova: bigint, size: bigint) =>
  `vfio_iommu_map_notify iommu ${op} @ ${hex(iova)} - ${hex(iova + size - 1n)}`;
const pieces = [HIGH_NOTIFIER, LOW_NOTIFIER].flatMap(amdviAddressSpaceUnmap);
const wholeUnmap = pieces.map(({ iova, size }) => notify('UNMAP', iova, size));
const low = wholeUnmap.slice(34);
const high = wholeUnmap.slice(0, 34);

const boot = [
  'vfio_device_attach  (0000:00:05.0) group 7',
  'vfio_listener_region_add_ram region_add [ram] 0x0 - 0x3fffffff [0x7f4e07e00000]',
];
const device = 'amdvi_devtab_inval device table entry for devid: 00:10.0 invalidated';
const pages = 'amdvi_pages_inval AMD-Vi pages for domain 0x5 invalidated';
const MAPPED = notify('MAP', 0x1000_0000n, 0x1000n);
const translate = [
  device,
  'vfio_listener_region_del region_del 0x0 - 0x3fffffff',
  'vfio_listener_region_add_iommu region_add [iommu] amd_iommu 0x0 - 0xfedfffff',
  ...low,
  MAPPED,
  'vfio_listener_region_add_iommu region_add [iommu] amd_iommu 0xfef00000 - 0xffffffffffffffff',
  ...high,
];
const mapFailed =
  'qemu-system-x86_64: vfio_container_dma_map(0x562e07bae440, 0x10000000, 0x1000, 0x7f4e09e01000) = -17 (File exists)';

describe('a device behind AMD-Vi', () => {
  it('is named by the command before its whole unmap', async () => {
    const { session, trace, unmaps } = await analyzeLines([
      ...boot,
      ...translate,
      device,
      ...wholeUnmap,
    ]);
    const ofLast = unmaps.slice(-44);
    expect(ofLast.map(({ iova, size }) => [iova, size])).toEqual(
      pieces.map(({ iova, size }) => [hex(iova), hex(size)]),
    );
    expect(new Set(ofLast.map(({ cause, device: bdf }) => `${cause} of ${bdf}`))).toEqual(
      new Set(['whole-unmap of 00:10.0']),
    );
    expect(session.totals.wholeUnmaps).toBe(4);
    expect(session.addressSpaces[0]?.shadow.now).toBe(0);
    expect(trace.losses).toEqual([]);
  });

  it('keeps what it maps where the guest moves it from one domain to another', async () => {
    const { session } = await analyzeLines([...boot, ...translate, device, device]);
    expect(session.addressSpaces[0]?.shadow.now).toBe(1);
  });

  it('unmaps single pages with address 0 where the guest has cleared their entries', async () => {
    const lines = [...boot, ...translate, notify('UNMAP', 0x1000_0000n, 0x1000n), pages];
    const { unmaps } = await analyzeLines(lines);
    expect(unmaps.at(-1)).toMatchObject({
      cause: 'page-walk',
      carriedAddress: '0x0',
      device: '00:10.0',
    });
  });

  it('reaches old memory where the guest changes a translation in place', async () => {
    const conflict =
      'qemu-system-x86_64: Found conflicting translation. This could be due to an incorrect or missing invalidation command';
    const lines = [...boot, ...translate, conflict, MAPPED, mapFailed, pages];
    const { session } = await analyzeLines(lines);
    const found = session.findings.filter(({ rule }) => rule === 'VTD009');
    expect(found).toMatchObject([{ severity: 'error', verdict: 'leaves-mappings', count: 1 }]);
  });
});

describe('a dirty sync behind AMD-Vi', () => {
  const running = [
    'vfio_device_get Device 0000:00:05.0 flags: 3, regions: 9, irqs: 5',
    'vfio_vmstate_change  (0000:00:05.0) running 1 reason running device state RUNNING',
  ];
  const OTHER = notify('MAP', 0x2000_0000n, 0x1000n);
  const NEW = notify('MAP', 0x3000_0000n, 0x1000n);
  const tracked = 'global_dirty_changed bitmask 0x2';
  const synced = "memory_region_sync_dirty mr '(all)' listener 'vfio' synced (global=0)";
  const before = ['amdvi_iotlb_reset IOTLB exceed size limit - reset ', ...boot, ...running];
  const mapped = [...before, ...translate, OTHER, pages];
  const unseen = /^what a dirty sync \(line \d+\) found of what a device maps is not in the trace/;

  it('maps all again: nothing is left behind', async () => {
    const { session } = await analyzeLines([...mapped, tracked, MAPPED, OTHER, synced]);
    expect(session.findings.some(({ rule }) => rule === 'VTD005')).toBe(false);
    expect(session.reasons.filter((reason) => unseen.test(reason))).toEqual([]);
    expect(session.addressSpaces[0]).toMatchObject({ shadow: { now: 2 }, stale: [] });
  });

  it.each([
    { what: 'what it does not map again', lines: [OTHER], left: 1 },
    { what: 'all where it maps only what is new', lines: [NEW], left: 2 },
  ])('leaves in the host $what', async ({ lines, left }) => {
    const { session } = await analyzeLines([...mapped, tracked, ...lines, synced]);
    const found = session.findings.filter(({ rule }) => rule === 'VTD005');
    expect(found).toMatchObject([
      { mode: 'active', count: left, iova: '0x10000000', verdict: 'leaves-mappings' },
    ]);
    expect(session.addressSpaces[0]).toMatchObject({ shadow: { now: 1 } });
    expect(session.addressSpaces[0]?.stale).toHaveLength(left);
  });

  it('is not clean where it shows nothing of what it found', async () => {
    const { session } = await analyzeLines([...mapped, tracked, synced]);
    expect(session.findings.some(({ rule }) => rule === 'VTD005')).toBe(false);
    expect(session.reasons.filter((reason) => unseen.test(reason))).toHaveLength(1);
    expect(session.verdict).toBe('inconclusive');
  });

  it('does not reach a device that cannot migrate', async () => {
    const lines = mapped.filter((line) => !line.startsWith('vfio_vmstate_change'));
    const { session } = await analyzeLines([...lines, tracked, synced]);
    expect(session.reasons).toEqual([]);
  });

  it('is told from the replay of a registration', async () => {
    const atLow = [...before, tracked, ...translate.slice(0, -high.length - 1)];
    const { session } = await analyzeLines([...atLow, synced]);
    expect(session.findings.some(({ rule }) => rule === 'VTD005')).toBe(false);
    expect(session.reasons.filter((reason) => unseen.test(reason))).toHaveLength(1);
    const again = await analyzeLines([...atLow, MAPPED, synced]);
    expect(again.session.reasons.filter((reason) => unseen.test(reason))).toEqual([]);
  });

  it('may have come where its line is not traced', async () => {
    const { session } = await analyzeLines([...mapped, tracked]);
    expect(session.reasons.join()).toMatch(/dirty syncs are not in the trace: amd-iommu forgets/);
  });
});

describe('a trace without any line of an IOMMU', () => {
  it.each([
    { what: 'pieces up to 2^64', lines: wholeUnmap, viommu: 'amd-iommu', whole: 2 },
    {
      what: 'pieces up to 2^48',
      lines: wholeUnmap.filter(
        (line) => line.length < notify('UNMAP', 1n << 48n, 1n << 48n).length,
      ),
      viommu: 'intel-iommu',
      whole: 2,
    },
  ])('with $what is of $viommu', async ({ lines, viommu, whole }) => {
    const { session } = await analyzeLines(lines);
    expect(session.model.vIommu.value).toBe(viommu);
    expect(session.totals.wholeUnmaps).toBe(whole);
  });
});

describe('machines behind different IOMMUs, one after the other', () => {
  it('are sessions of their own', async () => {
    const reset = 'amdvi_iotlb_reset IOTLB exceed size limit - reset ';
    const virtio = [
      'virtio_iommu_init_iommu_mr init virtio-iommu-memory-region-0-128',
      'virtio_iommu_switch_address_space Device 00:10.0 switching address space (iommu enabled=0)',
      ...boot,
    ];
    const lines = [reset, ...boot, ...translate, ...virtio, reset, ...boot, ...translate];
    const { trace } = await analyzeLines(lines);
    expect(trace.sessions.map(({ model }) => model.vIommu.value)).toEqual([
      'amd-iommu',
      'virtio-iommu',
      'amd-iommu',
    ]);
  });
});
