import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { profileNamed } from '../../src/emulation/profiles/index.ts';
import type { ModelOptions } from '../../src/inference/machine.ts';
import type { UnmapRecord } from '../../src/result/types.ts';
import { analyze, analyzeLines } from '../helpers/analyze.ts';
import { bytesOf, captures, root } from '../helpers/ground-truth.ts';

const GIB = 2 ** 18;

/** What the user tells of a machine with `gib` of RAM, of which 2 GiB lie below 4 GiB. */
function machine(qemu: string, gib: number, more: Partial<ModelOptions> = {}) {
  return {
    qemu: profileNamed(qemu) ?? null,
    backend: 'legacy',
    awBits: 48,
    ram: { total: gib * GIB, below: 2 * GIB },
    ...more,
  } as const satisfies Partial<ModelOptions>;
}

const pathOf = (name: string) => `${root}test/cases/replay-${name}.log`;
const linesOf = (name: string) => readFileSync(pathOf(name), 'utf8').trimEnd().split('\n');
const ownersOf = (unmaps: readonly UnmapRecord[]) =>
  unmaps.map(({ line, device, container }) => `${line} ${device} ${container}`);

describe('a section of RAM whose removal failed', () => {
  const options = machine('11.0', 2, { hostPageSize: 16_384, bitmapLimit: 8192 });
  const name = 'ram-section-kept-after-e2big';

  it('stays in the host map, and in the way', async () => {
    const { mappings, session, trace, unmaps } = await analyze(pathOf(name), options);
    expect(trace.losses).toEqual([]);
    expect(mappings.filter(({ stale }) => stale)).toMatchObject([
      { iova: '0x0', size: '0x80000000', gpa: '0x0', in: 'host', device: '00:04.0' },
    ]);
    expect(
      session.findings.map(({ rule, mode, first, errno }) => [rule, mode, first.line, errno]),
    ).toEqual([
      ['VTD005', 'active', 10, null],
      ['VTD001', 'active', 10, -7],
      ['VTD009', 'active', 25, -17],
      ['VTD009', 'active', 31, -1],
    ]);
    expect(unmaps[1]).toMatchObject({
      line: 31,
      errno: -1,
      query: 'bitmap',
      atRisk: [['0x5ee00000', '0x200000']],
    });
  });

  it('of two sections the one whose removal succeeded is gone', async () => {
    const lines = linesOf(name).flatMap((line) => {
      if (line.includes('region_add_ram'))
        return [line, line.replace('0x0 - 0x7fffffff', '0x100000000 - 0x100ffffff')];
      if (line.includes('region_del'))
        return [line, line.replace('0x0 - 0x7fffffff', '0x100000000 - 0x100ffffff')];
      return [line];
    });
    const { mappings, trace, unmaps } = await analyzeLines(lines, options);
    expect(trace.losses).toEqual([]);
    expect(unmaps.slice(0, 2).map(({ iova, errno }) => [iova, errno])).toEqual([
      ['0x0', -7],
      ['0x100000000', 0],
    ]);
    expect(mappings.filter(({ in: where }) => where !== 'shadow').map(({ iova }) => iova)).toEqual([
      '0x0',
    ]);
  });

  it('is in use again once the device is back in pass-through', async () => {
    const lines = [
      ...linesOf(name).slice(0, 15),
      'global_dirty_changed bitmask 0x0',
      'vtd_dmar_enable enable 0',
      'vtd_switch_address_space Device 00:04.0 switching address space (iommu enabled=0)',
      'vfio_listener_region_del_iommu region_del [iommu] vtd-04.0-dmar',
      'vfio_listener_region_del region_del 0x0 - 0xfedfffff',
      'vfio_listener_region_del_iommu region_del [iommu] vtd-04.0-dmar',
      'vfio_listener_region_del region_del 0xfef00000 - 0xffffffffffffffff',
      'vfio_listener_region_add_ram region_add [ram] 0x0 - 0x7fffffff [0x7f0000000000]',
    ];
    const { mappings } = await analyzeLines(lines, options);
    expect(mappings).toMatchObject([{ iova: '0x0', size: '0x80000000', in: 'host', stale: false }]);
  });

  it("stays also where QEMU's message tells of it, and nothing else", async () => {
    const lines = linesOf(name);
    lines.splice(
      10,
      0,
      'qemu-system-x86_64: vfio_container_dma_unmap(0x55d0c0ffee00, 0x0, 0x80000000) = -22 (Invalid argument)',
    );
    const { session, trace, unmaps } = await analyzeLines(
      lines.filter((line) => !line.startsWith('global_dirty')),
      machine('10.0', 2),
    );
    expect(trace.losses.map(({ detail }) => detail)).not.toContain(
      'the removal of a section of RAM is missing',
    );
    expect(unmaps[0]).toMatchObject({ cause: 'region-del', errno: -22 });
    expect(session.findings.filter(({ rule }) => rule === 'VTD005')).toMatchObject([
      { mode: 'active', cause: 'region-del', iova: '0x0' },
    ]);
  });
});

