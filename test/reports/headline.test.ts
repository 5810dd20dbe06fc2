import { describe, expect, it } from 'vitest';
import { headlineOf } from '../../src/reports/headline.ts';
import type { Verdict } from '../../src/result/types.ts';
import {
  aCleanSession,
  aFinding,
  aModel,
  aSession,
  aTrace,
  aWhatIf,
  aWindow,
} from '../helpers/report-builders.ts';

describe('the headline', () => {
  const meaning = (verdict: Verdict, ...given: Parameters<typeof aFinding>[0][]) => {
    const findings = given.map((finding) => aFinding({ verdict, ...finding }));
    return headlineOf(aTrace({ verdict, sessions: [aSession({ verdict, findings })] })).meaning;
  };

  it.each([
    {
      name: 'E2BIG of two devices',
      verdict: 'fails' as const,
      findings: [{}, { device: '00:11.0', count: 2 }],
      says: '6 DMA unmaps of 00:10.0 and 00:11.0 failed with -7 (E2BIG), first at line 12, while calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO container accepts.',
    },
    {
      name: 'E2BIG by emulation',
      verdict: 'fails' as const,
      findings: [{ mode: 'active', count: 1 } as const],
      says: '1 DMA unmap of 00:10.0 fails with -7 (E2BIG), at line 12, while calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO container accepts.',
    },
    {
      name: 'lost bits',
      verdict: 'loses-dirty-pages' as const,
      findings: [{ rule: 'VTD002', mode: 'active' } as const],
      says: '4 DMA unmaps of 00:10.0 lose the dirty bits of 16 KiB of guest memory, first at line 12, while calc-dirty-rate tracked dirty pages.',
    },
    {
      name: 'lost bits of unknown pages',
      verdict: 'loses-dirty-pages' as const,
      findings: [{ rule: 'VTD003', mode: 'active', atRisk: [], atRiskBytes: 0 } as const],
      says: '4 DMA unmaps of 00:10.0 lose the dirty bits of guest memory that the trace does not name, first at line 12, while calc-dirty-rate tracked dirty pages.',
    },
    {
      name: 'stale mappings',
      verdict: 'leaves-mappings' as const,
      findings: [{ rule: 'VTD005', mode: 'active', count: 1 } as const],
      says: '1 host mapping of 00:10.0 outlives the unmap that should have removed it, at line 12, while calc-dirty-rate tracked dirty pages: the device still reaches that memory.',
    },
    {
      name: 'many devices',
      verdict: 'fails' as const,
      findings: [1, 2, 3, 4, 5, 6].map((slot) => ({ device: `00:0${slot}.0`, count: 1 })),
      says: '6 DMA unmaps of 00:01.0, 00:02.0, 00:03.0, 00:04.0 and 2 other devices failed with -7 (E2BIG), first at line 12, while calc-dirty-rate tracked dirty pages: the dirty bitmap is larger than the VFIO container accepts.',
    },
    {
      name: 'any other rule',
      verdict: 'fails' as const,
      findings: [
        { rule: 'VTD009', message: '4 unmaps failed with -22: they cut. More. And more.' } as const,
      ],
      says: 'From line 12 on, 00:10.0, while calc-dirty-rate tracked dirty pages: 4 unmaps failed with -22 (EINVAL, Invalid argument): they cut. More.',
    },
    {
      name: 'no finding that is listed',
      verdict: 'fails' as const,
      findings: [],
      says: 'What QEMU or VFIO had to do failed.',
    },
    {
      name: 'the death of QEMU',
      verdict: 'crashes' as const,
      findings: [
        {
          rule: 'VTD015',
          device: null,
          iova: null,
          cause: null,
          count: 1,
          message:
            '1 MAP failed with -14, the first at iova 0x1000. It is not there. QEMU ended with it.',
        } as const,
      ],
      says: 'QEMU died at line 12: 1 MAP failed with -14 (EFAULT) at iova 0x1000. It is not there.',
    },
    {
      name: 'a death of which its message says the cause',
      verdict: 'crashes' as const,
      findings: [
        {
          rule: 'VTD015',
          device: null,
          iova: null,
          cause: null,
          count: 1,
          message: 'QEMU died of a signal.',
        } as const,
      ],
      says: 'QEMU died of a signal, at line 12.',
    },
    {
      name: 'what QEMU says in words',
      verdict: 'fails' as const,
      findings: [
        {
          rule: 'VTD015',
          device: null,
          iova: null,
          cause: null,
          count: 2,
          message: 'QEMU refused the device. 2 messages, the first: vfio: no. Not now.',
        } as const,
      ],
      says: 'From line 12 on: QEMU refused the device.',
    },
  ])('of $name', ({ verdict, findings, says }) => {
    expect(meaning(verdict, ...findings)).toBe(says);
  });
});

