import { describe, expect, it } from 'vitest';
import { exitStatusOf } from '../src/cli/exit-status.ts';
import { analyze } from './helpers/analyze.ts';
import {
  capture,
  captures,
  failuresTold,
  hostMapOf,
  type Ioctl,
  ioctlsOf,
  root,
} from './helpers/ground-truth.ts';

/** Traced without the listener's lines, so that sections of RAM are not in the log. */
const WITHOUT_LISTENER = new Set([
  'qemu-10.0/blocked-aw48-minimal',
  'qemu-11.1/blocked-aw48-minimal-ts',
]);
/** Traced without global_dirty_changed: tracking shows only where something fails. */
const WITHOUT_TRACKING = new Set(['qemu-10.0/blocked-aw48-vfio-only', 'qemu-10.0/storm-aw48']);

/** Traced without VT-d's lines: the name of a region has the device's slot and function, and no bus. */
const WITHOUT_BUS = new Set(['qemu-10.0/blocked-aw48-vfio-only']);

/** Unmaps of RAM and of whole IOMMU sections, for which only the listener has a line. */
const OF_LISTENER = new Set([
  '0x0+0x40000000',
  '0x0+0xc0000',
  '0x0+0xfee00000',
  '0xc0000+0x20000',
  '0xe0000+0x10000',
  '0xf0000+0x10000',
  '0x100000+0x3ff00000',
  '0xffff0000+0x10000',
  '0xfef00000+0xffffffff01100000',
]);

/** Sections of ROM, which no line tells from RAM: what the result says of them is graded for it. */
const ROMS = new Set(['0xc0000+0x20000', '0xf0000+0x10000']);

function isTakenForRam(iova: string, size: string, query: string | null): boolean {
  return query === 'bitmap' && ROMS.has(`${iova}+${size}`);
}

function isOfListener({ iova, size }: Ioctl): boolean {
  return OF_LISTENER.has(`${iova}+${size}`);
}

