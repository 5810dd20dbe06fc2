import { describe, expect, it } from 'vitest';
import { decode } from '../../helpers/decoded.ts';
import { sample } from '../../helpers/samples.ts';

const ftrace = (text: string) => decode('ftrace', text);

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const args = { op: 1, start: '0x1000', end: '0x1fff' };

describe('a line', () => {
  it.each([
    ['of trace', '           <...>-7329    [000] ...1.  1915.246562: tracing_mark_write: ', null],
    ['without flags', '  qemu-system-x86-7329  [000]  1915.246562: tracing_mark_write: ', null],
    [
      'with the process',
      '       CPU 0/KVM-7329  ( 7320) [001] d.h3.  1915.246562: tracing_mark_write: ',
      'process 7320',
    ],
    [
      'whose process is not known',
      '           <...>-7329  (-------) [001] .....  1915.246562: tracing_mark_write: ',
      null,
    ],
    ['of a task called like one', '  [0]: a-12 [0-7329  [000]  1915.246562: print: ', null],
    [
      'of trace-cmd',
      '  <...>-7329  [000]  1915.246562: print:                tracing_mark_write: ',
      null,
    ],
    [
      'of trace-cmd, with flags',
      '  <...>-7329  [000] ...1.  1915.246562: print:  tracing_mark_write: ',
      null,
    ],
    ['without symbols', '  <...>-7329  [000]  1915.246562: print:   0xffffffff8120e1c5s: ', null],
    ['of report -R', '  <...>-7329  [000]  1915.246562: print:   ip=tracing_mark_write buf=', null],
    [
      'of report --ts-diff',
      '  <...>-7329  [000]  1915.246562: (+693) print:  tracing_mark_write: ',
      null,
    ],
    [
      'behind the name of a file',
      'a.dat:   <...>-7329  [000]  1915.246562: print:  tracing_mark_write: ',
      null,
    ],
  ])('%s', async (_, header, source) => {
    const { events, foreignLines } = await ftrace(`${header}${MAP}\n${header}${MAP}\r\n`);
    const event = { name: 'vfio_iommu_map_notify', args, thread: 7329, source };
    const time = '1915.246562000';
    expect(events).toMatchObject([
      { ...event, time },
      { ...event, time },
    ]);
    expect(foreignLines).toBe(0);
  });

  it('has nanoseconds, or a counter that is no time', async () => {
    const { events } = await ftrace(
      ['1915.246562871', '1915246562871'].map((at) => `a-7 [0] ${at}: print: ${MAP}\n`).join(''),
    );
    expect(events.map(({ time }) => time)).toEqual(['1915.246562871', null]);
  });

  it('of another event of the kernel is foreign', async () => {
    const { events, foreignLines } = await ftrace(
      ' <...>-7 [000] d..2. 1.000000: sched_switch: prev_comm=a prev_pid=7 ==> next_comm=b\n',
    );
    expect([events, foreignLines]).toEqual([[], 1]);
  });

  it('with a damaged header is a loss', async () => {
    const { events } = await ftrace(`   <...>-7329 [000 ...1. 1.000000: print: ${MAP}\n`);
    expect(events).toMatchObject([{ name: 'trace:loss' }]);
  });

  it('on to which another is glued is a loss', async () => {
    const header = '<...>-7329 [000] 1.000000: print: ';
    const { events } = await ftrace(`${header}vtd_inv_qi_fetch ${header}${MAP}\n${header}${MAP}\n`);
    expect(events.map(({ name }) => name)).toEqual(['trace:loss', 'vfio_iommu_map_notify']);
  });

  it('cut by the end of the trace is a loss', async () => {
    const line = `  <...>-7329 [000] 1.000000: print:   tracing_mark_write: ${MAP}`;
    for (let length = 1; length <= line.length; length += 1) {
      const { events } = await ftrace(line.slice(0, length));
      expect(
        events.map(({ name }) => name),
        String(length),
      ).toEqual(['trace:loss']);
    }
    expect((await ftrace(line)).events).toMatchObject([{ time: '1.000000000', thread: 7329 }]);
  });
});

describe('what is lost', () => {
  it.each([
    ['CPU:0 [LOST 8166 EVENTS]', 'dropped', '0x1fe6'],
    ['CPU:1 [8166 EVENTS DROPPED]', 'dropped', '0x1fe6'],
    ['CPU:1 [LOST EVENTS]', 'dropped', '0x1'],
    ['CPU:1 [EVENTS DROPPED]', 'dropped', '0x1'],
    ['# entries-in-buffer/entries-written: 3195/11361   #P:2', 'overwritten', '0x1fe6'],
  ])('is told by %s', async (line, _, count) => {
    const { events } = await ftrace(`${line}\n`);
    expect(events).toMatchObject([{ name: 'trace:loss', args: { count, detail: line } }]);
  });

  it('is nothing where all that was written is there', async () => {
    const { events } = await ftrace('# entries-in-buffer/entries-written: 12367/12367   #P:2\n');
    expect(events).toEqual([]);
  });

  it.each(['ftrace-trace_pipe-lost.txt.gz', 'ftrace-10.2.2-lost.trace-cmd-report.txt.gz'])(
    'is found in %s',
    async (name) => {
      const { events } = await decode('ftrace', sample(name));
      const [first, ...others] = events;
      expect(first).toMatchObject({ name: 'trace:loss', args: { count: '0x1fe6' } });
      expect(others).toHaveLength(2557);
      expect(others.every((event) => event.name !== 'trace:loss')).toBe(true);
    },
  );
});
