import { describe, expect, it } from 'vitest';
import { analyze } from './helpers/analyze.ts';
import {
  capture,
  captures,
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
      .map(({ iova, size, hasBitmap }) => ({ iova, size, hasBitmap }));
    const found = unmaps
      .filter(({ errno }) => errno !== -7)
      .map(({ iova, size, query }, index) => ({
        iova,
        size,
        // Unknown is an honest answer where tracking was not traced; a wrong one is not.
        hasBitmap: isUntracked && query === null ? expected[index]?.hasBitmap : query === 'bitmap',
      }));
    expect(found).toEqual(expected);
  });

  it('finds the unmaps that failed', async () => {
    const { unmaps, trace } = await analysis;
    const failed = unmaps.filter(({ errno }) => errno !== 0);
    expect(failed.map(({ iova, size, errno }) => ({ iova, size, errno }))).toEqual(
      (FAILURES[name] ?? []).flat(),
    );
    const inLog = name.includes('sepfile') ? 0 : failed.length;
    expect(trace.totals.observed).toEqual({ failures: inLog, e2big: inLog });
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
    const containers = truth.filter(({ op }) => op === 'unmap').map(({ container }) => container);
    if (WITHOUT_LISTENER.has(name)) return expect(new Set(containers).size).toBe(1);
    const byContainer = new Map<string, Set<string | null>>();
    for (const [index, { container, device }] of unmaps
      .filter(({ errno }) => errno !== -7)
      .entries()) {
      const key = `${containers[index]}/${container}`;
      byContainer.set(key, (byContainer.get(key) ?? new Set()).add(device));
    }
    // One name for each descriptor, and one device behind it, or none where no line names one.
    expect(byContainer.size).toBe(new Set(containers).size);
    for (const devices of byContainer.values()) {
      devices.delete(null);
      expect(devices.size).toBe(1);
    }
    const isTold = session(name);
    expect(unmaps.filter(({ device }) => device === null).length > 0).toBe(!isTold);
  });

  it('finds the maps that failed', async () => {
    const { session } = await analysis;
    const expected = truth.filter(({ op, result }) => op === 'map' && result !== 0);
    const found = session.findings
      .filter(({ rule, mode }) => rule === 'VTD009' && mode === 'observed')
      .reduce((sum, { count }) => sum + count, 0);
    expect(found).toBe(expected.length);
    for (const { errno } of expected) expect(errno).toBe(17);
  });
});

/** The device shows only in VT-d's lines, or in the name of its region. */
function session(name: string): boolean {
  return !WITHOUT_LISTENER.has(name) && name !== 'qemu-10.0/blocked-aw48-vfio-only';
}

const failure = (iova: string) => ({ iova, size: iova, errno: -7 });
/** One switch at a width of 48 under tracking. */
const SWITCH = ['0x100000000000', '0x200000000000', '0x400000000000', '0x800000000000'].map(
  failure,
);
const switches = (count: number) => Array.from({ length: count }, () => SWITCH);

/** Failed unmaps, as QEMU's own messages gave them when the captures were made. */
const FAILURES: Readonly<Record<string, readonly (readonly ReturnType<typeof failure>[])[]>> = {
  'qemu-10.0/blocked-aw48': switches(1),
  'qemu-10.0/blocked-aw48-minimal': switches(1),
  'qemu-10.0/blocked-aw48-paused': switches(3),
  'qemu-10.0/blocked-aw48-sepfile': switches(1),
  'qemu-10.0/blocked-aw48-ts': switches(1),
  'qemu-10.0/blocked-aw48-vfio-only': switches(1),
  'qemu-10.0/linux-nvme-aw48': switches(2),
  'qemu-10.0/linux-nvme-large-noise': switches(2),
  'qemu-10.0/stale-aw48': switches(1),
  'qemu-10.0/storm-aw48': switches(5),
  'qemu-10.0/twodev-aw48': switches(10),
};

describe('what each capture is about', () => {
  it.each([
    ['qemu-7.2/blocked-aw48', 'clean'],
    ['qemu-10.0/blocked-aw39', 'loses-dirty-pages'],
    ['qemu-10.0/blocked-aw48', 'fails'],
    ['qemu-10.0/blocked-aw48-minimal', 'fails'],
    ['qemu-10.0/blocked-aw48-vfio-only', 'fails'],
    ['qemu-10.0/segv-aw48', 'loses-dirty-pages'],
    ['qemu-10.0/storm-aw48', 'fails'],
    ['qemu-11.1/blocked-aw48', 'loses-dirty-pages'],
    ['qemu-11.1/high-iova-aw48', 'leaves-mappings'],
    ['qemu-11.1/stale-aw48', 'leaves-mappings'],
  ])('%s: %s', async (name, verdict) => {
    const { result } = await analyze(`${root}${capture(name).log}`);
    expect(result.verdict).toBe(verdict);
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