describe.each(captures)('$name against its ioctl record', ({ name, log }) => {
  const truth = ioctlsOf(capture(name));
  const analysis = analyze(`${root}${log}`);

  it('finds every unmap that reached the kernel, in order, with its bitmap flag', async () => {
    const { unmaps } = await analysis;
    const isMinimal = WITHOUT_LISTENER.has(name);
    const isUntracked = WITHOUT_TRACKING.has(name);
    const expected = truth
      .filter(({ op }) => op === 'unmap')
      .filter((ioctl) => !isMinimal || !isOfListener(ioctl))
      .map(({ iova, size, hasBitmap }) => ({ range: `${iova}+${size}`, hasBitmap }));
    const found = unmaps
      .filter(({ errno }) => errno !== -7)
      .map(({ iova, size, query }, index) => {
        // Unknown is an honest answer where tracking was not traced; a wrong one is not.
        const isFree = (isUntracked && query === null) || isTakenForRam(iova, size, query);
        return `${iova}+${size} ${isFree ? expected[index]?.hasBitmap : query === 'bitmap'}`;
      });
    // Texts: of a hundred thousand objects, the comparison would take ten times as long.
    expect(found).toEqual(expected.map(({ hasBitmap, range }) => `${range} ${hasBitmap}`));
  });

  it('finds the unmaps that failed, each at its place', async () => {
    const { unmaps, trace } = await analysis;
    const failed = unmaps.filter(({ errno }) => errno !== 0);
    const told = failuresTold(capture(name));
    expect(failed.map(({ iova, size, errno }) => ({ iova, size, errno }))).toEqual(
      told.map(({ iova, size, errno }) => ({ iova, size, errno })),
    );
    expect(told.length).toBe(4 * (FAILED_SWITCHES[name] ?? 0));
    const inLog = told.filter(({ line }) => line > 0);
    // QEMU's two lines follow the unmap's own.
    if (inLog.length > 0) {
      expect(failed.map(({ line }) => line)).toEqual(inLog.map(({ line }) => line - 2));
    }
    expect(trace.totals.observed).toEqual({ failures: inLog.length, e2big: inLog.length });
  });

  it('ends with what the host maps', async () => {
    if (WITHOUT_LISTENER.has(name)) return expect((await analysis).mappings).toEqual([]);
    const { mappings, session } = await analysis;
    const found = session.containers.map(({ id }) =>
      mappings
        .filter((mapping) => mapping.container === id && mapping.in !== 'shadow')
        .map(({ iova, size }) => `${iova}+${size}`)
        .sort(),
    );
    expect(found).toEqual(hostMapOf(truth));
  });

  it('gives every unmap its device and container', async () => {
    const { unmaps } = await analysis;
    const done = unmaps.filter(({ errno }) => errno !== -7);
    const isMinimal = WITHOUT_LISTENER.has(name);
    const descriptors = truth
      .filter((ioctl) => ioctl.op === 'unmap' && !(isMinimal && isOfListener(ioctl)))
      .map(({ container }) => container);
    const found = done.map(({ container, device }) => `${container} of ${device}`);
    expect(found).toEqual(
      descriptors.map((descriptor) => {
        const [container, device] = OWNERS[descriptor] ?? ['container-0', '00:10.0'];
        return `${container} of ${WITHOUT_BUS.has(name) ? null : device}`;
      }),
    );
  });

  it('reports how many unmaps it gives no device', async () => {
    const { trace, unmaps } = await analysis;
    const { withoutDevice } = trace.totals;
    expect(withoutDevice).toBe(unmaps.filter(({ device }) => device === null).length);
    expect(withoutDevice).toBe(WITHOUT_BUS.has(name) ? unmaps.length : 0);
  });

  it('says of a finding that no line names the device', async () => {
    const { session } = await analysis;
    for (const { basis, cause, device } of session.findings) {
      if (device !== null || cause === null) continue;
      expect(basis.join()).toContain('device: not told');
    }
  });

  it('finds the maps that failed', async () => {
    const { session } = await analysis;
    const expected = truth.filter(({ op, result }) => op === 'map' && result !== 0);
    const found = session.findings.filter(({ rule, errno }) => rule === 'VTD009' && errno === -17);
    for (const { errno } of expected) expect(errno).toBe(17);
    expect(found.map(({ mode, count, iova }) => ({ mode, count, iova }))).toEqual(
      expected.length === 0
        ? []
        : [{ mode: 'observed', count: expected.length, iova: expected[0]?.iova }],
    );
  });
});

/** Containers by their descriptors in the record; of all others there is only one. */
const OWNERS: Readonly<Record<string, readonly [container: string, device: string]>> = {
  '20': ['container-1', '00:11.0'],
};

/** How often a device left its domain under dirty tracking: each time four pieces failed. */
const FAILED_SWITCHES: Readonly<Record<string, number>> = {
  'qemu-10.0/blocked-aw48': 1,
  'qemu-10.0/blocked-aw48-minimal': 1,
  'qemu-10.0/blocked-aw48-paused': 3,
  'qemu-10.0/blocked-aw48-sepfile': 1,
  'qemu-10.0/blocked-aw48-ts': 1,
  'qemu-10.0/blocked-aw48-vfio-only': 1,
  'qemu-10.0/linux-nvme-aw48': 2,
  'qemu-10.0/linux-nvme-large-noise': 2,
  'qemu-10.0/stale-aw48': 1,
  'qemu-10.0/storm-aw48': 5,
  'qemu-10.0/twodev-aw48': 10,
};

