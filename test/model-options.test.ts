import { describe, expect, it } from 'vitest';
import { modelFrom } from '../src/cli/model-options.ts';
import { profileNamed } from '../src/emulation/profiles/index.ts';
import type { ModelOptions } from '../src/inference/machine.ts';
import { type Analysis, analyze, analyzeLines } from './helpers/analyze.ts';
import { capture, root } from './helpers/ground-truth.ts';
import { GuestLog } from './helpers/guest-log.ts';

/** What the model options do to real captures, and how the values are echoed. */

const of = (name: string, model: Partial<ModelOptions> = {}) =>
  analyze(`${root}${capture(name).log}`, model);
const version = (name: string) => profileNamed(name) ?? null;
const counts = ({ session }: Analysis, rule: string) =>
  session.findings
    .filter((finding) => finding.rule === rule)
    .map(({ mode, cause, count, evidence }) => `${mode} ${cause} x${count} ${evidence}`)
    .sort();
const failed = ({ unmaps }: Analysis) => unmaps.filter(({ errno }) => errno === -7).length;

describe('--qemu', () => {
  it('of a log of 7.2: its unmaps under the dirty rate, as 10.0 would have done them', async () => {
    const found = await of('qemu-7.2/blocked-aw48', { qemu: version('10.0') });
    expect(found.session.model.qemu).toEqual({
      value: '10.0',
      source: 'option',
      from: '--qemu; the trace is of up to 8.0 (a whole unmap ahead of a replay)',
    });
    expect(failed(found)).toBe(4);
    expect(counts(found, 'VTD001')).toEqual([
      'active whole-unmap x4 derived',
      'what-if whole-unmap x24 derived',
    ]);
    // Its lines are still read as those of 7.2, in which a replay empties one notifier's range only.
    expect(found.trace.reasons).toEqual([]);
    expect(found.session.totals.tracked.unmaps).toBe(32);
  });

  it('of a log of 7.2 with --tracking on: all of its unmaps', async () => {
    const model = { qemu: version('10.0'), tracking: 'on' } as const;
    const found = await of('qemu-7.2/blocked-aw48', model);
    expect(failed(found)).toBe(28);
    expect(found.session.totals.tracked.unmaps).toBe(219);
    expect(found.trace.reasons).toEqual([]);
    expect(found.session.exposed).toEqual({
      e2big: false,
      lostDirtyPages: false,
      staleMappings: false,
      via: [],
    });
    expect(counts(found, 'VTD001').every((text) => text.endsWith('assumed'))).toBe(true);
  });

  it('of a log of 10.0: had it been 11.0, nothing more would have failed, but mappings would stay', async () => {
    const found = await of('qemu-10.0/blocked-aw48', { qemu: version('11.0') });
    expect(counts(found, 'VTD001')).toEqual(['observed whole-unmap x4 observed']);
    expect(counts(found, 'VTD005')).toEqual(['what-if drain x52 assumed']);
    expect(found.session.exposed.via).toEqual(['migration', 'dirty-rate', 'dirty-limit']);
  });

  it('of a log of 11.1: had it been 10.2, pieces would fail; what really stayed is still found', async () => {
    const found = await of('qemu-11.1/blocked-aw48', { qemu: version('10.2') });
    expect(counts(found, 'VTD001')).toEqual(['what-if whole-unmap x16 derived']);
    expect(counts(found, 'VTD005')).toEqual(['active drain x16 assumed']);
    expect(found.trace.reasons).toEqual([]);
  });

  it.each(['7.2', '8.1', '9.2', '10.0', '10.1', '10.2', '11.0'] as const)(
    'takes %s for itself, and for every version up to the next profile',
    (name) => {
      expect(profileNamed(name)?.id).toBe(name);
      expect(profileNamed(`${name}.5`)?.id).toBe(name);
    },
  );

  it('takes the newest profile that is not newer', () => {
    const names = ['8.0', '8.2', '9.1', '9.9', '11.0.2', '11.1.3'];
    expect(names.map((name) => profileNamed(name)?.id)).toEqual([
      '7.2',
      '8.1',
      '8.1',
      '9.2',
      '11.0',
      '11.1',
    ]);
    expect(profileNamed('v4-patch')?.id).toBe('v4-patch');
    expect(profileNamed('newest')).toBeUndefined();
  });
});

