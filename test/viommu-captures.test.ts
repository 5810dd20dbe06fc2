import { describe, expect, it } from 'vitest';
import { analyze } from './helpers/analyze.ts';
import {
  capture,
  failuresTold,
  hostMapOf,
  ioctlsOf,
  root,
  siblingCaptures,
} from './helpers/ground-truth.ts';

describe.each(siblingCaptures)('$name against its ioctl record', ({ name, log }) => {
  const truth = ioctlsOf(capture(name));
  const analysis = analyze(`${root}${log}`);

  it('finds every unmap that reached the kernel, in order, with its bitmap flag', async () => {
    const { unmaps } = await analysis;
    const expected = truth
      .filter(({ op }) => op === 'unmap')
      .map(({ iova, size, hasBitmap }) => ({ iova, size, hasBitmap }));
    const found = unmaps
      .filter(({ errno }) => errno === 0)
      .map(({ iova, size, query }) => ({ iova, size, hasBitmap: query === 'bitmap' }));
    expect(found).toEqual(expected);
  });

  it('finds the unmaps that failed, each with what it returned', async () => {
    const { unmaps } = await analysis;
    const failed = unmaps.filter(({ errno }) => errno !== 0);
    const hasMessages = !name.includes('sepfile');
    // The first failure of a migration is told when the migration is over, and told twice.
    const told = failuresTold(capture(name));
    const late = name.includes('migrate-block') ? 2 : 0;
    const own = told.slice(0, told.length - late);
    const first = told.slice(told.length - late, told.length - late + 1);
    expect(failed.map(({ iova, size, errno }) => ({ iova, size, errno }))).toEqual(
      [...first, ...own].map(({ iova, size, errno }) => ({
        iova,
        size,
        errno: hasMessages ? errno : -7,
      })),
    );
  });

  it('ends with what the host maps', async () => {
    const { mappings, session } = await analysis;
    const found = session.containers.map(({ id }) =>
      mappings
        .filter((mapping) => mapping.container === id && mapping.in !== 'shadow')
        .map(({ iova, size }) => `${iova}+${size}`)
        .sort(),
    );
    expect(found).toEqual(hostMapOf(truth));
  });

  it('finds the maps that failed', async () => {
    const { session } = await analysis;
    const expected = truth.filter(({ op, result }) => op === 'map' && result !== 0);
    for (const { errno } of expected) expect(errno).toBe(17);
    const found = session.findings.filter(({ rule, errno }) => rule === 'VTD009' && errno === -17);
    expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(expected.length);
  });

  it('gives every unmap its device, but for sections that go before a line has named it', async () => {
    const { unmaps } = await analysis;
    const named = unmaps.findIndex(({ device }) => device !== null);
    const causes = new Set(unmaps.slice(0, named).map(({ cause }) => cause));
    expect([...causes]).toEqual(['region-del']);
    expect(new Set(unmaps.slice(named).map(({ device }) => device))).toEqual(new Set(['00:10.0']));
  });

  it('says behind what the device is', async () => {
    const { session } = await analysis;
    const { source, value } = session.model.vIommu;
    expect([value, source]).toEqual(['amd-iommu', 'trace']);
    expect(session.addressSpaces.map(({ vIommu }) => vIommu)).toEqual(['amd-iommu']);
    const { fix } = session.findings.find(({ rule }) => rule === 'VTD001') ?? {};
    expect(fix).toContain('no release fixes this yet');
    for (const finding of session.findings) expect(finding.fix).not.toMatch(/aw-bits|intel/);
  });

  it('reports no line as missing', async () => {
    const { trace } = await analysis;
    expect(trace.losses.filter(({ kind }) => kind === 'missing-events')).toEqual([]);
  });
});