describe('what each capture is about', () => {
  it.each(captures)('$name', async ({ name, log }) => {
    const { result, session } = await analyze(`${root}${log}`);
    const { verdict, status = 1, found } = MUST_BE_FOUND[name] ?? { verdict: 'untold', found: [] };
    expect(result.verdict).toBe(verdict);
    expect(exitStatusOf(result, 'active')).toBe(status);
    expect(
      session.findings
        .filter(({ mode, severity }) => mode !== 'what-if' && severity === 'error')
        .map(({ rule, mode, cause, count }) => `${rule} ${mode} ${cause} x${count}`)
        .sort(),
    ).toEqual([...found].sort());
  });

  it('names the first failing unmap with its bitmap and the limit', async () => {
    const { session } = await analyze(`${root}${capture('qemu-10.0/blocked-aw48').log}`);
    const finding = session.findings.find(
      ({ rule, mode }) => rule === 'VTD001' && mode === 'observed',
    );
    expect(finding).toMatchObject({
      device: '00:10.0',
      iova: '0x100000000000',
      size: '0x100000000000',
      errno: -7,
      bitmapBytes: '0x20000000',
      limitBytes: '0x10000000',
      evidence: 'observed',
      count: 4,
    });
    expect(finding?.first.line).toBe(15785);
    expect(finding?.message).toContain('the size of the VM plays no part');
    expect(finding?.excerpt.join('\n')).toContain('= -7 (Argument list too long)');
  });

  it('the rest of what the list of traces promises', async () => {
    const of = (name: string) => analyze(`${root}${capture(name).log}`);
    const rules = ({ session }: Awaited<ReturnType<typeof of>>, wanted: string | null) =>
      [...new Set(session.findings.filter(({ mode }) => mode === wanted).map(({ rule }) => rule))]
        .sort()
        .join(' ');
    const old = await of('qemu-7.2/blocked-aw48');
    expect(old.trace.totals.wholeUnmaps).toBe(14);
    expect(rules(old, 'what-if')).toContain('VTD001 VTD002');
    const minimal = await of('qemu-10.0/blocked-aw48-minimal');
    expect(minimal.trace.reasons.join()).toContain('enable vtd_page_walk_one');
    const crashed = await of('qemu-10.0/segv-aw48');
    const past = crashed.session.findings.find(({ rule }) => rule === 'VTD006');
    expect(past?.last.line).toBe(crashed.trace.lines);
    expect(past?.fix).toContain('fixed in QEMU 11.0');
    const noisy = await of('qemu-10.0/linux-nvme-large-noise');
    expect([noisy.trace.lines, noisy.trace.totals.unmaps]).toEqual([386_503, 72_330]);
    expect(rules(await of('qemu-10.0/iommufd-blocked-aw48'), 'what-if')).toContain('VTD004');
    expect(rules(await of('qemu-11.1/migrate-legacy-aw48'), null)).toBe('VTD013');
    const refused = await of('qemu-10.0/migrate-viommu-refused');
    expect(refused.trace.reasons.join()).toContain('enable global_dirty_changed');
    const { session } = await of('qemu-10.0/twodev-aw48');
    expect(
      session.findings
        .filter(({ rule, mode }) => rule === 'VTD001' && mode === 'observed')
        .map(({ device, count }) => [device, count]),
    ).toEqual([
      ['00:10.0', 20],
      ['00:11.0', 20],
    ]);
  });

  it('leaves tracking unknown where the trace does not show it, but for what fails', async () => {
    const { unmaps } = await analyze(`${root}${capture('qemu-10.0/storm-aw48').log}`);
    const known = unmaps.filter(({ tracked }) => tracked !== null);
    expect(known.every(({ cause, tracked }) => cause === 'whole-unmap' && tracked)).toBe(true);
    // Five switches failed: 28 pieces each, those before and after the failing ones included.
    expect(known.length).toBe(5 * 28);
  });

  it('names the mappings that survive a drain, and follows them to their end', async () => {
    const { session } = await analyze(`${root}${capture('qemu-11.1/blocked-aw48').log}`);
    const stale = session.findings.find(({ rule, mode }) => rule === 'VTD005' && mode === 'active');
    expect(stale).toMatchObject({ count: 16, iova: '0xfff00000', cause: 'drain' });
    expect(session.addressSpaces.flatMap((space) => space.stale)).toEqual([]);
    const held = await analyze(`${root}${capture('qemu-11.1/high-iova-aw48').log}`);
    expect(held.session.addressSpaces[0]?.stale.map(({ iova }) => iova)).toEqual([
      '0xffff0000000',
      '0xffff0001000',
      '0xffff0002000',
      '0xffff0003000',
    ]);
  });
});

/** What `traces/README.md` says must be found: the verdict, and every error that is real. */
const MUST_BE_FOUND: Readonly<
  Record<string, { verdict: string; status?: number; found: readonly string[] }>
