import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listed } from '../../src/base/words.ts';
import { catalogue } from '../../src/events/catalogue/index.ts';
import { captureAdvice, wantsBetterTrace } from '../../src/reports/capture.ts';
import { compareFindings, headlineOf, memoryAtRisk } from '../../src/reports/digest.ts';
import { bytesIn, lowest, union } from '../../src/reports/guest-ranges.ts';
import { tracesWorstFirst } from '../../src/reports/verdicts.ts';
import type { Verdict } from '../../src/result/types.ts';
import { root } from '../helpers/ground-truth.ts';
import {
  aCleanSession,
  aFinding,
  aHazards,
  aModel,
  anUnusableTrace,
  aSession,
  aTotals,
  aTrace,
  aWhatIf,
} from '../helpers/report-builders.ts';

/** Names with a colon are no events but messages, and lines around a log. */
const eventNames = Object.keys(catalogue).filter((name) => !name.includes(':'));

describe('the order of findings', () => {
  it('is what happened before what might, errors first, what was seen first', () => {
    const findings = [
      aWhatIf({ id: 'what-if error', severity: 'error' }),
      aFinding({ id: 'warning', severity: 'warning' }),
      aFinding({ id: 'active', mode: 'active' }),
      aFinding({ id: 'lost', rule: 'VTD002', mode: 'active' }),
      aFinding({ id: 'past RAM', rule: 'VTD006', mode: 'active' }),
      aFinding({ id: 'note', mode: null, severity: 'note' }),
      aFinding({ id: 'observed' }),
    ];
    expect(findings.sort(compareFindings).map(({ id }) => id)).toEqual([
      'observed',
      'active',
      'past RAM',
      'lost',
      'warning',
      'note',
      'what-if error',
    ]);
  });
});

describe('the order of traces', () => {
  it('is by the answer whether to migrate, unusable, then by verdict, then by failures', () => {
    const few = aTrace({ path: 'few', totals: aTotals({ tracked: aHazards({ e2big: 1 }) }) });
    const many = aTrace({ path: 'many', totals: aTotals({ observed: { failures: 9, e2big: 9 } }) });
    const clean = aTrace({ path: 'clean', sessions: [aCleanSession()] });
    const unsure = aTrace({
      path: 'unsure',
      sessions: [aCleanSession({ verdict: 'inconclusive' })],
    });
    const sorted = tracesWorstFirst([clean, few, unsure, anUnusableTrace('bad'), many]);
    expect(sorted.map(({ path }) => path)).toEqual(['many', 'few', 'bad', 'unsure', 'clean']);
  });
});

describe('ranges of guest memory', () => {
  it('are joined where they touch or overlap', () => {
    const memory = union([
      [
        { gpa: '0x3000', size: '0x1000' },
        { gpa: '0x1000', size: '0x1000' },
      ],
      [
        { gpa: '0x2000', size: '0x2000' },
        { gpa: '0x8000', size: '0x4000' },
      ],
      [{ gpa: '0x9000', size: '0x1000' }],
    ]);
    expect(lowest(memory, 9)).toEqual([
      { first: 0x1000n, last: 0x3fffn },
      { first: 0x8000n, last: 0xbfffn },
    ]);
    expect(lowest(memory, 1)).toHaveLength(1);
    expect(memory.size).toBe(2);
    expect(bytesIn(memory)).toBe(0x7000);
    const all = union([[{ gpa: '0x0', size: '0x10000000000000000' }]]);
    expect(lowest(all, 9)).toEqual([{ first: 0n, last: 2n ** 64n - 1n }]);
  });

  it('at risk are not those of mappings that stay', () => {
    expect(memoryAtRisk([aFinding({ rule: 'VTD005' })]).size).toBe(0);
    expect(bytesIn(memoryAtRisk([aFinding(), aWhatIf()]))).toBe(0x6000);
  });
});