describe('a second migration of QEMU 7.2', () => {
  const name = '7.2-second-setup-still-saving';
  const options = machine('7.2', 2);
  const tracked = async (lines: readonly string[]) => {
    const { unmaps } = await analyzeLines(lines, options);
    return [...new Set(unmaps.map((unmap) => `${unmap.tracked} ${unmap.query} ${unmap.errno}`))];
  };

  it('has no device that saves before its own vfio_save_setup', async () => {
    const { session, trace } = await analyze(pathOf(name), options);
    expect(await tracked(linesOf(name))).toEqual(['false none 0']);
    expect(trace.verdict).toBe('clean');
    expect(
      session.findings.filter(({ rule }) => rule === 'VTD001').map(({ mode }) => mode),
    ).toEqual(['what-if']);
  });

  it('is tracked from there on', async () => {
    const lines = linesOf(name);
    lines.splice(10, 0, 'vfio_save_setup  (0000:00:04.0)');
    // The removal of the section asks for nothing.
    expect(await tracked(lines)).toEqual(['true none 0', 'true bitmap 0', 'true bitmap -7']);
  });

  it('is like the first one where that was cancelled, or completed', async () => {
    for (const end of ['cancelled', 'completed']) {
      const lines = linesOf(name).map((line) => line.replace('state failed', `state ${end}`));
      expect(await tracked(lines)).toEqual(['false none 0']);
    }
  });
});

