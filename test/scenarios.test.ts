import { describe, expect, it } from 'vitest';
import { profileNamed } from '../src/emulation/profiles/index.ts';
import type { ModelOptions } from '../src/inference/machine.ts';
import type { UnmapRecord } from '../src/result/types.ts';
import { analyzeLines } from './helpers/analyze.ts';
import { type Scenario, vectors } from './helpers/vectors.ts';

const pages = (bytes: string) => Number(bytes) / 4096;
const versionOf = (text: string) => text.split('.').slice(0, 2).join('.');

function modelOf({ config }: Scenario): Partial<ModelOptions> {
  const qemu = profileNamed(versionOf(config.qemu));
  if (qemu === undefined) throw new Error(`no profile for QEMU ${config.qemu}`);
  return {
    qemu,
    backend: config.backend,
    hostPageSize: config.host_page,
    bitmapLimit: Number(config.max_dirty_bitmap_size),
    awBits: config.aw_bits,
    entryLimit: config.dma_entry_limit ?? null,
    ram:
      config.ram_size === undefined
        ? null
        : { total: pages(config.ram_size), below: pages(config.below_4g ?? config.ram_size) },
  };
}

const isTooBig = ({ bitmapBytes }: UnmapRecord, { config }: Scenario) =>
  config.backend === 'legacy' && Number(bitmapBytes) > Number(config.max_dirty_bitmap_size);

const isHarmful = ({ carriedAddress, atRisk }: UnmapRecord) =>
  carriedAddress === '0x0' && atRisk.length > 0;

const perm = { r: 1, w: 2, rw: 3 } as Readonly<Record<string, number>>;

