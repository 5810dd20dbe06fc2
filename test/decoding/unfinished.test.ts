import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mayBeFront } from '../../src/decoding/unfinished.ts';
import { analyze } from '../helpers/analyze.ts';
import { root } from '../helpers/ground-truth.ts';

/** Lines as QEMU writes them: whatever is left of one at the end of a trace, the rest is missing. */
const lines = [
  'vtd_reset_exit ',
  'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff',
  'iommufd_backend_unmap_dma  iommufd=12 ioas=2 iova=0x0 size=0x1000 (0)',
  'global_dirty_changed bitmask 0x2',
  'memory_region_sync_dirty mr a listener b synced 1',
  '1331@1795334254.166216:vtd_reset_exit ',
  '2026-11-22T07:51:14.717309Z vtd_reset_exit ',
  'qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000',
  '2026-11-22T07:51:14.717309Z qemu-system-x86_64: UNMAP: Size of bitmap too big 0x20000000',
];

describe('an unfinished line', () => {
  it.each(lines.map((line) => [line]))('may be the front of: %s', (line) => {
    for (let length = 1; length <= line.length; length += 1) {
      const front = line.slice(0, length);
      expect(mayBeFront(front), front).toBe(true);
      expect(mayBeFront(`\0\0${front}`), front).toBe(true);
    }
  });

  it.each([['login: '], ['[  OK  ] Started'], ['(qemu) '], ['# '], ['zzz'], ['\0\0']])(
    'is none of QEMU: %j',
    (line) => {
      expect(mayBeFront(line)).toBe(false);
    },
  );
});

/** Nothing bad happened in it. */
const clean = gunzipSync(readFileSync(`${root}traces/qemu-7.2/blocked-aw48.log.gz`)).toString();

async function analyzeText(text: string) {
  async function* stdin() {
    yield Buffer.from(text);
  }
  return (await analyze('-', {}, { stdin: stdin() })).trace;
}

describe('a trace that ends in an unfinished line', () => {
  it.each([['v'], ['vt'], ['vtd'], ['g'], ['13'], ['2026-1'], ['qemu-system-x86_64: VFIO_UNM']])(
    'is not clean: %s',
    async (front) => {
      const { verdict, losses } = await analyzeText(clean + front);
      expect(losses.map(({ kind, detail }) => [kind, detail])).toEqual([['torn', front]]);
      expect(verdict).not.toBe('clean');
    },
  );

  it('is clean where that is a prompt', async () => {
    const { verdict, losses } = await analyzeText(`${clean}login: `);
    expect([verdict, losses]).toEqual(['clean', []]);
  });

  it('behind the header of a syslog daemon, or within that, is not clean and not believed', async () => {
    const header = 'Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ';
    const framed = clean.replace(/^(?=.)/gm, header);
    expect((await analyzeText(framed)).losses).toEqual([]);
    const last = `${header}vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff`;
    const { events } = await analyzeText(framed);
    for (const length of [3, 20, header.length, header.length + 1, last.length - 4]) {
      const trace = await analyzeText(framed + last.slice(0, length));
      expect(trace.losses.map(({ kind }) => kind)).toEqual(['torn']);
      expect(trace.events).toBe(events);
    }
  });
});