describe('devices without lines of their attaches', () => {
  it('the removal of a section names the one whose address space was made before', async () => {
    const { session, unmaps } = await analyze(
      pathOf('no-attach-line-region-del'),
      machine('10.0', 2),
    );
    expect(ownersOf(unmaps)).toEqual(['5 00:04.0 container-0']);
    expect(session.containers).toMatchObject([{ id: 'container-0', devices: ['00:04.0'] }]);
  });

  it('the host bridge and emulated devices are none', async () => {
    const lines = linesOf('no-attach-line-region-del');
    const bridge =
      'vtd_switch_address_space Device 00:00.0 switching address space (iommu enabled=0)';
    const emulated = bridge.replace('00:00.0', '00:1f.2');
    const settled = [
      'vfio_listener_region_del region_del 0x0 - 0x7fffffff',
      'vfio_listener_region_add_ram region_add [ram] 0x0 - 0xbffff [0x7f0000000000]',
      'vfio_listener_region_add_ram region_add [ram] 0x100000 - 0x7fffffff [0x7f0000100000]',
    ];
    const { session, unmaps } = await analyzeLines(
      [bridge, ...lines.slice(0, 2), emulated, ...settled, ...lines.slice(2)],
      machine('10.0', 2),
    );
    expect(new Set(unmaps.map(({ device, container }) => `${device} ${container}`))).toEqual(
      new Set(['00:04.0 container-0']),
    );
    expect(session.containers.map(({ devices }) => devices)).toEqual([['00:04.0']]);
  });

  it('nobody is named whose address space no line has made', async () => {
    const lines = linesOf('no-attach-line-region-del').slice(1);
    const { unmaps } = await analyzeLines(lines, machine('10.0', 2));
    expect(unmaps[0]).toMatchObject({ cause: 'region-del', device: null });
  });

  const walk = 'no-attach-line-walk';
  const options = machine('11.0', 4, { hostPageSize: 65_536 });
  const expected = [
    '16 00:04.0 container-0',
    '17 00:04.0 container-0',
    '26 00:05.0 container-1',
    '27 00:05.0 container-1',
    '51 00:05.0 container-1',
  ];

  it('a walk names the only one with that root', async () => {
    const { session, trace, unmaps } = await analyze(pathOf(walk), options);
    expect(ownersOf(unmaps)).toEqual(expected);
    expect(session.containers.map(({ devices }) => devices)).toEqual([['00:04.0'], ['00:05.0']]);
    expect(trace.losses).toEqual([]);
  });

  it('also where nothing but the replays tells that the other has no tables', async () => {
    const lines = linesOf(walk).map((line) => (line.includes('vtd_ce_not_present') ? '-' : line));
    expect(ownersOf((await analyzeLines(lines, options)).unmaps)).toEqual(expected);
  });

  it('of two with the same root the one that registered last is walked first', async () => {
    const lines = linesOf(walk);
    const begin = lines.findIndex((line) => line.includes('cc_devices'));
    const end = lines.findIndex((line) => line.includes('iotlb_pages'));
    const other = lines
      .slice(begin, end)
      .map((line) => line.replace('00:05.0', '00:04.0').replace('0x28', '0x20'));
    const { unmaps } = await analyzeLines(
      [...lines.slice(0, end), ...other, ...lines.slice(end)],
      options,
    );
    const [last] = unmaps.slice(-1);
    expect(last).toMatchObject({ cause: 'page-walk', iova: '0x6600000' });
    expect(last?.device).toBe('00:05.0');
  });

  it('of iommufd, each has an address space', async () => {
    const lines = linesOf(walk).flatMap((line) => {
      const device = /Device 00:0(\d)\.0 switching address space \(iommu enabled=0\)/.exec(
        line,
      )?.[1];
      const ram = /region_add \[ram\] (0x[0-9a-f]+) - \S+ \[(0x[0-9a-f]+)\]/.exec(line);
      const stamp = line.slice(0, line.indexOf(' '));
      if (device !== undefined)
        return [
          line,
          `${stamp} iommufd_cdev_alloc_ioas  [iommufd=20] new IOMMUFD container with ioasid=${device}`,
        ];
      if (ram === null) return [line];
      return [
        line,
        `${stamp} iommufd_backend_map_dma  iommufd=20 ioas=4 iova=${ram[1]} size=0x80000000 addr=${ram[2]} readonly=0 (0)`,
      ];
    });
    const { session, unmaps } = await analyzeLines(lines, { ...options, backend: null });
    expect(session.containers.map(({ devices, backend }) => [backend.value, ...devices])).toEqual([
      ['iommufd', '00:04.0'],
      ['iommufd', '00:05.0'],
    ]);
    expect(ownersOf(unmaps).map((owner) => owner.replace(/^\d+ /, ''))).toEqual(
      expected.map((owner) => owner.replace(/^\d+ /, '')),
    );
  });

  const ATTACH =
    /vfio_realize |vfio_attach_device |vfio_device_attach |iommufd_cdev_connect_and_bind /;
  const withSwitches = captures.filter(
    ({ name }) => !name.includes('storm') && !name.includes('noise') && !name.endsWith('vfio-only'),
  );

  it.each(withSwitches)('$name without its attaches gives the same unmaps', async ({ log }) => {
    const whole = await analyze(`${root}${log}`);
    const lines = bytesOf(log).toString('latin1').trimEnd().split('\n');
    const thinned = await analyzeLines(lines.map((line) => (ATTACH.test(line) ? '-' : line)));
    expect(thinned.unmaps).toEqual(whole.unmaps);
    expect(thinned.trace.verdict).toBe(whole.trace.verdict);
  });
});