describe.each(vectors.scenarios)('$id: $title', (scenario) => {
  const { expect: wanted } = scenario;
  const analysis = analyzeLines(scenario.trace, modelOf(scenario));
  /** Asserts only what the scenario states; a scenario without the field has no such test. */
  const states = <Value>(name: string, value: Value | undefined, check: (v: Value) => unknown) => {
    if (value !== undefined) it(name, () => check(value));
  };

  states('fails where it must', wanted.e2big, async (e2big) => {
    const { unmaps } = await analysis;
    const found = unmaps.filter((unmap) => isTooBig(unmap, scenario));
    expect(found.map(({ iova, size, bitmapBytes }) => ({ iova, size, bitmapBytes }))).toEqual(
      e2big.map(({ iova, size, bitmap_bytes }) => ({ iova, size, bitmapBytes: bitmap_bytes })),
    );
    for (const unmap of unmaps) {
      const fails = wanted.mode !== 'what-if' && isTooBig(unmap, scenario);
      expect(unmap.errno).toBe(fails ? -7 : 0);
    }
  });

  states('is judged in the right mode', wanted.e2big?.[0], async ({ iova, size }) => {
    const { session, trace } = await analysis;
    const finding = session.findings.find(({ rule }) => rule === 'VTD001');
    expect(finding).toMatchObject({ mode: wanted.mode, iova, size, errno: -7 });
    expect(trace.verdict === 'fails').toBe(wanted.mode !== 'what-if');
    expect(trace.exposed.e2big).toBe(wanted.mode === 'what-if');
  });

  states('sends so many pieces', wanted.unmap_chunks, async (count) => {
    const { unmaps } = await analysis;
    expect(unmaps.filter(({ cause }) => cause === 'whole-unmap').length).toBe(count);
    expect(unmaps.length).toBe(count);
  });

  states('carries address 0 so often', wanted.xlat0_total, async (count) => {
    const { trace } = await analysis;
    const { tracked, unknownTracking } = trace.totals;
    // Nothing in the log tells of tracking where nothing runs.
    expect((wanted.mode === 'active' ? tracked : unknownTracking).zeroAddress).toBe(count);
  });

  states('names the harmful ones of them', wanted.xlat0_harmful, async (harmful) => {
    const { unmaps } = await analysis;
    const found = unmaps.filter(isHarmful);
    expect(found.map(({ iova, size }) => ({ iova, size }))).toEqual(
      harmful.map(({ iova, size }) => ({ iova, size })),
    );
  });

  states('names those that carry a wrong address', wanted.xlat_wrong, async (wrong) => {
    const { session } = await analysis;
    const found = session.findings.filter(({ rule }) => rule === 'VTD003');
    expect(
      found.map(({ iova, carriedAddress, expectedAddress }) => [
        iova,
        carriedAddress,
        expectedAddress,
      ]),
    ).toEqual(wrong.map(({ iova, carried, should_be }) => [iova, carried, should_be]));
  });

  states('says which memory is lost', wanted.gpa_lost, async (lost) => {
    const { unmaps } = await analysis;
    const found = unmaps.flatMap(({ atRisk }) => atRisk).sort();
    expect(found).toEqual([...lost].sort());
  });

  states('does not count what is right by luck', wanted.correct_by_luck, async (lucky) => {
    const { unmaps } = await analysis;
    const lost = new Set<string>(unmaps.flatMap(({ atRisk }) => atRisk.map(([gpa]) => gpa)));
    for (const [gpa] of lucky) expect(lost.has(gpa)).toBe(false);
  });

  states('keeps the shadow', wanted.shadow_after, async (shadow) => {
    const { mappings } = await analysis;
    const found = mappings.filter((mapping) => mapping.in !== 'host');
    expect(
      found.map(({ iova, gpa, size, perm: text }) => [
        iova,
        gpa,
        `0x${(BigInt(size) - 1n).toString(16)}`,
        perm[text ?? ''],
      ]),
    ).toEqual(shadow);
  });

  states('counts the shadow', wanted.shadow_after_count, async (count) => {
    const { mappings } = await analysis;
    expect(mappings.filter((mapping) => mapping.in !== 'host').length).toBe(count);
  });

  states('counts what the host maps', wanted.host_after_count, async (count) => {
    const { mappings, session } = await analysis;
    expect(mappings.filter((mapping) => mapping.in !== 'shadow').length).toBe(count);
    expect(session.containers[0]?.hostMappings.now).toBe(count);
  });

  states('names what survives', wanted.stale_host_mappings, async (stale) => {
    const { session } = await analysis;
    const found = session.addressSpaces.flatMap((space) => space.stale);
    expect(found.map(({ iova, size }) => [iova, size])).toEqual(stale);
  });

  states('knows the address carried', wanted.translated_addr, async (carried) => {
    const { unmaps } = await analysis;
    const [unmap] = unmaps.slice(-1);
    const address = typeof carried === 'string' ? carried : carried[unmap?.iova ?? ''];
    expect(unmap?.carriedAddress).toBe(address);
  });

  states('knows the right address', wanted.correct_ram_addr, async (address) => {
    const { session } = await analysis;
    const finding = session.findings.find(({ rule }) => rule === 'VTD003');
    expect(finding?.expectedAddress).toBe(address);
  });

  states('knows the address that is marked instead', wanted.marked_ram_addr, async (address) => {
    const { session } = await analysis;
    const finding = session.findings.find(({ rule }) => rule === 'VTD003');
    expect(finding?.carriedAddress).toBe(address);
  });

  states('sees whole unmaps or none', wanted.vtd_as_unmap_whole_emitted, async (isPrinted) => {
    const { trace } = await analysis;
    expect(trace.totals.wholeUnmaps > 0).toBe(isPrinted);
  });

  states('fails over a hole with iommufd in 11.0', wanted.iommufd_11, async () => {
    const qemu = profileNamed('11.0') ?? null;
    const { session, unmaps } = await analyzeLines(scenario.trace, {
      ...modelOf(scenario),
      qemu,
      backend: 'iommufd',
    });
    expect(unmaps.at(-1)).toMatchObject({ query: 'before', errno: -22 });
    expect(session.findings).toMatchObject([{ rule: 'VTD010', mode: 'active', errno: -22 }]);
  });

  states('asks for dirty bits or not', wanted.query_before_unmap, async (isAsked) => {
    const { unmaps } = await analysis;
    expect(new Set(unmaps.map(({ query }) => query))).toEqual(
      new Set([isAsked ? 'before' : 'none']),
    );
  });

  states('held so many entries before', wanted.entries_before, async (count) => {
    const { session } = await analysis;
    expect(session.containers[0]?.hostMappings.peak).toBe(count);
  });

  states('meets the limit of entries', wanted.enospc_at, async (iova) => {
    const { session } = await analysis;
    const findings = session.findings.filter(({ errno }) => errno === wanted.errno);
    expect(findings).toMatchObject([{ rule: 'VTD008', iova, mode: wanted.mode, count: 1 }]);
  });

  states('knows whether a migration runs', wanted.migration_is_running, async (isRunning) => {
    const { session } = await analysis;
    expect(session.trackingWindows[0]?.by.includes('migration')).toBe(isRunning);
  });
});

describe('dirty-rate under the patches', () => {
  const scenario = vectors.scenarios.find(({ id }) => id === 'dirty-rate') as Scenario;
  const fails = async (version: string, lines: readonly string[]) => {
    const qemu = profileNamed(version);
    if (qemu === undefined) throw new Error(`no profile named ${version}`);
    const { session } = await analyzeLines(lines, { ...modelOf(scenario), qemu });
    return session.findings.some(({ rule }) => rule === 'VTD001');
  };

  it('11.0 drains the empty shadow, which prints no UNMAP, and does not fail', async () => {
    const lines = scenario.trace.filter((line) => !line.includes('UNMAP'));
    expect(await fails('11.0', lines)).toBe(!scenario.expect.merged_patch_helps);
  });

  it('patch v5 still sends the pieces, for no migration runs, and fails', async () => {
    expect(await fails('v5-patch', scenario.trace)).toBe(!scenario.expect.v5_patch_helps);
  });
});
