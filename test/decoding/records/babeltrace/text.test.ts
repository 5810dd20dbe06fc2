import { describe, expect, it } from 'vitest';
import { decode } from '../../../helpers/decoded.ts';

const babeltrace = (text: string) => decode('babeltrace', text);

const CONTEXT = '{ cpu_id = 0 }, { vpid = 7329, vtid = 7331, procname = "CPU 0/}, {" }';
const FIELDS = '{ op = "MAP", iova_start = 0xFFFF4000, iova_end = 0xFFFF4FFF }';
const NAME = 'qemu:vfio_iommu_map_notify';
const event = {
  name: 'vfio_iommu_map_notify',
  args: { op: 1, start: '0xffff4000', end: '0xffff4fff' },
};
const written = { thread: 7331, source: 'process 7329' };

describe('an event', () => {
  it.each([
    ['as it comes', '[07:35:47.845867354] (+0.000341940) vm qemu', null],
    ['without a host', '[07:35:47.845867354] (+?.?????????) qemu', null],
    ['with a date', '[2026-11-22 07:35:47.845867354] vm qemu', '1795332947.845867354'],
    ['with seconds', '[1795332947.845867354] (+0.000341940) vm qemu', '1795332947.845867354'],
    ['with cycles', '[00000001915222289900] vm qemu', null],
    [
      'with its level',
      '[1795332947.845867354] vm TRACE_DEBUG_LINE (13) qemu',
      '1795332947.845867354',
    ],
  ])('%s', async (_, header, time) => {
    const line = `${header}${NAME.slice(4)}: ${CONTEXT}, ${FIELDS}`;
    const { events, foreignLines } = await babeltrace(`${line}\n${line}\r\n`);
    expect(events).toMatchObject([
      { ...event, ...written, time, line: 1 },
      { ...event, ...written, time, line: 2 },
    ]);
    expect(foreignLines).toBe(0);
  });

  it('with all names and fields', async () => {
    const [, context] = /, (\{ vpid.*)$/.exec(CONTEXT) ?? [];
    const { events } = await babeltrace(
      `timestamp = 1795332947.845867354, delta = +?.?????????, trace = a, , loglevel = X (13), name = ${NAME}, stream.packet.context = { cpu_id = 0 }, stream.event.context = ${context}, event.fields = ${FIELDS}\n`,
    );
    expect(events).toMatchObject([{ ...event, ...written, time: '1795332947.845867354' }]);
  });

  it('without contexts has no thread and no process', async () => {
    const { events } = await babeltrace(`[1.000000002] ${NAME}: { cpu_id = 0 }, ${FIELDS}\n`);
    expect(events).toMatchObject([{ ...event, thread: null, source: null, time: '1.000000002' }]);
  });

  it('without arguments, or of which only the name matters', async () => {
    const line = (name: string, fields: string) =>
      `[1.000000002] ${name}: { cpu_id = 0 }, ${fields}\n`;
    const { events, skipped } = await babeltrace(
      line('qemu:vtd_reset_exit', '{ }') +
        line(
          'qemu:vfio_user_version',
          '{ major = 0, minor = 0, caps = "{\\"a\\": \\"}, {\\\\\\"\\n}" }',
        ) +
        line('qemu:vtd_inv_qi_head', '{ head = 73 }'),
    );
    expect(events.map(({ name }) => name)).toEqual(['vtd_reset_exit', 'vfio_user_version']);
    expect(skipped).toEqual({ vtd_inv_qi_head: 1 });
  });

  it('with numbers below zero, of one bit and of 64', async () => {
    const { events } = await babeltrace(
      '[1.000000000] qemu:iommufd_backend_map_dma: { cpu_id = 0 }, { iommufd = 12, ioas = 2, iova = 0xFFFFFFFFFFFFF000, size = 4096, vaddr = 0x0, readonly = 1, ret = -17 }\n',
    );
    expect(events).toMatchObject([
      { args: { ioas: 2, iova: '0xfffffffffffff000', size: '0x1000', readonly: 1, result: -17 } },
    ]);
  });

  it.each([
    ['7.2', '{ fd = 12, iova = 0x1000, size = 0x1000, bitmap_size = 0x8, start = 0x5000 }', 1],
    [
      '10.0',
      '{ iova = 0x1000, size = 0x1000, bitmap_size = 0x8, start = 0x5000, dirty_pages = 3 }',
      0,
    ],
  ])('that QEMU %s declares otherwise', async (_, fields, old) => {
    const { events } = await babeltrace(`[1.000000000] qemu:vfio_get_dirty_bitmap: ${fields}\n`);
    const args = { iova: '0x1000', size: '0x1000', bitmap: '0x8', ram: '0x5000', old };
    expect(events).toMatchObject([{ args }]);
  });
});

describe('a loss is', () => {
  const line = `[1.000000000] ${NAME}: ${CONTEXT}, ${FIELDS}`;

  it('a line that is cut, glued or damaged', async () => {
    for (let length = 20; length < line.length; length += 7) {
      const { events } = await babeltrace(`${line.slice(0, length)}\n${line}\n`);
      // Where no brace has come, there is nothing of an event.
      if (line.slice(0, length).includes('{'))
        expect(events[0]?.name, String(length)).toBe('trace:loss');
      expect(events.at(-1)).toMatchObject(event);
      const glued = await babeltrace(`${line.slice(0, length)}${line}\n`);
      expect(glued.events.map(({ name }) => name)).toEqual(['trace:loss']);
    }
  });

  it('a last line without its end', async () => {
    for (let length = 1; length <= line.length; length += 1) {
      const { events } = await babeltrace(line.slice(0, length));
      expect(events.map(({ name }) => name)).toEqual(['trace:loss']);
    }
  });

  it.each([
    ['too few', '{ iova_start = 0xFFFF4000, iova_end = 0xFFFF4FFF }'],
    ['others', '{ op = "MOP", iova_start = 0xFFFF4000, iova_end = 0xFFFF4FFF }'],
    ['too large ones', '{ op = "MAP", iova_start = 0x1FFFFFFFFFFFFFFFF, iova_end = 0x0 }'],
  ])('an event with %s', async (_, fields) => {
    const { events } = await babeltrace(`[1.000000000] ${NAME}: { cpu_id = 0 }, ${fields}\n`);
    expect(events).toMatchObject([{ name: 'trace:loss' }]);
  });

  it.each([
    [
      'WARNING: Tracer discarded 3057 events between [07:35:47.8] and [07:35:47.9] in trace "x"',
      3057,
    ],
    ['[warning] Tracer discarded 12 trace packets between [07:35:47.8] and [07:35:47.9]', 12],
    ['WARNING: Tracer may have discarded events', 1],
  ])('told by %s', async (text, count) => {
    const { events } = await babeltrace(`${text}\n`);
    expect(events).toMatchObject([
      { name: 'trace:loss', args: { kind: 0, count: `0x${count.toString(16)}` } },
    ]);
  });
});

it('events of others are foreign', async () => {
  const { events, foreignLines } = await babeltrace(
    '[1.000000000] vm lttng_ust_statedump:start: { cpu_id = 0 }, { }\nhello\n\n',
  );
  expect([events, foreignLines]).toEqual([[], 2]);
});
