import { describe, expect, it } from 'vitest';
import { recognise } from '../../../../src/decoding/index.ts';
import type { EventBatch } from '../../../../src/events/batch.ts';
import { decode, decodedOf } from '../../../helpers/decoded.ts';
import { sample } from '../../../helpers/samples.ts';

const details = (text: string) => decode('babeltrace-details', text);

const paragraph = (payload: readonly string[], name = 'vfio_iommu_map_notify') =>
  [
    '[1,915,222,289,900 cycles, 1,795,332,947,845,867,354 ns from origin]',
    '{Trace 0, Stream class ID 0, Stream ID 0}',
    `Event \`qemu:${name}\` (Class ID 210):`,
    '  Common context:',
    '    vpid: 7329',
    '    vtid: 7331',
    ...payload,
    '',
    '',
  ].join('\n');
const MAP = [
  '  Payload:',
  '    op: MAP',
  '    iova_start: 0xffff:4000',
  '    iova_end: 0xffff:4fff',
];
const event = {
  name: 'vfio_iommu_map_notify',
  args: { op: 1, start: '0xffff4000', end: '0xffff4fff' },
  time: '1795332947.845867354',
  thread: 7331,
  source: 'process 7329',
};

describe('a paragraph', () => {
  it('is an event, at its first line', async () => {
    const { events, lines } = await details(paragraph(MAP) + paragraph(MAP));
    expect(events).toMatchObject([
      { ...event, line: 1 },
      { ...event, line: 12 },
    ]);
    expect(lines).toBe(22);
  });

  it('may be without arguments, or of others', async () => {
    const { events, skipped, foreignLines } = await details(
      paragraph(['  Payload: Empty'], 'vtd_reset_exit') +
        paragraph(['  Payload:', '    head: 1,073'], 'vtd_inv_qi_head') +
        paragraph(MAP).replace('qemu:', 'other:'),
    );
    expect(events.map(({ name }) => name)).toEqual(['vtd_reset_exit']);
    expect(skipped).toEqual({ vtd_inv_qi_head: 1 });
    expect(foreignLines).toBe(10);
  });

  it('that ends early, or lacks an argument, is a loss', async () => {
    const whole = paragraph(MAP);
    for (let length = 1; length < whole.length - 1; length += 5) {
      const { events } = await details(paragraph(MAP) + whole.slice(0, length));
      expect(events.map(({ name }) => name)).toEqual([event.name, 'trace:loss']);
    }
    const { events } = await details(paragraph(MAP.slice(0, 3)) + paragraph(MAP));
    expect(events).toMatchObject([{ name: 'trace:loss' }, event]);
  });

  it('may tell of discarded events', async () => {
    const { events } = await details(
      '[1 cycles, 2 ns from origin] to [3 cycles, 4 ns from origin]\n{Trace 0, Stream class ID 0, Stream ID 0}\nDiscarded events (3,057 events)\n\n',
    );
    expect(events).toMatchObject([{ name: 'trace:loss', args: { kind: 0, count: '0xbf1' } }]);
  });
});

it('is read the same in whatever chunks it comes', async () => {
  const text = sample('all-10.2.2.babeltrace2-details.head1500.txt.gz').subarray(-8000);
  const expected = await details(text.toString());
  expect(expected.events.length).toBeGreaterThan(3);
  for (const size of [1, 7, 4096]) {
    const head = sample('all-10.2.2.babeltrace2-details.head1500.txt.gz');
    const format = recognise({ path: 'x', compression: 'none', head });
    if (format.kind !== 'stream') throw new Error('it is read in any order');
    const batches: EventBatch[] = [];
    const decoder = await format.open((batch) => batches.push(batch));
    for (let at = 0; at < text.length; at += size) {
      await decoder.push(Uint8Array.from(text.subarray(at, at + size)));
    }
    await decoder.end();
    const decoded = decodedOf(batches);
    expect(decoded.events.map(({ name, args, line, time }) => [name, args, line, time])).toEqual(
      expected.events.map(({ name, args, line, time }) => [name, args, line, time]),
    );
    expect(decoded.lines).toBe(expected.lines);
  }
});