describe('--tracking', () => {
  it('on: what was not tracked is judged as if it had been', async () => {
    const found = await of('qemu-11.1/blocked-aw48', { tracking: 'on' });
    expect(found.session.model.tracking).toEqual({
      value: 'on',
      source: 'option',
      from: '--tracking',
    });
    // That no message came then is because tracking was off, and teaches nothing about the limit.
    expect(found.session.model.maxDirtyBitmapBytes.value).toBe(0x1000_0000);
    expect(failed(found)).toBe(16);
    expect(found.trace.verdict).toBe('fails');
  });

  it('on: a failure that is in the log needs no assumption', async () => {
    const found = await of('qemu-10.0/blocked-aw48', { tracking: 'on' });
    expect(counts(found, 'VTD001')).toEqual([
      'active whole-unmap x16 assumed',
      'observed whole-unmap x4 observed',
    ]);
  });

  it('off: only what the log itself holds has happened', async () => {
    const found = await of('qemu-10.0/blocked-aw48', { tracking: 'off' });
    expect(failed(found)).toBe(4);
    expect(counts(found, 'VTD002')).toEqual([
      'what-if page-walk x6 derived',
      'what-if whole-unmap x8 derived',
    ]);
    const rated = await of('qemu-10.0/blocked-aw39', { tracking: 'off' });
    expect(rated.trace.verdict).toBe('clean');
    // What 11.x leaves behind shows in the lines, whatever the user says of tracking.
    const drained = await of('qemu-11.1/blocked-aw48', { tracking: 'off' });
    expect(drained.trace.reasons).toEqual([]);
  });

  it('gives a verdict where the trace shows no tracking', async () => {
    const name = 'qemu-10.0/migrate-viommu-refused';
    expect((await of(name)).trace.verdict).toBe('inconclusive');
    const on = await of(name, { tracking: 'on' });
    expect(on.trace.verdict).toBe('loses-dirty-pages');
    expect(counts(on, 'VTD004')).toEqual(['active region-del x6 assumed']);
    expect((await of(name, { tracking: 'off' })).trace.verdict).toBe('clean');
  });
});

describe('--backend', () => {
  it('iommufd for a legacy log: no bitmap, and no query up to 10.2', async () => {
    const found = await of('qemu-10.0/blocked-aw39', { backend: 'iommufd' });
    expect(found.session.containers[0]?.backend).toEqual({
      value: 'iommufd',
      source: 'option',
      from: '--backend',
    });
    expect(found.unmaps.some(({ query }) => query === 'bitmap')).toBe(false);
    expect(counts(found, 'VTD004')).toContain('active whole-unmap x2 assumed');
  });

  it('legacy for an iommufd log: what would fail', async () => {
    const name = 'qemu-10.0/iommufd-blocked-aw48';
    expect(counts(await of(name, { backend: 'legacy' }), 'VTD001')).toEqual([
      'what-if whole-unmap x20 assumed',
    ]);
    const [container] = (await of(name)).session.containers;
    // Why nothing of it counts as tracked, though dirty pages were.
    expect(container?.backend.from).toBe(
      "iommufd_cdev_connect_and_bind at line 7; the host's IOMMU tracks no dirty pages (flags of iommufd_backend_alloc_hwpt)",
    );
    const tracked = await of(name, { backend: 'legacy', tracking: 'on' });
    expect(failed(tracked)).toBe(20);
    expect(tracked.session.model.maxDirtyBitmapBytes.value).toBe(0x1000_0000);
  });

  it('vfio-user: nothing is ever tracked', async () => {
    const found = await of('qemu-10.0/blocked-aw39', { backend: 'vfio-user' });
    expect(found.trace.verdict).toBe('clean');
    expect(new Set(found.unmaps.map(({ tracked, query }) => `${tracked} ${query}`))).toEqual(
      new Set(['false none']),
    );
  });
});

