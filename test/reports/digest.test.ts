import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { listed } from '../../src/base/words.ts';
import { catalogue } from '../../src/events/catalogue/index.ts';
import { captureAdvice, wantsBetterTrace } from '../../src/reports/capture.ts';
import { compareFindings, memoryAtRisk } from '../../src/reports/digest.ts';
import { bytesIn, lowest, union } from '../../src/reports/guest-ranges.ts';
import { tracesWorstFirst } from '../../src/reports/verdicts.ts';
import type { VIommu } from '../../src/result/types.ts';
import { root } from '../helpers/ground-truth.ts';
import {
  aCleanSession,
  aFinding,
  aHazards,
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
  const commandOf = (viommu: VIommu) => {
    const { model } = aSession();
    const vIommu = { value: viommu, source: 'trace', from: 'a line' } as const;
    return captureAdvice(aTrace({ sessions: [aSession({ model: { ...model, vIommu } })] })).command;
  };

  /** Whether QEMU traces an event: the last pattern that fits it decides. */
  function isTraced(command: readonly string[], name: string): boolean {
    const patterns = [...command.join(' ').matchAll(/-trace '(-?)([^']+)'/g)];
    const fitting = patterns.filter(([, , pattern = '']) =>
      new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name),
    );
    return fitting.at(-1)?.[1] === '';
  }

  it.each([
    {
      viommu: 'intel-iommu',
      own: 'vtd_',
      noise: ['vfio_region_read', 'vtd_inv_qi_head', 'vtd_ir_remap', 'vfio_pci_read_config'],
    },
    { viommu: 'amd-iommu', own: 'amdvi_', noise: ['amdvi_mmio_read', 'amdvi_command_exec'] },
    { viommu: 'virtio-iommu', own: 'virtio_iommu_', noise: ['virtio_iommu_translate_out'] },
  ] as const)(
    'switch on every event of $viommu that is replayed, and not those that only make a trace long',
    ({ viommu, own, noise }) => {
      const command = commandOf(viommu);
      const ofOthers = ['vtd_', 'amdvi_', 'virtio_iommu_'].filter((prefix) => prefix !== own);
      const isOwn = (name: string) => !ofOthers.some((prefix) => name.startsWith(prefix));
      const missing = eventNames.filter((name) => isOwn(name) && !isTraced(command, name));
      expect(missing).toEqual([]);
      expect(noise.filter((name) => isTraced(command, name))).toEqual([]);
    },
  );

  it('are those of the README', () => {
    const { command } = captureAdvice(aTrace());
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
