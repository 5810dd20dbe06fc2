import { describe, expect, it } from 'vitest';
import { simpleText } from '../../../../src/decoding/records/simple/text.ts';
import type { EventBatch } from '../../../../src/events/batch.ts';
import { decode, decodedOf } from '../../../helpers/decoded.ts';

const read = (...lines: readonly string[]) => decode('simpletrace-text', `${lines.join('\n')}\n`);

describe('a line of simpletrace.py', () => {
  it.each([
    [
      "vfio_iommu_map_notify 1.492 pid=7 op=b'MAP' iova_start=0x1000 iova_end=0xffffffffffffffff",
      { op: 1, start: '0x1000', end: '0xffffffffffffffff' },
    ],
    [
      'vtd_page_walk_one 1.492 pid=7 domain=0x2 iova=0x1000 gpa=0x0 mask=0xfff perm=0xffffffffffffffff',
      { domain: 2, perm: -1 },
    ],
    ['vfio_save_cleanup 0.000 pid=7 name=b"it\'s \\\\ \\x41\\n"', { name: "it's \\ A\n" }],
    ['vfio_save_cleanup 0.000 pid=7 name=b\'a="b" c\'', { name: 'a="b" c' }],
    [
      'vfio_get_dirty_bitmap 0.000 pid=7 container_fd=0x9 iova=0x1000 size=0x2000 bitmap_size=0x8 start=0x3000',
      { iova: '0x1000', old: 1 },
    ],
    [
      'vfio_get_dirty_bitmap 0.000 pid=7 iova=0x1000 size=0x2000 bitmap_size=0x8 start=0x3000 dirty_pages=0x0',
      { iova: '0x1000', old: 0 },
    ],
    ['vtd_reset_exit 0.000 pid=7 ', {}],
    ['vtd_reset_exit 0.000 pid=7', {}],
  ])('is the event: %s', async (line, args) => {
    expect((await read(line)).events).toMatchObject([{ args }]);
  });

  it('is none of those that matter, counted, or none at all', async () => {
    const decoded = await read(
      'vtd_inv_qi_head 1.000 pid=7 head=0x30',
      'Traceback (most recent call last):',
    );
    expect(decoded).toMatchObject({ events: [], skipped: { vtd_inv_qi_head: 1 }, foreignLines: 1 });
  });

  it.each([
    "vfio_save_cleanup 0.000 pid=7 name=b'never ends",
    'vfio_save_cleanup 0.000 pid=7 name=0x1',
    "vfio_iommu_map_notify 1.492 pid=7 op=b'MAP' iova_start=0x1000",
    "vfio_iommu_map_notify 1.492 pid=7 op=b'mip' iova_start=0x1000 iova_end=0x1fff",
    'vtd_ce_not_present 1.492 pid=7 bus=0x0 devfn=0x100000000',
    'vtd_ce_not_present 1.492 pid=7 bus=0x0 garbage',
  ])('is lost where its arguments are not those of the event: %s', async (line) => {
    expect((await read(line)).events).toMatchObject([{ name: 'trace:loss', args: { kind: 2 } }]);
  });

  it('is not believed without its end', async () => {
    const { events } = await decode(
      'simpletrace-text',
      'vtd_ce_not_present 1.0 pid=7 bus=0x1 devfn=0x1',
    );
    expect(events.map(({ name }) => name)).toEqual(['trace:loss']);
  });

  it('tells of dropped events, which may be missing anywhere before', async () => {
    const { events } = await read('Dropped_Event 2485897.948 pid=7 num_events_dropped=0x1b64');
    expect(events).toMatchObject([{ name: 'trace:loss', args: { count: '0x1b64', isBefore: 1 } }]);
  });
});

it('counts the time from the first event, however the bytes come', async () => {
  const text = Buffer.from(
    [
      'vtd_reset_exit 0.000 pid=7 ',
      'vtd_inv_qi_head 1999999.999 pid=7 head=0x0',
      'vtd_reset_exit 0.501 pid=7 ',
      'vtd_reset_exit -0.250 pid=7 ',
      '',
    ].join('\n'),
  );
  const batches: EventBatch[] = [];
  const decoder = await simpleText.open((batch) => batches.push(batch));
  for (const byte of text) await decoder.push(Uint8Array.of(byte));
  await decoder.end();
  expect(decodedOf(batches).events.map(({ time, line }) => [time, line])).toEqual([
    ['0.000000000', 1],
    ['2.000000500', 3],
    ['2.000000250', 4],
  ]);
});