describe('what the headline says besides', () => {
  const headline = (session: Parameters<typeof aSession>[0]) => {
    const { verdict = 'fails' } = session ?? {};
    return headlineOf(aTrace({ verdict, sessions: [aSession({ verdict, ...session })] }));
  };
  const lost = { rule: 'VTD002', verdict: 'loses-dirty-pages', mode: 'active', count: 3 } as const;
  const unasked = {
    rule: 'VTD004',
    verdict: 'loses-dirty-pages',
    mode: 'active',
    count: 2,
    atRisk: [{ gpa: '0x100000', size: '0x1000' }],
  } as const;
  const stale = { rule: 'VTD005', verdict: 'leaves-mappings', mode: 'active', count: 1 } as const;

  it('is nothing where one rule says it all', () => {
    expect(headline({ findings: [aFinding(), aWhatIf()] }).also).toBe('');
  });

  it('is what else is lost, and what stays', () => {
    const findings = [aFinding(), aFinding(lost), aFinding(unasked), aFinding(stale)];
    expect(headline({ findings }).also).toBe(
      'Also: 5 unmaps lose the dirty bits of 20 KiB of guest memory and 1 host mapping outlives its unmap.',
    );
  });

  it('is told once: unmaps that lose bits in two ways are one sentence', () => {
    const { meaning, also } = headline({
      verdict: 'loses-dirty-pages',
      findings: [aFinding(lost), aFinding(unasked)],
    });
    expect(meaning).toBe(
      '5 DMA unmaps of 00:10.0 lose the dirty bits of 20 KiB of guest memory, first at line 12, while calc-dirty-rate tracked dirty pages.',
    );
    expect(also).toBe('');
  });

  it.each([
    { last: 38, says: 'it may crash, and memory is corrupted or lost.' },
    { last: 40, says: 'the trace ends right there, as it does when QEMU dies of it.' },
  ])('is whether QEMU may have died at line $last of 40', ({ last, says }) => {
    const place = { line: last, byteOffset: 0, time: null };
    const finding = aFinding({
      rule: 'VTD006',
      verdict: 'loses-dirty-pages',
      mode: 'active',
      count: 1,
      last: place,
    });
    const { meaning } = headline({ verdict: 'loses-dirty-pages', findings: [finding] });
    expect(meaning).toBe(
      `1 DMA unmap of 00:10.0 makes QEMU set dirty bits past the end of RAM, at line 12, while calc-dirty-rate tracked dirty pages: ${says}`,
    );
  });
});

describe('the order to people', () => {
  const qemu = (value: string) => ({
    ...aModel,
    qemu: { value, source: 'derived', from: 'its events' } as const,
  });
  const order = (given: Parameters<typeof aSession>[0]) => {
    const findings = [aFinding({ rule: 'VTD002', verdict: 'loses-dirty-pages', mode: 'active' })];
    const sessions = [aSession({ verdict: 'loses-dirty-pages', findings, ...given })];
    return headlineOf(aTrace({ verdict: 'loses-dirty-pages', sessions })).order;
  };
  const base = 'Do not migrate this VM until this is fixed.';

  it.each([
    { version: '7.2', by: 'dirty-rate', says: base },
    { version: '8.1', by: 'dirty-rate', says: base },
    { version: '10.2', by: 'dirty-limit', says: base },
    { version: '11.0', by: 'dirty-rate', says: base },
    {
      version: '10.0',
      by: 'migration+dirty-rate',
      says: `${base} A migration ran in this trace: if it completed, the memory below is suspect where the VM runs now.`,
    },
    {
      version: '11.1',
      by: 'unknown',
      says: `${base} If it was migrated during this trace, the memory below is suspect where it runs now.`,
    },
    { version: '10.0', by: 'unknown', says: base },
  ])('knows QEMU $version and tracking by $by', ({ version, by, says }) => {
    expect(order({ model: qemu(version), trackingWindows: [aWindow(by)] })).toBe(says);
  });

  const here = aWindow('migration', { firstLine: 1, lastLine: 99 });
  const later = aWindow('migration', { firstLine: 900, lastLine: 990 });
  const suspect = 'the memory below is suspect where the VM runs now.';
  it.each([
    { ends: ['completed'], says: `A migration completed in this trace: ${suspect}` },
    {
      ends: ['cancelled', 'completed'],
      says: 'The migration in this trace was cancelled: no memory was lost on the way to another host.',
    },
    {
      ends: ['failed'],
      says: 'The migration in this trace failed: no memory was lost on the way to another host.',
    },
    { ends: ['completed', 'cancelled'], says: `A migration completed in this trace: ${suspect}` },
    {
      ends: [undefined, 'cancelled'],
      says: `A migration ran in this trace: if it completed, ${suspect}`,
    },
  ] as const)('knows how migrations ended: $ends', ({ ends, says }) => {
    const windows = [here, later].flatMap((window, index) => {
      const migration = ends[index];
      if (index >= ends.length) return [];
      return [{ ...window, ...(migration !== undefined && { migration }) }];
    });
    expect(order({ model: qemu('10.2'), trackingWindows: windows })).toBe(`${base} ${says}`);
  });

  it('takes no assumed version for a fact', () => {
    const model = { ...aModel, qemu: { ...aModel.qemu, source: 'assumed' } as const };
    expect(order({ model })).toBe(base);
  });
});

