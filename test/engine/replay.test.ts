import { describe, expect, it } from 'vitest';
import { analyzeLines } from '../helpers/analyze.ts';

const START =
  '2026-11-22 07:33:15.201+0000: starting up libvirt version: 11.3.0, qemu version: 10.0.13, kernel: 6.1';
const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff';
const BOOT = [START, 'global_dirty_changed bitmask 0x2', UNMAP];

describe('a trace of many boots', () => {
  it('is a session for each, in order, however many are told together', async () => {
    const lines = Array.from({ length: 300 }, () => BOOT).flat();
    const { trace } = await analyzeLines(lines);
    expect(trace.sessions.map(({ firstLine }) => firstLine)).toEqual(
      Array.from({ length: 300 }, (_, index) => index * 3 + 1),
    );
    const excerpts = trace.sessions.map(
      ({ findings }) => findings.find(({ rule }) => rule === 'VTD001')?.excerpt ?? [],
    );
    for (const [index, excerpt] of excerpts.entries()) {
      expect(excerpt).toContain(`${index * 3 + 3}: ${UNMAP}`);
    }
  });

  it('lists ten thousand and sums up the rest', async () => {
    const lines = Array.from({ length: 10_002 }, () => BOOT).flat();
    const { trace } = await analyzeLines(lines);
    expect(trace.sessions).toHaveLength(10_000);
    expect(trace.totals.tracked.e2big).toBe(10_002);
    expect(trace.verdict).toBe('fails');
    expect(trace.reasons).toContain('2 boots more are not listed one by one');
  });
});
