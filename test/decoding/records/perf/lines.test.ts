import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { newPerfDecoder, PerfLines } from '../../../../src/decoding/records/perf/lines.ts';
import { BatchWriter } from '../../../../src/events/writer.ts';
import { decode, traceEvents } from '../../../helpers/decoded.ts';
import { FormedKernels } from '../../../helpers/kernels.ts';
import { sample } from '../../../helpers/samples.ts';

const perf = (text: string) => decode('perf-script', text);

const line = (event: string, time = '1965.996801') =>
  ` qemu-system-x86  9951 [001]  ${time}:   sdt_qemu:${event}\n`;
const DEVICE = 'vtd_inv_desc_cc_device: (55bb4a61c9ba) arg1=255 arg2=31 arg3=7';
const device = { name: 'vtd_inv_desc_cc_device', args: { bus: 255, slot: 31, fn: 7 } };

const walk = (page: number, permissions: number) =>
  line(
    `vtd_page_walk_one: (55bb) arg1=2 arg2=${page * 4096} arg3=4145152 arg4=4095 arg5=${permissions}`,
  );
const notify = (address: number, page: number, pages = 1) =>
  line(
    `vfio_iommu_map_notify: (55bb) arg1=${address} arg2=${page * 4096} arg3=${(page + pages) * 4096 - 1}`,
  );
const whole = (pages: number) =>
  line(`vtd_as_unmap_whole: (55bb) arg1=0 arg2=5 arg3=0 arg4=0 arg5=${pages * 4096}`);

/** The operations of the notifications; `null` for one that is lost. */
async function operations(...lines: readonly string[]) {
  const { events } = await perf(lines.join(''));
  return events
    .filter(({ name }) => name === 'vfio_iommu_map_notify' || name === 'trace:loss')
    .map(({ name, args: { op } }) => (name === 'trace:loss' ? null : op === 1 ? 'MAP' : 'UNMAP'));
}

describe('an event', () => {
  it.each([
    ['as it comes', ' qemu-system-x86  9951 [001]  1965.996801: sdt_qemu', '1965.996801000', null],
    ['with --ns', ' qemu-system-x86  9951 [001]  1965.996801871: sdt_qemu', '1965.996801871', null],
    [
      'with the process',
      ' CPU 0/KVM 9940/9951  [001]  1965.996801: sdt_qemu',
      '1965.996801000',
      'process 9940',
    ],
    ['with a period', ' CPU 12 9951 [001]  1965.996801:   1 sdt_qemu', '1965.996801000', null],
    ['without a CPU', ' qemu 9951  1965.996801: probe_qemu', '1965.996801000', null],
    ['without a time', ' qemu 9951 [001] sdt_qemu', null, null],
  ])('%s', async (_, front, time, source) => {
    const { events, foreignLines } = await perf(`${front}:${DEVICE}\r\n`);
    expect(events).toMatchObject([{ ...device, thread: 9951, time, source }]);
    expect(foreignLines).toBe(0);
  });

  it('of a probe in several places is the same event', async () => {
    const { events } = await perf(line(DEVICE.replace(':', '_12:')));
    expect(events).toMatchObject([device]);
  });

  it('that is not needed, or lacks its text, is counted', async () => {
    const { events, skipped } = await perf(
      line('vtd_inv_qi_head: (55bb) arg1=3') +
        line('migrate_set_state: (55bb) arg1=94262901711923'),
    );
    expect(events).toEqual([]);
    expect(skipped).toEqual({ vtd_inv_qi_head: 1, migrate_set_state: 1 });
  });

  it('may have texts, where the probe asks for them', async () => {
    const { events } = await perf(
      line('migrate_set_state: (55bb) arg1="active"') +
        line('vfio_iommu_map_notify: (55bb) arg1="UNMAP" arg2=0 arg3=4095'),
    );
    expect(events).toMatchObject([
      { args: { state: 'active' } },
      { args: { op: 0, end: '0xfff' } },
    ]);
  });

  it('with another number of arguments, in another order, or cut is a loss', async () => {
    for (const event of [
      DEVICE.replace(' arg3=7', ''),
      `${DEVICE} arg4=1`,
      DEVICE.replace('arg2', 'arg4'),
      DEVICE.slice(0, -2),
      DEVICE.replace('=31', '=3x'),
    ]) {
      expect((await perf(line(event))).events, event).toMatchObject([{ name: 'trace:loss' }]);
    }
    expect((await perf(line(DEVICE).trimEnd())).events).toMatchObject([{ name: 'trace:loss' }]);
  });

  it('is among lines of others, and of lost ones', async () => {
    const { events, foreignLines } = await perf(
      `\tffffffff8120e1c5 do_syscall_64 ([kernel.kallsyms])\n\n qemu 9951 [001] 1.000000: sched:sched_switch: a\n qemu 9951 [001] 1.000000: PERF_RECORD_LOST lost 123\nProcessed 30 events and lost 12 chunks!\n`,
    );
    expect(events.map(({ name, args: { count } }) => [name, count])).toEqual([
      ['trace:loss', '0x7b'],
      ['trace:loss', '0xc'],
    ]);
    expect(foreignLines).toBe(2);
  });
});

