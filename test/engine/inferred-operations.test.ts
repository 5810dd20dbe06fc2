import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertedTrace } from '../../src/engine/conversion.ts';
import { doubtsOf } from '../../src/reports/capture.ts';
import { analyze } from '../helpers/analyze.ts';
import { testFolder } from '../helpers/folder.ts';

const GROUND = /^MAP or UNMAP of a notification: inferred from the walk or whole unmap before it;/;

const probe = (event: string, ...values: readonly number[]) =>
  ` qemu  9951 [001]  1965.996801: sdt_qemu:${event}: (55bb)${values.map((value, index) => ` arg${index + 1}=${value}`).join('')}\n`;
/** A page is mapped and unmapped, then all of a space of 48 bits. */
const PERF = [
  probe('vtd_page_walk_one', 2, 4096, 4145152, 4095, 3),
  probe('vfio_iommu_map_notify', 100, 4096, 8191),
  probe('vtd_page_walk_one', 2, 4096, 4145152, 4095, 0),
  probe('vfio_iommu_map_notify', 200, 4096, 8191),
  probe('vtd_as_unmap_whole', 0, 5, 0, 0, 2 ** 48),
  probe('vfio_iommu_map_notify', 200, 0, 2 ** 48 - 1),
].join('');
/** The same of QEMU's log backend. */
const LOG = [
  'vtd_page_walk_one domain 0x2 iova 0x1000 -> gpa 0x3f4000 mask 0xfff perm 3',
  'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff',
  'vtd_page_walk_one domain 0x2 iova 0x1000 -> gpa 0x3f4000 mask 0xfff perm 0',
  'vfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff',
  'vtd_as_unmap_whole Device 00:05.0 start 0x0 size 0x1000000000000',
  'vfio_iommu_map_notify iommu UNMAP @ 0x0 - 0xffffffffffff',
].join('\n');

/** The findings of a text, those with the ground, and what the trace leaves in doubt. */
async function analysed(text: string) {
  const path = join(testFolder(), 'trace');
  writeFileSync(path, text);
  const { session, trace } = await analyze(path);
  const inferred = session.findings.filter(({ basis }) => basis.some((one) => GROUND.test(one)));
  return { path, trace, inferred, findings: session.findings };
}

describe('where the trace has no MAP and UNMAP', () => {
  it('findings rest on what tells them, and are observed no more', async () => {
    const { findings, inferred, trace } = await analysed(PERF);
    expect(inferred).toEqual(findings);
    expect(findings.map(({ rule }) => rule)).toContain('VTD001');
    expect(findings.filter(({ evidence }) => evidence === 'observed')).toEqual([]);
    expect(doubtsOf(trace)).toContain(
      'perf keeps no texts: MAP and UNMAP are inferred from the walks and whole unmaps before them',
    );
  });

  it('those of a converted trace do, too', async () => {
    const { findings, path } = await analysed(PERF);
    let text = '';
    for await (const piece of await convertedTrace({ inputs: [path], notation: 'ndjson' })) {
      text += piece;
    }
    const converted = await analysed(text);
    expect(converted.inferred).toHaveLength(findings.length);
    expect(converted.findings).toHaveLength(findings.length);
  });

  it('a log, which has them, says nothing of it', async () => {
    const { findings, inferred, trace } = await analysed(`${LOG}\n`);
    expect(findings.map(({ rule }) => rule)).toContain('VTD001');
    expect(inferred).toEqual([]);
    expect(doubtsOf(trace).join()).not.toContain('perf');
  });
});
