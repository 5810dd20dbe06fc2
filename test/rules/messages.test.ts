import { describe, expect, it } from 'vitest';
import { profileNamed } from '../../src/emulation/profiles/index.ts';
import { analyzeLines } from '../helpers/analyze.ts';
import { GuestLog, type LogOptions, QEMU } from '../helpers/guest-log.ts';

/** QEMU's own messages about failures, in the words of each version, and what becomes of them. */

const IOVA = 0x10_0000n;
const TWO_MIB = 0x20_0000n;

type Version = NonNullable<LogOptions['version']>;

/** One page is mapped and unmapped, and QEMU says something about it. */
async function afterUnmap(version: Version, tracked: boolean | null, ...messages: string[]) {
  const log = new GuestLog({ version }).map(IOVA, 0x5000n);
  if (version === '7.2') log.migrate('setup');
  if (tracked !== null) log.track(1);
  if (tracked === false) log.track(0);
  if (tracked === true) log.migrate('active');
  log.unmap(IOVA).say(...messages);
  const { session, trace, unmaps } = await analyzeLines(log.lines);
  const [finding] = session.findings.filter(({ mode }) => mode !== 'what-if');
  return { finding, findings: session.findings, verdict: trace.verdict, unmap: unmaps.at(-1) };
}

describe('an unmap that failed by QEMU’s own word is observed, whatever is known of tracking', () => {
  it.each<[Version, boolean | null, number, string, string[]]>([
    ['7.2', true, -22, 'VTD015', ['vfio_dma_unmap(0x55d5, 0x100000, 0x1000) = -22 (Success)']],
    [
      '7.2',
      null,
      -22,
      'VTD015',
      [
        'VFIO_UNMAP_DMA failed: Invalid argument',
        'vfio_dma_unmap(0x55d5, 0x100000, 0x1000) = -22 (Invalid argument)',
      ],
    ],
    [
      '10.0',
      true,
      -1,
      'VTD015',
      [
        'VFIO_UNMAP_DMA with DIRTY_BITMAP : Invalid argument',
        'vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -1 (Operation not permitted)',
      ],
    ],
    // The second line went to another file.
    ['10.0', null, -1, 'VTD015', ['VFIO_UNMAP_DMA with DIRTY_BITMAP : Invalid argument']],
    [
      '10.0',
      null,
      -12,
      'VTD015',
      ['vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -12 (Cannot allocate memory)'],
    ],
    [
      '10.2',
      false,
      -22,
      'VTD015',
      ['vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -22 (Invalid argument)'],
    ],
    [
      '11.1',
      null,
      -7,
      'VTD001',
      [
        'UNMAP: Size of bitmap too big 0x8',
        'vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -7 (Argument list too long)',
      ],
    ],
  ])('%s, tracked %s: %i', async (version, tracked, errno, rule, messages) => {
    const { finding, findings, verdict, unmap } = await afterUnmap(version, tracked, ...messages);
    expect(unmap).toMatchObject({ errno, mode: 'observed', atRisk: [['0x5000', '0x1000']] });
    // Untracked, the mapping stays, and no dirty bits are lost.
    const isTracked = tracked === true || errno !== -22;
    expect(findings.find((one) => one.rule === rule)).toMatchObject({
      mode: 'observed',
      severity: isTracked ? 'error' : 'warning',
      evidence: 'observed',
      errno,
      count: 1,
    });
    expect(verdict).toBe(isTracked ? 'fails' : 'leaves-mappings');
    // It did not succeed, so that nothing went to a wrong place; and it is told once.
    expect(findings.some((one) => one.rule === 'VTD002')).toBe(false);
    expect(finding?.message).not.toContain('by the emulation');
    expect(findings.filter((one) => one.rule === rule && one.mode !== 'what-if').length).toBe(1);
  });

  it('tracking itself is proved only by what only tracking can bring', async () => {
    const failed = (errno: number) =>
      `vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = ${errno}`;
    expect((await afterUnmap('10.0', null, failed(-22))).unmap?.tracked).toBe(null);
    expect((await afterUnmap('10.0', null, failed(-12))).unmap?.tracked).toBe(true);
    expect((await afterUnmap('10.0', null, failed(-1))).unmap?.tracked).toBe(true);
  });
});