describe('MAP and UNMAP', () => {
  it('are told by the walk before, and the address stays what it is', async () => {
    expect(
      await operations(
        walk(1, 3),
        notify(77, 1),
        notify(77, 9),
        walk(2, 0),
        notify(75, 2),
        notify(75, 9),
      ),
    ).toEqual(['MAP', 'MAP', 'UNMAP', 'UNMAP']);
  });

  it('are told by the other one', async () => {
    expect(await operations(walk(1, 3), notify(77, 1), notify(75, 9))).toEqual(['MAP', 'UNMAP']);
    expect(
      await operations(whole(64), notify(75, 0, 32), notify(75, 32, 32), notify(77, 9)),
    ).toEqual(['UNMAP', 'UNMAP', 'MAP']);
  });

  it('are lost until a line tells', async () => {
    expect(await operations(notify(77, 1), walk(1, 3), notify(77, 1))).toEqual([null, 'MAP']);
    expect(await operations(walk(1, 3), notify(77, 2))).toEqual([null]);
    expect(await operations(whole(16), notify(75, 0, 32))).toEqual([null]);
  });

  it('are not told by a line of another thread, or with another between them', async () => {
    const other = walk(1, 3).replace('9951', '9952');
    expect(await operations(other, notify(77, 1))).toEqual([null]);
    expect(
      await operations(walk(1, 3), line(DEVICE), notify(77, 1)).then((all) => all.at(-1)),
    ).toBeNull();
  });

  it('are lost where lines contradict each other, or there are more than two', async () => {
    expect(
      await operations(walk(1, 3), notify(77, 1), walk(2, 0), notify(77, 2), notify(77, 3)),
    ).toEqual(['MAP', null, null]);
    expect(
      await operations(walk(1, 3), notify(77, 1), notify(75, 2), notify(70, 3), notify(77, 4)),
    ).toEqual(['MAP', 'UNMAP', null, null]);
  });

  it('are those of each process', async () => {
    const of = (text: string, process: number) => text.replace('9951', `${process}/${process}`);
    expect(
      await operations(
        of(walk(1, 3), 10),
        of(notify(77, 1), 10),
        of(whole(8), 20),
        of(notify(77, 0, 8), 20),
      ),
    ).toEqual(['MAP', 'UNMAP']);
  });
});

const head = (at: number) => line(`vtd_inv_qi_head: (55bb) arg1=${at}`);

