import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import type { Trace } from '../../src/result/types.ts';
import { captures, root } from '../helpers/ground-truth.ts';
import {
  aCleanSession,
  aFinding,
  aModel,
  aSession,
  aTrace,
  aWindow,
} from '../helpers/report-builders.ts';
import { compare } from '../tools/simulator/compare/compare.ts';
import { lies, liesIn } from '../tools/simulator/compare/sentences.ts';
import { caseAt } from '../tools/simulator/deep/corners.ts';

const folder = `${root}test/cases/`;
const cases = readdirSync(folder).filter((name) => /\.log(?:\.gz)?$/.test(name));

describe('no sentence of a report contradicts its result', () => {
  it.each(captures)('of $name', async ({ log }) => {
    expect(lies(await run({ inputs: [`${root}${log}`], jobs: 1 }))).toEqual([]);
  });

  it.each(cases)('of %s', async (name) => {
    expect(lies(await run({ inputs: [folder + name], jobs: 1 }))).toEqual([]);
  });

  // Seeds of which reports once said too much; the others are those of the simulator's own tests.
  it.each([116, 164, 290, 301])('of the guest of seed %i', (seed) => {
    const { report } = compare(caseAt(seed));
    expect(report.disagreements.filter(({ kind }) => kind === 'sentences')).toEqual([]);
  });
});

const noViommu = { value: 'none', source: 'assumed', from: 'no line of one' } as const;

describe('each lie is found:', () => {
  const no = 'Migrate? No: so.';
  const failing = aTrace();
  const migrated = aTrace({
    sessions: [aSession({ trackingWindows: [aWindow('migration', { unmaps: 3 })] })],
  });
  const bare = aTrace({
    sessions: [
      aCleanSession({
        model: { ...aModel, vIommu: noViommu },
        trackingWindows: [aWindow('migration', { unmaps: 3 })],
      }),
    ],
  });
  const exposed = aTrace({
    sessions: [
      aCleanSession({
        exposed: { e2big: true, lostDirtyPages: false, staleMappings: false, via: ['migration'] },
      }),
    ],
  });
  const yes = 'Migrate? Yes: nothing in the trace speaks against a migration.';

  const rows: readonly { readonly text: string; readonly trace: Trace; readonly lie: string }[] = [
    {
      text: `5 DMA unmaps of 00:10.0 failed with -7. ${no}`,
      trace: failing,
      lie: 'failed with -7',
    },
    { text: `1 DMA unmap loses the dirty bits. ${no}`, trace: failing, lie: 'lose dirty bits' },
    { text: `2 host mappings of 00:10.0 outlive it. ${no}`, trace: failing, lie: 'that stay' },
    { text: `3 DMA unmaps make QEMU set bits. ${no}`, trace: failing, lie: 'past RAM' },
    { text: `${no}\n\n1 MAP failed with 0.`, trace: failing, lie: 'fails with 0' },
    { text: `${no}\n\nYes, 1 host mapping stay in it.`, trace: failing, lie: 'one is one' },
    { text: `${no}\n\nThere are 3 unmap.`, trace: failing, lie: 'one is one' },
    { text: `${no}\n\nThere is 1 ranges.`, trace: failing, lie: 'one is one' },
    {
      text: `It failed at line 12, while a migration tracked dirty pages. ${no}`,
      trace: failing,
      lie: 'has a window there',
    },
    {
      text: `It failed at line 35, while calc-dirty-rate tracked dirty pages. ${no}`,
      trace: failing,
      lie: 'has a window there',
    },
    {
      text: `It failed at line 35, while dirty pages were tracked. ${no}`,
      trace: failing,
      lie: 'is proved',
    },
    {
      text: `At line 12, outside of all dirty tracking: it failed. ${no}`,
      trace: failing,
      lie: 'is in no window',
    },
    {
      text: `DMA unmaps fail while dirty pages are tracked. ${no}`,
      trace: aTrace({ sessions: [aSession({ findings: [aFinding({ rule: 'VTD015' })] })] }),
      lie: 'only where some did',
    },
    { text: `${no} QEMU refuses to migrate it.`, trace: migrated, lie: 'QEMU refuses' },
    { text: `${yes} QEMU refuses to migrate it.`, trace: bare, lie: 'QEMU refuses' },
    { text: 'Migrate? Refused: so.', trace: migrated, lie: 'not called refused' },
    { text: `${no} No migration ran then.`, trace: migrated, lie: 'no migration ran' },
    { text: `${no} A migration ran in this trace.`, trace: failing, lie: 'a migration ran' },
    {
      text: `${no} The migration in this trace was cancelled: it is gone.`,
      trace: migrated,
      lie: 'how a migration ended',
    },
    { text: `${no} The rest is in the memory below.`, trace: failing, lie: 'the memory below' },
    { text: yes, trace: failing, lie: 'the answer is that of the result' },
    { text: `CLEAN ${no}`, trace: exposed, lie: 'as if it were fine' },
    {
      text: yes,
      trace: { ...failing, migration: { answer: 'yes', why: 'so' } },
      lie: 'harm is no yes',
    },
    { text: `${yes}\n\nUse aw-bits=39.`, trace: bare, lie: 'no advice about one' },
    { text: `${no} QEMU of this version (~9.2) does it.`, trace: failing, lie: 'a version' },
  ];

  it.each(rows)('$text', ({ text, trace, lie }) => {
    const found = liesIn(text, trace);
    expect(found.length).toBeGreaterThan(0);
    expect(found.join('\n')).toContain(lie);
  });

  it('and the truth is let be', () => {
    const text = `FAILS
4 DMA unmaps of 00:10.0 failed with -7 (E2BIG), first at line 12, while
calc-dirty-rate tracked dirty pages: the dirty bitmap is larger. Migrate? No: so.`;
    expect(liesIn(text, failing)).toEqual([]);
  });

  it('and lines of the trace are let be, which say what they say', () => {
    const text = `${no}

    1799: vtd_page_walk_one domain 0x1 iova 0x4000000000 -> gpa 0x0 mask 0xfff perm 0
  > 1805: iommufd_backend_unmap_dma_non_exist  Unmap nonexistent
          mapping: iommufd=12 ioas=6 iova=0x2000000000 size=0x2000000000 (-1)`;
    expect(liesIn(text, failing)).toEqual([]);
    expect(liesIn(`${text}\n\n0 mapping`, failing)).toHaveLength(1);
  });
});