describe('an unmap that cuts through a larger mapping', () => {
  const inside = IOVA + 0x1000n;

  it('is a conflict where the emulation sees it too', async () => {
    const failed = `vfio_container_dma_unmap(0x55d5, 0x${inside.toString(16)}, 0x1000) = -22 (Invalid argument)`;
    const log = new GuestLog().map(TWO_MIB, 0x1000_0000n, TWO_MIB).track(2).track(0);
    log.unmap(TWO_MIB + 0x1000n, 0x1000n).say(failed.replace('0x101000', '0x201000'));
    const { session, trace } = await analyzeLines(log.lines);
    const finding = session.findings.find(({ mode }) => mode === 'observed');
    expect(finding).toMatchObject({ rule: 'VTD009', errno: -22, iova: '0x201000' });
    expect(finding?.message).toContain('cuts through a larger mapping');
    expect(finding?.severity).toBe('warning');
    expect(trace.verdict).toBe('leaves-mappings');
  });

  it('untracked and by the emulation alone, it is told with what it really returns', async () => {
    const log = new GuestLog().map(TWO_MIB, 0x1000_0000n, TWO_MIB).track(2).track(0);
    const { session, trace, unmaps } = await analyzeLines(
      log.unmap(TWO_MIB + 0x1000n, 0x1000n).lines,
    );
    const finding = session.findings.find(({ rule }) => rule === 'VTD009');
    expect(finding).toMatchObject({ mode: 'what-if', errno: -22, severity: 'warning' });
    expect(unmaps.at(-1)).toMatchObject({ errno: -22, mode: 'what-if' });
    expect(trace.verdict).toBe('clean');
  });

  it('of a large mapping that the guest replaces by small ones, the MAP fails as well', async () => {
    const log = new GuestLog().map(TWO_MIB, 0x1000_0000n, TWO_MIB).track(2);
    const { session, mappings } = await analyzeLines(log.change(TWO_MIB + 0x1000n, 0x9000n).lines);
    const found = session.findings.filter(({ rule }) => rule === 'VTD009');
    expect(found.map(({ mode, errno }) => [mode, errno])).toEqual([
      ['active', -1],
      ['active', -17],
    ]);
    expect(mappings.map(({ iova, size, in: where }) => [iova, size, where])).toEqual([
      ['0x200000', '0x200000', 'host'],
      ['0x201000', '0x1000', 'shadow'],
    ]);
  });
});

describe('a failure that QEMU tells only when the migration ends', () => {
  const told =
    'migrate_error error=vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -1 (Operation not permitted)';

  it('that nobody foresaw makes the trace fail', async () => {
    const log = new GuestLog({ version: '10.2' }).map(IOVA, 0x5000n).track(1).migrate('active');
    log
      .unmap(IOVA)
      .add('vtd_inv_desc_wait_sw wait invalidate status write addr 0x0 data 0x1', told);
    const { session, trace } = await analyzeLines(log.lines);
    const finding = session.findings.find(({ rule }) => rule === 'VTD015');
    expect(finding).toMatchObject({ mode: 'observed', severity: 'error' });
    expect(finding?.message).toContain('0x100000');
    expect(trace.verdict).toBe('fails');
  });

  it('that was told already is told once', async () => {
    const log = new GuestLog({ version: '10.2' }).map(IOVA, 0x5000n).track(1).migrate('active');
    log.unmap(IOVA).say('VFIO_UNMAP_DMA with DIRTY_BITMAP : Invalid argument').migrate('failed');
    const { session } = await analyzeLines(log.add(told).lines);
    const found = session.findings.filter(({ rule }) => rule === 'VTD015');
    expect(found.map(({ count, errno }) => [count, errno])).toEqual([[1, -1]]);
  });
});