describe('sizes of the host', () => {
  const apart = 'qemu-10.0/blocked-aw48-sepfile';

  it('--host-page-size 64k: nothing of 2^47 is too big; 16k: two of the four', async () => {
    const large = await of(apart, { hostPageSize: 65_536 });
    expect(failed(large)).toBe(0);
    expect(large.session.model.hostPageSize).toEqual({
      value: 65_536,
      source: 'option',
      from: '--host-page-size',
    });
    expect(failed(await of(apart, { hostPageSize: 16_384 }))).toBe(2);
  });

  it('--host-page-size against the log’s own words: the failures stay, and the contradiction shows', async () => {
    const found = await of('qemu-10.0/blocked-aw48', { hostPageSize: 65_536 });
    expect(failed(found)).toBe(4);
    expect(found.session.model.hostPageSize.from).toBe(
      '--host-page-size; Size of bitmap too big at line 15786 shows 4096',
    );
    expect(found.trace.reasons).toEqual([]);
    const [first] = found.session.findings.filter(({ mode }) => mode === 'observed');
    expect(first).toMatchObject({ rule: 'VTD001', bitmapBytes: '0x20000000' });
  });

  it('--max-dirty-bitmap', async () => {
    expect(failed(await of(apart, { bitmapLimit: 2 ** 30 }))).toBe(2);
    const small = await of(apart, { bitmapLimit: 2 ** 26 });
    expect(failed(small)).toBe(6);
    expect(small.session.model.maxDirtyBitmapBytes).toEqual({
      value: 2 ** 26,
      source: 'option',
      from: '--max-dirty-bitmap',
    });
    const told = await of('qemu-10.0/blocked-aw48', { bitmapLimit: 2 ** 30 });
    expect(told.session.model.maxDirtyBitmapBytes.from).toContain('0x20000000 bytes were too big');
    expect(failed(told)).toBe(4);
  });

  it('--dma-entry-limit', async () => {
    const found = await of('qemu-10.0/linux-nvme-aw48', { entryLimit: 60 });
    expect(found.session.model.dmaEntryLimit).toEqual({
      value: 60,
      source: 'option',
      from: '--dma-entry-limit',
    });
    expect(found.session.findings.some(({ rule }) => rule === 'VTD008')).toBe(true);
    expect(counts(await of('qemu-10.0/linux-nvme-aw48'), 'VTD008')).toEqual([]);
  });
});

describe('--aw-bits', () => {
  it('is echoed, and a width that the log shows to be another is named', async () => {
    const { session } = await of('qemu-10.0/blocked-aw48', { awBits: 39 });
    expect(session.model.awBits).toMatchObject({ value: 39, source: 'option' });
    expect(session.model.awBits.from).toMatch(
      /^--aw-bits; vtd_as_unmap_whole at line \d+ shows 48$/,
    );
    const same = await of('qemu-10.0/blocked-aw48', { awBits: 48 });
    expect(same.session.model.awBits.from).toBe('--aw-bits');
  });

  it('is the version’s default where no line tells it', async () => {
    const boot = (name: string) =>
      analyzeLines(['vfio_attach_device  (0000:00:05.0) group 3'], { qemu: version(name) });
    expect((await boot('9.0')).session.model.awBits).toEqual({
      value: 39,
      source: 'assumed',
      from: 'no line tells it; default of the newest machine type of QEMU 8.1',
    });
    expect((await boot('10.0')).session.model.awBits).toMatchObject({ value: 48 });
  });
});

describe('--ram-size and --below-4g', () => {
  const GIB = 1n << 30n;
  const above = new GuestLog({ version: '11.1', ramBytes: GIB })
    .map(0x2000n, 0x1_4000_0000n)
    .track(1)
    .migrate('active')
    .drain();
  // Without the sections of RAM, as in a log that begins behind them.
  const lines = above.lines.filter((line) => !line.startsWith('vfio_listener_region_add_ram'));
  const wrong = ({ session }: Analysis) =>
    session.findings
      .filter(({ rule, mode }) => rule === 'VTD003' && mode === 'active')
      .map(({ carriedAddress, expectedAddress }) => [carriedAddress, expectedAddress]);
  const layout = (ramSize: bigint, below4g?: bigint) =>
    modelFrom({ ramSize, ...(below4g !== undefined && { below4g }) });

  it('tell the ram_addr that a guest address above the hole has', async () => {
    const found = await analyzeLines(lines, layout(8n * GIB));
    expect(wrong(found)).toEqual([['0x140000000', '0xc0000000']]);
    const { ramSize, below4g } = found.session.model;
    expect(ramSize).toEqual({ value: '0x200000000', source: 'option', from: '--ram-size' });
    expect(below4g).toEqual({ value: '0x80000000', source: 'option', from: '--ram-size' });
    const other = await analyzeLines(lines, layout(8n * GIB, 3n * GIB));
    expect(wrong(other)).toEqual([['0x140000000', '0x100000000']]);
    expect(other.session.model.below4g).toMatchObject({ from: '--ram-size and --below-4g' });
  });

  it('without them it is wrong all the same, but where it belongs is not known', async () => {
    const found = await analyzeLines(lines);
    expect(wrong(found)).toEqual([['0x140000000', '0x140000000']]);
    expect(found.session.model.ramSize).toMatchObject({ value: null, source: 'assumed' });
  });

  it('cannot contradict each other', () => {
    expect(() => layout(GIB, 2n * GIB)).toThrow('--below-4g');
    expect(() => layout(8n * GIB, 5n * GIB)).toThrow('--below-4g');
  });
});