/** Lines of two threads, of one process, two or none; with addresses that mostly keep what they stand for. */
const pages = fc.nat(3);
const anEvent = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(pages, fc.constantFrom(0, 3, 3)).map((of) => walk(...of)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(pages, fc.constantFrom(0, 3, 3))
      .map(([page, perm]) => walk(page, perm) + notify(perm === 0 ? 75 : 77, page)),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(75, 77), pages).map((of) => notify(...of)) },
  { weight: 1, arbitrary: fc.nat(4).map((all) => whole(all) + notify(75, 0, all)) },
  { weight: 1, arbitrary: fc.constant(line(DEVICE)) },
  { weight: 1, arbitrary: fc.nat(9).map(head) },
  { weight: 1, arbitrary: fc.nat(9).map((id) => line(`vfio_user_recv: (55bb) arg1=${id}`)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      notify(70, 1),
      line('vfio_iommu_map_notify: (55bb) arg1="MAP" arg2=4096 arg3=8191'),
      line('migrate_set_state: (55bb) arg1=94262901711923'),
      ' qemu 9951 [001] 1.000000: PERF_RECORD_LOST lost 123\n',
      'a line of another program\n',
    ),
  },
);
const someLines = fc.array(
  fc.tuple(
    anEvent,
    fc.constantFrom('  9951', '  9951', '  9952', ' 9/9951', ' 8/9951', '     0'),
    fc.constantFrom('001', '017'),
    fc.nat(999_999),
  ),
  { minLength: 1, maxLength: 60, size: 'max' },
);

describe('lines of which the first of each form was read', () => {
  it('are what they are when each is read', () => {
    let records = 0;
    fc.assert(
      fc.property(someLines, fc.constantFrom('', '\n', ' qemu'), (lines, end) => {
        const text = lines.map(([event, who, cpu, micro]) =>
          event
            .replaceAll('  9951', who)
            .replaceAll('[001]', `[${cpu}]`)
            .replaceAll('996801', String(micro).padStart(6, '0')),
        );
        // Anew, as addresses that contradict each other once do so for ever.
        const kernels = new FormedKernels(() => new PerfLines(), newPerfDecoder());
        const block = Buffer.from(text.join('') + end);
        records += kernels.compare(block);
        records += kernels.compare(block);
      }),
      { numRuns: 150 },
    );
    expect(records).toBeGreaterThan(1000);
  });

  it.each([
    ['counted last', [walk(1, 3), head(2)]],
    ['counted before', [head(2), walk(1, 3)]],
    ['that may stand between', [walk(1, 3), line('vfio_user_recv: (55bb) arg1=1')]],
  ])('tell of the next block: %s', (_, last) => {
    const kernels = new FormedKernels(() => new PerfLines(), newPerfDecoder());
    const first = [walk(2, 3), head(1), line('vfio_user_recv: (55bb) arg1=0'), ...last];
    kernels.compare(Buffer.from(first.join('')));
    kernels.compare(Buffer.from(notify(77, 1)));
  });

  it('are all read by the kernel, but for the first of each', () => {
    const lines = Array.from({ length: 1000 }, (_, page) => walk(page, 3) + notify(77, page));
    const block = Buffer.from(lines.join(''));
    let read = 0;
    const { line: readLine } = PerfLines.prototype;
    PerfLines.prototype.line = function (...of) {
      read += 1;
      readLine.apply(this, of);
    };
    const writer = new BatchWriter();
    expect(newPerfDecoder()(block, writer)).toBe(2000);
    PerfLines.prototype.line = readLine;
    expect(writer.finish(block, 0, 2000).events).toBe(2000);
    expect(read).toBe(2);
  });
});

it('reads what perf recorded of a run like that of the log', async () => {
  const decoded = await decode('perf-script', sample('usdt-10.2.2.perf-script.head4000.txt.gz'));
  const events = traceEvents(decoded);
  const log = traceEvents(await decode('qemu-log', sample('all-10.2.2.log.gz')));
  // Devices come in an order that differs from process to process.
  const names = ['vtd_page_walk_one', 'vtd_page_walk_level', 'vfio_iommu_map_notify'];
  const walks = (all: typeof events) => all.filter(([name]) => names.includes(name));
  expect(walks(events)).toHaveLength(44);
  expect(walks(events)).toEqual(walks(log).slice(0, 44));
  expect(decoded.events).toHaveLength(events.length);
  expect(decoded.foreignLines).toBe(0);
});