describe('where and when', () => {
  const wall = { clock: 'wall', first: null, last: null } as const;
  const at = (line: number) => ({ line, byteOffset: 0, time: '1795333593100000000' });
  const headline = (finding: Parameters<typeof aFinding>[0], session = {}, trace = {}) =>
    headlineOf(
      aTrace({ sessions: [aSession({ findings: [aFinding(finding)], ...session })], ...trace }),
    ).meaning;

  it('is told by the wall clock where there is one', () => {
    const first = at(12);
    expect(headline({ first }, {}, { time: wall })).toContain(
      ', first at 2026-11-22 07:46:33 UTC (line 12), while calc-dirty-rate',
    );
    expect(headline({ first }, {}, { time: { ...wall, clock: 'monotonic' } })).toContain(
      ', first at line 12, while',
    );
  });

  it('is that of the earliest of several findings', () => {
    const findings = [aFinding({ first: at(20) }), aFinding({ device: '00:11.0', first: at(15) })];
    const trace = aTrace({ sessions: [aSession({ findings })] });
    expect(headlineOf(trace).meaning).toContain('first at line 15, while');
  });

  it('is under tracking only where a window, or the finding, proves it', () => {
    const outside = { first: at(35) };
    const tracked = ', first at line 35, while dirty pages were tracked:';
    expect(headline(outside)).toContain(tracked);
    expect(headline({ ...outside, mode: 'active' })).toContain(tracked);
    const option = { value: 'on', source: 'option', from: '--tracking' } as const;
    const model = { ...aModel, tracking: option };
    expect(headline({ ...outside, mode: 'active' }, { model })).toContain(
      ', first at line 35, as dirty pages are tracked by --tracking:',
    );
    const failed = { ...outside, rule: 'VTD009', message: '4 unmaps failed.' } as const;
    expect(headline(failed)).toBe(
      'From line 35 on, 00:10.0, outside of all dirty tracking that the trace shows: 4 unmaps failed.',
    );
    expect(headline(failed, { trackingWindows: [] })).toBe(
      'From line 35 on, 00:10.0: 4 unmaps failed.',
    );
  });

  it('is not told of a window that nobody knows the cause of', () => {
    const [window] = aSession().trackingWindows;
    expect(headline({}, { trackingWindows: [{ ...window, by: 'unknown' }] })).toContain(
      'first at line 12, while dirty pages were tracked: the',
    );
  });
});

describe('the headline where no harm was done', () => {
  const warning = aFinding({
    rule: 'VTD015',
    severity: 'warning',
    verdict: null,
    device: null,
    cause: null,
    count: 1,
    message: 'The host did not take a BAR. 1 message, the first: vfio: no',
  });

  it('of a clean trace says whether anything was tracked', () => {
    const tracked = aCleanSession({ trackingWindows: aSession().trackingWindows });
    expect(headlineOf(aTrace({ sessions: [tracked] })).meaning).toBe(
      'No unmap failed or lost dirty bits while dirty pages were tracked.',
    );
    expect(headlineOf(aTrace({ sessions: [aCleanSession()] })).meaning).toBe(
      'Nothing failed, and no line shows that dirty pages were tracked.',
    );
  });

  it('begins with what was seen where that is no verdict', () => {
    const session = aCleanSession({ verdict: 'inconclusive', findings: [warning] });
    expect(headlineOf(aTrace({ sessions: [session] }))).toEqual({
      meaning: 'At line 12: The host did not take a BAR.',
      also: 'For a verdict the trace does not hold enough: this is no all-clear.',
      order: 'Capture a better trace (see below), or treat the VM as affected.',
    });
  });

  it('tells a warning beside a clean verdict', () => {
    const session = aCleanSession({ findings: [warning] });
    expect(headlineOf(aTrace({ sessions: [session] })).also).toBe(
      'At line 12: The host did not take a BAR.',
    );
  });
});