> = {
  'qemu-7.2/blocked-aw48': { verdict: 'clean', status: 0, found: [] },
  'qemu-10.0/blocked-aw39': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active page-walk x4', 'VTD002 active whole-unmap x2'],
  },
  'qemu-10.0/blocked-aw48': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x4',
      'VTD002 active page-walk x4',
      'VTD002 active whole-unmap x2',
    ],
  },
  'qemu-10.0/blocked-aw48-minimal': {
    verdict: 'fails',
    found: ['VTD001 observed whole-unmap x4', 'VTD002 active whole-unmap x2'],
  },
  'qemu-10.0/blocked-aw48-paused': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x12',
      'VTD002 active page-walk x4',
      'VTD002 active whole-unmap x6',
      'VTD004 active region-del x5',
    ],
  },
  'qemu-10.0/blocked-aw48-sepfile': {
    verdict: 'fails',
    found: [
      'VTD001 active whole-unmap x4',
      'VTD002 active page-walk x4',
      'VTD002 active whole-unmap x2',
    ],
  },
  'qemu-10.0/blocked-aw48-ts': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x4',
      'VTD002 active page-walk x4',
      'VTD002 active whole-unmap x2',
    ],
  },
  'qemu-10.0/blocked-aw48-vfio-only': {
    verdict: 'fails',
    found: ['VTD001 observed whole-unmap x4', 'VTD002 active whole-unmap x2'],
  },
  'qemu-10.0/iommufd-blocked-aw48': { verdict: 'clean', status: 0, found: [] },
  'qemu-10.0/linux-e1000e-aw39': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active page-walk x2', 'VTD002 active whole-unmap x1'],
  },
  'qemu-10.0/linux-nvme-aw48': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x8',
      'VTD002 active page-walk x110',
      'VTD002 active whole-unmap x1',
    ],
  },
  'qemu-10.0/linux-nvme-large-noise': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x8',
      'VTD002 active page-walk x6014',
      'VTD002 active whole-unmap x1',
    ],
  },
  'qemu-10.0/migrate-viommu-refused': { verdict: 'inconclusive', status: 3, found: [] },
  'qemu-10.0/segv-aw48': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active whole-unmap x1', 'VTD006 active whole-unmap x1'],
  },
  'qemu-10.0/stale-aw48': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x4',
      'VTD002 active whole-unmap x1',
      'VTD005 active whole-unmap x12',
      'VTD009 observed null x12',
    ],
  },
  'qemu-10.0/storm-aw48': {
    verdict: 'fails',
    found: ['VTD001 observed whole-unmap x20', 'VTD002 active whole-unmap x10'],
  },
  'qemu-10.0/twodev-aw48': {
    verdict: 'fails',
    found: [
      'VTD001 observed whole-unmap x20',
      'VTD001 observed whole-unmap x20',
      'VTD002 active page-walk x8',
      'VTD002 active page-walk x8',
      'VTD002 active whole-unmap x3',
      'VTD002 active whole-unmap x3',
    ],
  },
  'qemu-11.1/blocked-aw48': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active page-walk x4', 'VTD005 active drain x16'],
  },
  'qemu-11.1/blocked-aw48-minimal-ts': {
    verdict: 'leaves-mappings',
    found: ['VTD005 active drain x16'],
  },
  'qemu-11.1/high-iova-aw48': { verdict: 'leaves-mappings', found: ['VTD005 active drain x4'] },
  'qemu-11.1/iommufd-blocked-aw48': {
    verdict: 'leaves-mappings',
    found: ['VTD005 active drain x16'],
  },
  'qemu-11.1/vtd-migrate': { verdict: 'clean', status: 0, found: [] },
  'qemu-11.1/vtd-switch': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active page-walk x3', 'VTD004 active region-del x1', 'VTD005 active drain x2'],
  },
  'qemu-11.1/linux-nvme-stale-aw48': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active page-walk x128', 'VTD005 active drain x16'],
  },
  'qemu-11.1/migrate-legacy-aw48': {
    verdict: 'loses-dirty-pages',
    found: ['VTD002 active page-walk x4', 'VTD005 active drain x16'],
  },
  'qemu-11.1/stale-aw48': { verdict: 'leaves-mappings', found: ['VTD005 active drain x16'] },
};