describe('the headline', () => {
  const meaning = (verdict: Verdict, ...given: Parameters<typeof aFinding>[0][]) => {
    const findings = given.map((finding) => aFinding(finding));
    return headlineOf(aTrace({ verdict, sessions: [aSession({ verdict, findings })] })).meaning;
  };

  it.each([
    {
      name: 'E2BIG of two devices',
      verdict: 'fails' as const,
      findings: [{}, { device: '00:11.0', count: 2 }],
      says: '6 DMA unmaps of 00:10.0 and 00:11.0 failed with -7 (E2BIG): the dirty bitmap is larger than the VFIO container accepts.',
    },
    {
      name: 'E2BIG by emulation',
      verdict: 'fails' as const,
      findings: [{ mode: 'active', count: 1 } as const],
      says: '1 DMA unmap of 00:10.0 fails with -7 (E2BIG): the dirty bitmap is larger than the VFIO container accepts.',
    },
    {
      name: 'lost bits',
      verdict: 'loses-dirty-pages' as const,
      findings: [{ rule: 'VTD002', mode: 'active' } as const],
      says: '4 DMA unmaps of 00:10.0 lose the dirty bits of 16 KiB of guest memory.',
    },
    {
      name: 'lost bits of unknown pages',
      verdict: 'loses-dirty-pages' as const,
      findings: [{ rule: 'VTD003', mode: 'active', atRisk: [], atRiskBytes: 0 } as const],
      says: '4 DMA unmaps of 00:10.0 lose the dirty bits of guest memory that the trace does not name.',
    },
    {
      name: 'stale mappings',
      verdict: 'leaves-mappings' as const,
      findings: [{ rule: 'VTD005', mode: 'active', count: 1 } as const],
      says: '1 host mapping of 00:10.0 outlives the unmap that should have removed it: the device still reaches that memory.',
    },
    {
      name: 'many devices',
      verdict: 'fails' as const,
      findings: [1, 2, 3, 4, 5, 6].map((slot) => ({ device: `00:0${slot}.0`, count: 1 })),
      says: '6 DMA unmaps of 00:01.0, 00:02.0, 00:03.0, 00:04.0 and 2 other devices failed with -7 (E2BIG): the dirty bitmap is larger than the VFIO container accepts.',
    },
    {
      name: 'any other rule',
      verdict: 'fails' as const,
      findings: [{ rule: 'VTD009' } as const],
      says: 'DMA unmaps fail while dirty pages are tracked.',
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
  const lost = { rule: 'VTD002', mode: 'active', count: 3 } as const;
  const unasked = {
    rule: 'VTD004',
    mode: 'active',
    count: 2,
    atRisk: [{ gpa: '0x100000', size: '0x1000' }],
  } as const;
  const stale = { rule: 'VTD005', mode: 'active', count: 1 } as const;

  it('is nothing where one rule says it all', () => {
    expect(headline({ findings: [aFinding(), aWhatIf()] }).also).toBe('');
  });

  it('is what else is lost, and what stays', () => {
    const findings = [aFinding(), aFinding(lost), aFinding(unasked), aFinding(stale)];
    expect(headline({ findings }).also).toBe(
      'Besides, 5 unmaps lose the dirty bits of 20 KiB of guest memory and 1 host mapping outlives its unmap.',
    );
  });

  it('is told once: unmaps that lose bits in two ways are one sentence', () => {
    const { meaning, also } = headline({
      verdict: 'loses-dirty-pages',
      findings: [aFinding(lost), aFinding(unasked)],
    });
    expect(meaning).toBe('5 DMA unmaps of 00:10.0 lose the dirty bits of 20 KiB of guest memory.');
    expect(also).toBe('');
  });

  it.each([
    { last: 38, says: 'it may crash, and memory is corrupted or lost.' },
    { last: 40, says: 'the trace ends right there, as it does when QEMU dies of it.' },
  ])('is whether QEMU may have died at line $last of 40', ({ last, says }) => {
    const place = { line: last, byteOffset: 0, time: null };
    const finding = aFinding({ rule: 'VTD006', mode: 'active', count: 1, last: place });
    const { meaning } = headline({ verdict: 'loses-dirty-pages', findings: [finding] });
    expect(meaning).toBe(
      `1 DMA unmap of 00:10.0 makes QEMU set dirty bits past the end of RAM: ${says}`,
    );
  });
});

describe('the order to people', () => {
  const window = (by: string) => ({
    firstLine: 10,
    lastLine: 30,
    firstTime: null,
    lastTime: null,
    by,
    unmaps: 28,
  });
  const qemu = (value: string) => ({
    ...aModel,
    qemu: { value, source: 'derived', from: 'its events' } as const,
  });
  const order = (given: Parameters<typeof aSession>[0]) => {
    const sessions = [aSession({ verdict: 'loses-dirty-pages', ...given })];
    return headlineOf(aTrace({ verdict: 'loses-dirty-pages', sessions })).order;
  };
  const base = 'Do not migrate this VM before the cause is mended.';

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
    expect(order({ model: qemu(version), trackingWindows: [window(by)] })).toBe(says);
  });

  it('takes no assumed version for a fact', () => {
    const model = { ...aModel, qemu: { ...aModel.qemu, source: 'assumed' } as const };
    expect(order({ model })).toBe(base);
  });
});

describe('how to capture better', () => {
  it('is of no interest where nothing is missing', () => {
    expect(wantsBetterTrace(aTrace())).toBe(false);
  });

  it('names the events that would settle what is open', () => {
    const trace = aTrace({
      reasons: ['whether dirty tracking was on is not in the trace: enable global_dirty_changed'],
      losses: [{ kind: 'dropped', count: 1, line: 1, byteOffset: 0, detail: '' }],
      sessions: [
        aSession({
          findings: [
            aFinding({
              basis: [
                'kind of container: legacy assumed; vfio_attach_device, iommufd_* or --backend would settle it',
              ],
            }),
            aWhatIf({ basis: ['guest addresses: not traced; vtd_page_walk_one would settle it'] }),
            aFinding({ basis: ['device: named by vtd_as_unmap_whole'] }),
          ],
        }),
      ],
    });
    expect(captureAdvice(trace).missing).toEqual([
      'global_dirty_changed',
      'iommufd_*',
      'vfio_attach_device',
    ]);
    expect(captureAdvice(trace).hints).toHaveLength(1);
  });
});

describe('the options for a better trace', () => {
  const { command } = captureAdvice(aTrace());

  /** Whether QEMU traces an event: the last pattern that fits it decides. */
  function isTraced(name: string): boolean {
    const patterns = [...command.join(' ').matchAll(/-trace '(-?)([^']+)'/g)];
    const fitting = patterns.filter(([, , pattern = '']) =>
      new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name),
    );
    return fitting.at(-1)?.[1] === '';
  }

  it('switch on every event that is replayed, and not those that only make a trace long', () => {
    expect(eventNames.filter((name) => !isTraced(name))).toEqual([]);
    const noise = ['vfio_region_read', 'vtd_inv_qi_head', 'vtd_ir_remap', 'vfio_pci_read_config'];
    expect(noise.filter(isTraced)).toEqual([]);
  });

  it('are those of the README', () => {
    const readme = readFileSync(`${root}README.md`, 'utf8');
    expect(readme).toContain(`\`\`\`\n${command.join('\n')}\n\`\`\``);
  });
});

describe('lists', () => {
  it.each([
    { words: [], text: '' },
    { words: ['a'], text: 'a' },
    { words: ['a', 'b'], text: 'a and b' },
    { words: ['a', 'b', 'c'], text: 'a, b and c' },
  ])('$words', ({ words, text }) => {
    expect(listed(words)).toBe(text);
  });
});
