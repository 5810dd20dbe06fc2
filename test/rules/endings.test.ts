import { describe, expect, it } from 'vitest';
import { analyzeLines } from '../helpers/analyze.ts';
import { GuestLog, QEMU } from '../helpers/guest-log.ts';

/** Logs that end because QEMU did. */

const GIB = 1n << 30n;
const FAR = 0xf8_0000_0000n;
const HALF_TIB = 1n << 39n;

describe('dirty bits past the end of RAM', () => {
  const past = async (lines: readonly string[]) => {
    const { session, trace } = await analyzeLines(lines);
    return { finding: session.findings.find(({ rule }) => rule === 'VTD006'), trace };
  };
  const entry = HALF_TIB;

  it('at the end of the log, as when QEMU dies of them', async () => {
    const log = new GuestLog({ version: '11.1' }).map(FAR, 0x23_4000n).track(2);
    log.unmap(0x80_0000_0000n, entry);
    const { finding, trace } = await past(log.lines);
    expect(finding).toMatchObject({ mode: 'active', severity: 'error', count: 1 });
    expect(finding?.message).toContain('up to ram_addr 0x7800000000');
    expect(finding?.message).toContain('outside its own bitmap');
    expect(finding?.message).toContain('The trace ends right there');
    expect(finding?.fix).toContain('no release fixes this yet');
    expect(trace.verdict).toBe('loses-dirty-pages');
    // Also if all that follows is what libvirt has to say.
    const told = [...log.lines, '2026-11-22 07:51:14.717+0000: shutting down, reason=crashed'];
    expect((await past(told)).finding?.message).toContain('The trace ends right there');
  });

  it('and QEMU went on', async () => {
    const log = new GuestLog({ version: '11.1' }).map(FAR, 0x23_4000n).track(2);
    log.unmap(0x80_0000_0000n, entry).map(0x1000n, 0x5000n);
    expect((await past(log.lines)).finding?.message).not.toContain('The trace ends');
  });

  it('not far past it, where QEMU’s bitmap has room for them', async () => {
    const log = new GuestLog({ version: '11.1' }).map(0x5000_0000n, 0x23_4000n).track(2);
    const { finding } = await past(log.unmap(0n, 2n * GIB).lines);
    expect(finding?.message).toContain('inside QEMU’s own bitmap');
  });

  it('not what fits into RAM', async () => {
    const log = new GuestLog({ version: '11.1' }).map(0x3fff_f000n, 0x23_4000n).track(2);
    expect((await past(log.unmap(0n, GIB).lines)).finding).toBeUndefined();
  });

  it('would be set, had tracking been on', async () => {
    const log = new GuestLog().map(FAR, 0x23_4000n).track(2).track(0);
    const { finding, trace } = await past(log.unmap(0x80_0000_0000n, entry).lines);
    expect(finding).toMatchObject({ mode: 'what-if', severity: 'warning' });
    expect(finding?.message).not.toContain('The trace ends');
    expect(trace.verdict).toBe('clean');
  });
});

describe('an event that crosses the interrupt range', () => {
  const abort =
    "../system/memory.c:2020: memory_region_notify_iommu_one: Assertion `entry_end <= notifier->end' failed.";
  const cleared = 'vtd_page_walk_one domain 0x1 iova 0x0 -> gpa 0x0 mask 0x7fffffffff perm 0';
  const conflict = async (log: GuestLog) => {
    const { session, trace } = await analyzeLines(log.lines);
    return {
      found: session.findings.filter(({ rule, mode }) => rule !== 'VTD004' && mode !== 'what-if'),
      trace,
    };
  };

  it('ends QEMU 10.0: its lines stop there', async () => {
    const log = new GuestLog({ version: '10.0' }).map(0x1000n, 0x7f000n).track(2).track(0);
    const { found, trace } = await conflict(log.add(cleared));
    expect(found).toMatchObject([
      { rule: 'VTD009', mode: 'active', severity: 'error', iova: '0x0', size: '0x8000000000' },
    ]);
    expect(found[0]?.message).toContain('stops with an assertion');
    expect(found[0]?.fix).toContain('10.2');
    expect(trace.verdict).toBe('fails');
  });

  it('and its last words, if they are in the log, are a finding as well', async () => {
    const log = new GuestLog({ version: '10.0' }).map(0x1000n, 0x7f000n).add(cleared, QEMU + abort);
    const { session } = await analyzeLines(log.lines);
    const told = session.findings.find(({ rule }) => rule === 'VTD015');
    expect(told?.message).toContain('Assertion');
  });

  it('is cut in two by 10.2: both parts arrive', async () => {
    const log = new GuestLog({ version: '11.1' })
      .map(0x1000n, 0x7f000n)
      .track(2)
      .add(
        cleared,
        'vfio_iommu_map_notify iommu UNMAP @ 0xfef00000 - 0x7fffffffff',
        'vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0xfedfffff',
      );
    const { found } = await conflict(log);
    expect(found.map(({ rule, iova }) => [rule, iova])).toEqual([['VTD002', '0x0']]);
  });

  it('is nothing special where it only ends beside the range', async () => {
    const log = new GuestLog({ version: '10.0' })
      .map(0x1000n, 0x7f000n)
      .track(2)
      .track(0)
      .add('vtd_page_walk_one domain 0x1 iova 0xfec00000 -> gpa 0x0 mask 0x1fffff perm 0');
    expect((await conflict(log)).found.some(({ rule }) => rule === 'VTD009')).toBe(false);
  });

  it('of which QEMU refuses the parts, the MAP fails', async () => {
    const log = new GuestLog({ version: '11.1' })
      .track(2)
      .add(
        'vtd_page_walk_one domain 0x1 iova 0xc0000000 -> gpa 0x0 mask 0x3fffffff perm 3',
        'vfio_iommu_map_notify iommu MAP @ 0xfef00000 - 0xffffffff',
        'vfio_iommu_map_notify iommu MAP @ 0xc0000000 - 0xfedfffff',
      );
    const { found } = await conflict(log);
    expect(found).toMatchObject([{ rule: 'VTD009', mode: 'active', errno: -22, count: 2 }]);
  });
});