describe('iommufd', () => {
  const qemu = profileNamed('11.0') ?? null;

  it('a query that the kernel refuses is told once, with its unmap', async () => {
    const log = new GuestLog({ version: '11.1', backend: 'iommufd' }).map(IOVA, 0x5000n).track(1);
    log
      .migrate('active')
      .unmap(IOVA)
      .say(
        'IOMMU_HWPT_GET_DIRTY_BITMAP (iova: 0x100000 size: 0x1000) failed: Invalid argument',
        'vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -22 (Invalid argument)',
      );
    const { session, trace } = await analyzeLines(log.lines, { qemu });
    const real = session.findings.filter(({ mode }) => mode !== 'what-if');
    expect(real.map(({ rule, mode, errno }) => [rule, mode, errno])).toEqual([
      ['VTD010', 'observed', -22],
    ]);
    expect(trace.verdict).toBe('fails');
  });

  it('up to 10.2, where nothing is queried, an unmap that fails is another failure', async () => {
    const log = new GuestLog({ backend: 'iommufd' }).map(IOVA, 0x5000n).track(1);
    log
      .unmap(IOVA)
      .say('vfio_container_dma_unmap(0x55d5, 0x100000, 0x1000) = -22 (Invalid argument)');
    const { session } = await analyzeLines(log.lines);
    const real = session.findings.filter(({ mode }) => mode !== 'what-if');
    expect(real.map(({ rule, mode }) => [rule, mode])).toEqual([['VTD015', 'observed']]);
  });
});

describe('other failures of the backend', () => {
  const DROPPED = ['iommu map', 'iommu has', 'warning: iommu map', 'Wrong target AS'];

  it.each([
    'Failed to allocate dirty tracking bitmap: Cannot allocate memory',
    'IOMMU_HWPT_GET_DIRTY_BITMAP (iova: 0x0 size: 0x1000) failed: Invalid argument',
    'Failed to get dirty bitmap for iova: 0x100000 size: 0x1000: No such file or directory',
    'Failed to get dirty bitmap for iova: 0x100000 size: 0x1000 err: 2',
    'vfio_iommu_map_dirty_notify(0x55d5, 0x100000, 0x1000) failed - Invalid argument',
    'vfio_iommu_map_dirty_notify(0x55d5, 0x100000, 0x1000) = -22 (Invalid argument)',
    '0000:00:05.0: Failed to get DMA logging report, iova: 0x0, size: 0x1000: Input/output error',
    'vfio: Could not start dirty page tracking - Invalid argument',
    'vfio: Could not stop dirty page tracking - Invalid argument',
    'Failed to set dirty tracking flag 0x1 errno: 22',
    'Failed to set dirty tracking flag 0x4 errno: 22',
    'iommu has granularity incompatible with target AS',
    'iommu map to non memory area fee00000',
    'warning: iommu map to discarded memory (e.g., unplugged via virtio-mem): Invalid argument',
    'Wrong target AS "guest", only system memory is allowed',
  ])('%s', async (message) => {
    const { findings, verdict } = await afterUnmap('10.0', true, message);
    const found = findings.find(({ rule }) => rule === 'VTD015');
    const isDropped = DROPPED.some((start) => message.startsWith(start));
    const severity = isDropped ? 'warning' : 'error';
    expect(found).toMatchObject({ mode: 'observed', severity, count: 1 });
    if (!isDropped) expect(verdict).toBe('fails');
    expect(found?.message).toContain(message);
    expect(found?.excerpt.join('\n')).toContain(QEMU + message);
  });
});

describe('blockers', () => {
  it.each([
    'vfio 0000:00:05.0: Migration is currently not supported with vIOMMU enabled',
    "warning: 0000:00:05.0: VFIO device doesn't support device and IOMMU dirty tracking",
    '0000:00:05.0: Migration is currently not supported with large memory VM due to dirty tracking limitation in backend',
  ])('%s', async (message) => {
    const { findings, verdict } = await afterUnmap('10.0', false, message);
    expect(findings.find(({ rule }) => rule === 'VTD013')).toMatchObject({
      mode: null,
      severity: 'note',
      count: 1,
    });
    expect(verdict).toBe('clean');
  });
});
