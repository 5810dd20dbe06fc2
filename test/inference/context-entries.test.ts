import { describe, expect, it } from 'vitest';
import { ContextEntries, EVERY_DEVICE, NO_DEVICE } from '../../src/inference/context-entries.ts';
import { analyzeLines } from '../helpers/analyze.ts';

const [A, B] = [0x80, 0x88] as const;

/** Two devices, made and not yet translated. */
function twoDevices(): ContextEntries {
  const entries = new ContextEntries();
  for (const bdf of [A, B]) entries.switched(bdf, false);
  return entries;
}

describe('which device has a context entry', () => {
  it('tells from the first switch to translation, whatever made it', () => {
    const entries = twoDevices();
    entries.absent(B);
    entries.switched(B, true);
    expect(entries.singlePresent).toBeNull();
    entries.switched(A, true);
    expect(entries.singlePresent).toBe(A);
  });

  it('tells none apart where both have one', () => {
    const entries = twoDevices();
    for (const bdf of [A, B]) entries.switched(bdf, true);
    expect(entries.singlePresent).toBeNull();
    expect(entries.isSingleEver).toBe(false);
  });

  it('takes an entry away only behind a command that switches the device', () => {
    const entries = twoDevices();
    for (const bdf of [A, B]) entries.switched(bdf, true);
    entries.command(NO_DEVICE);
    entries.absent(B);
    entries.switched(B, true);
    expect(entries.singlePresent, 'a look-up of an invalidation').toBeNull();
    entries.command(B);
    entries.absent(B);
    entries.switched(B, true);
    expect(entries.singlePresent).toBe(A);
    expect(entries.isSingleEver).toBe(false);
    entries.absent(B);
    entries.switched(B, true);
    expect(entries.singlePresent, 'behind its switch the device is looked up again').toBeNull();
    entries.command(EVERY_DEVICE);
    entries.absent(A);
    entries.switched(A, true);
    expect(entries.singlePresent).toBe(B);
  });

  it('gives nobody up for what was switched off', () => {
    const entries = twoDevices();
    for (const bdf of [A, B]) entries.switched(bdf, true);
    entries.switched(B, false);
    expect(entries.singlePresent).toBe(A);
  });

  it('knows nothing where a device is translated that no line has shown before', () => {
    const entries = twoDevices();
    entries.switched(A, true);
    entries.switched(0x90, true);
    entries.switched(0x90, false);
    expect(entries.singlePresent).toBeNull();
  });
});

describe('the device of an unmap in a log without walks', () => {
  const NAMES = { [A]: '00:10.0', [B]: '00:11.0' } as const;
  const switched = (bdf: typeof A | typeof B, on: 0 | 1) =>
    `vtd_switch_address_space Device ${NAMES[bdf]} switching address space (iommu enabled=${on})`;
  const absent = (bdf: number) => `vtd_ce_not_present Context entry bus 0 devfn ${bdf} not present`;
  const command = (bdf: typeof A | typeof B) =>
    `vtd_inv_desc_cc_device context invalidate device ${NAMES[bdf]}0`;
  const page = (op: 'MAP' | 'UNMAP', iova = 0x2000) =>
    `vfio_iommu_map_notify iommu ${op} @ 0x${iova.toString(16)} - 0x${(iova + 0xfff).toString(16)}`;
  const boot = [switched(A, 0), switched(B, 0)];
  const onlyA = [...boot, switched(A, 1), absent(B), absent(B), switched(B, 1)];
  const devicesOf = async (...lines: readonly string[]) =>
    (await analyzeLines(lines)).unmaps.map(({ device, container }) => `${device} ${container}`);

  it('is the one that has a context entry', async () => {
    expect(await devicesOf(...onlyA, page('MAP'), page('UNMAP'))).toEqual(['00:10.0 container-0']);
  });

  it('is not told where both have one, or where lines are missing from the start', async () => {
    const both = [...boot, switched(A, 1), switched(B, 1), page('MAP'), page('UNMAP')];
    expect(await devicesOf(...both)).toEqual(['null null']);
    const late = [switched(A, 1), page('MAP'), page('UNMAP')];
    expect(await devicesOf(...late)).toEqual(['null null']);
  });

  it('is not told where it may be a mapping that 11.x drains, or a chunk', async () => {
    const left = [
      ...[switched(A, 1), switched(B, 1), page('MAP')],
      ...[command(B), absent(B), absent(B), switched(B, 1), absent(B)],
    ];
    expect(await devicesOf(...boot, ...left, page('UNMAP'))).toEqual(['null null']);
    const chunk = 'vfio_iommu_map_notify iommu UNMAP @ 0x40000000000 - 0x7ffffffffff';
    expect(await devicesOf(...onlyA, chunk)).toEqual(['null null']);
  });

  it('says so in what a finding rests on', async () => {
    const { session, trace } = await analyzeLines([
      ...[...boot, switched(A, 1), page('MAP', 0xff00_0000)],
      'iommufd_backend_map_dma  iommufd=24 ioas=2 iova=0xff000000 size=0x1000 addr=0x7f0000000000 readonly=0 (0)',
      ...[page('UNMAP', 0xff00_0000)],
    ]);
    const finding = session.findings.find(({ cause }) => cause === 'unknown');
    expect(finding?.device).toBe('00:10.0');
    expect(finding?.basis.join()).toContain('device: the only one with a context entry');
    expect(trace.totals.withoutDevice).toBe(0);
  });
});