describe('an invalidation that QEMU skipped, and the walk shows it', () => {
  const name = 'skipped-invalidation-told-by-walk';
  const options = machine('10.2', 2, { backend: 'iommufd', awBits: 39 });
  const FORGOTTEN = 'QEMU had forgotten mappings';
  const stalesOf = async (lines: readonly string[]) => {
    const { session, trace } = await analyzeLines(lines, options);
    const found = session.findings.filter(({ rule }) => rule === 'VTD005');
    return {
      verdict: trace.verdict,
      stale: found.map(({ mode, first, iova, size }) => `${mode} ${first.line} ${iova} ${size}`),
      isOpen: trace.reasons.some((reason) => reason.startsWith(FORGOTTEN)),
    };
  };

  it('leaves the mapping', async () => {
    expect(await stalesOf(linesOf(name))).toEqual({
      verdict: 'leaves-mappings',
      stale: ['active 41 0xff611000 0x1000'],
      isOpen: false,
    });
  });

  it('is not told by a walk that does not come to the entry', async () => {
    const lines = linesOf(name);
    const cut = lines.toSpliced(-2, 1);
    expect(await stalesOf(cut)).toEqual({ verdict: 'inconclusive', stale: [], isOpen: true });
  });

  it('is not told by a walk in which the log ends', async () => {
    expect(await stalesOf(linesOf(name).slice(0, -1))).toEqual({
      verdict: 'inconclusive',
      stale: [],
      isOpen: true,
    });
  });

  it('is not told of an entry that QEMU could not use', async () => {
    const lines = linesOf(name);
    lines.splice(
      -1,
      0,
      'vtd_page_walk_skip_reserve Page walk skip iova 0xff611000 - 0xff612000 due to rsrv set',
    );
    expect(await stalesOf(lines)).toEqual({ verdict: 'inconclusive', stale: [], isOpen: true });
  });

  it('is none where the walk maps the page anew', async () => {
    const lines = linesOf(name);
    lines.splice(
      -1,
      0,
      'vtd_page_walk_one domain 0x2 iova 0xff611000 -> gpa 0x55331000 mask 0xfff perm 3',
      'vfio_iommu_map_notify iommu MAP @ 0xff611000 - 0xff611fff',
      'iommufd_backend_map_dma  iommufd=20 ioas=2 iova=0xff611000 size=0x1000 addr=0x7f0055331000 readonly=0 (-1)',
    );
    const { session } = await analyzeLines(lines, options);
    expect(session.findings.filter(({ rule }) => rule === 'VTD005')).toEqual([]);
    expect(session.findings.filter(({ rule }) => rule === 'VTD009')).toHaveLength(1);
  });

  it('is told of a large page by the table of its own level', async () => {
    const large = linesOf(name)
      .filter((line) => !line.includes('level=1'))
      .map((line) =>
        line
          .replaceAll('0xff611000 - 0xff612000', '0xff600000 - 0xff800000')
          .replaceAll('0xff611000 - 0xff611fff', '0xff600000 - 0xff7fffff')
          .replace('addr 0xff611000 mask 0x0', 'addr 0xff600000 mask 0x9')
          .replace(
            'iova 0xff611000 -> gpa 0x55331000 mask 0xfff',
            'iova 0xff600000 -> gpa 0x55200000 mask 0x1fffff',
          )
          .replace('iova=0xff611000 size=0x1000', 'iova=0xff600000 size=0x200000'),
      );
    expect(await stalesOf(large)).toEqual({
      verdict: 'leaves-mappings',
      stale: ['active 37 0xff600000 0x200000'],
      isOpen: false,
    });
  });
});

describe('guest memory at risk', () => {
  it('is listed once, however many mappings lead to it', async () => {
    const { unmaps } = await analyze(pathOf('at-risk-overlaps'), machine('10.0', 2));
    expect(unmaps.at(-1)).toMatchObject({ line: 28, atRisk: [['0x5ee00000', '0x200000']] });
  });
});
