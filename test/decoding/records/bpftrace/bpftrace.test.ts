import { describe, expect, it } from 'vitest';
import { decode, traceEvents } from '../../../helpers/decoded.ts';
import { sample } from '../../../helpers/samples.ts';

const bpftrace = (text: string) => decode('bpftrace', text);
const json = (...objects: readonly unknown[]) =>
  decode('bpftrace-json', objects.map((object) => `${JSON.stringify(object)}\n`).join(''));

const WALK = '1980224305735 10488 vtd_page_walk_one';
const walk = {
  name: 'vtd_page_walk_one',
  args: { domain: 2, iova: '0xffff4000', gpa: '0x3f4000', mask: '0xfff', perm: 3 },
  time: '1980.224305735',
  thread: 10488,
};

describe('a line of a script', () => {
  it.each([
    ['by the names of QEMU', 'domain=0x2 iova=0xffff4000 gpa=0x3f4000 mask=0xfff perm=3'],
    ['in another order', 'perm=3 mask=4095 gpa=0x3f4000 iova=0xffff4000 domain=2'],
    ['by numbers', 'arg0=0x2 arg1=0xffff4000 arg2=0x3f4000 arg3=0xfff arg4=3'],
    ["in QEMU's own text", 'domain 0x2 iova 0xffff4000 -> gpa 0x3f4000 mask 0xfff perm 3'],
  ])('has its arguments %s', async (_, args) => {
    const { events, foreignLines } = await bpftrace(`Attaching 1 probe...\n${WALK} ${args}\r\n\n`);
    expect(events).toMatchObject([{ ...walk, line: 2 }]);
    expect(foreignLines).toBe(1);
  });

  it('may have other names for them, texts, or none', async () => {
    const { events, skipped } = await bpftrace(
      [
        '1 7 vfio_iommu_map_notify op=UNMAP iova_start=0x0 iova_end=0xfff',
        '1 7 vtd_reset_exit',
        '1 7 vtd_inv_qi_head head=3',
        '1 7 vtd_replay_ce_valid mode=legacy mode bus=0 slot=0x10 fn=0 domain=3 hi=0x302 lo=0x1',
        '1 7 iommufd_backend_unmap_dma  iommufd=12 ioas=2 iova=0x0 size=0x1000 (0)',
        '',
      ].join('\n'),
    );
    expect(events).toMatchObject([
      { args: { op: 0, start: '0x0', end: '0xfff' }, time: '0.000000001' },
      { name: 'vtd_reset_exit' },
      { args: { mode: 'legacy mode', slot: 16, lo: '0x1' } },
      { args: { ioas: 2, size: '0x1000', result: 0 } },
    ]);
    expect(skipped).toEqual({ vtd_inv_qi_head: 1 });
  });

  it.each([
    ['lacks an argument', `${WALK} domain=0x2 iova=0xffff4000 gpa=0x3f4000 mask=0xfff`],
    ['has a text for a number', `${WALK} domain=0x2 iova=x gpa=0x3f4000 mask=0xfff perm=3`],
    ['has a damaged front', '198022430x735 10488 vtd_page_walk_one domain=0x2'],
    [
      'has no operation',
      '1 7 vfio_iommu_map_notify op=94262901711923 iova_start=0x0 iova_end=0xfff',
    ],
  ])('is a loss where it %s', async (_, line) => {
    expect((await bpftrace(`${line}\n`)).events).toMatchObject([{ name: 'trace:loss' }]);
  });

  it('is a loss where its end is missing', async () => {
    const { events } = await bpftrace(
      `${WALK} domain=0x2 iova=0xffff4000 gpa=0x3f4000 mask=0xfff perm=3`,
    );
    expect(events).toMatchObject([{ name: 'trace:loss' }]);
  });

  it.each(['Lost 12 events', 'WARNING: Lost 12 events'])('tells what is lost: %s', async (line) => {
    expect((await bpftrace(`${line}\n`)).events).toMatchObject([
      { name: 'trace:loss', args: { kind: 0, count: '0xc' } },
    ]);
  });
});

describe('JSON of bpftrace', () => {
  const data = `${WALK} domain=0x2 iova=0xffff4000 gpa=0x3f4000 mask=0xfff perm=3\n`;

  it('has lines in its objects', async () => {
    const { events, foreignLines } = await json(
      { type: 'attached_probes', data: { probes: 1 } },
      { type: 'printf', data },
      { type: 'printf', data: data + data },
    );
    expect(events).toMatchObject([
      { ...walk, line: 2 },
      { ...walk, line: 3 },
      { ...walk, line: 3 },
    ]);
    expect(foreignLines).toBe(1);
  });

  it('tells what is lost', async () => {
    const { events } = await json(
      { type: 'lost_events', data: { events: 12 } },
      { type: 'lost_events' },
    );
    expect(events.map(({ args: { count } }) => count)).toEqual(['0xc', '0x1']);
  });

  it('is a loss where it is damaged', async () => {
    const { events } = await decode('bpftrace-json', `{"type":"printf","data":"${WALK}\n{}\n`);
    expect(events).toMatchObject([{ name: 'trace:loss', line: 1 }]);
  });
});

it.each([
  ['bpftrace', 'usdt-10.2.2.bpftrace.txt.gz'],
  ['bpftrace-json', 'usdt-10.2.2.bpftrace.ndjson.gz'],
])('%s reads what it recorded of a run like that of the log', async (format, name) => {
  const decoded = await decode(format, sample(name));
  const log = traceEvents(await decode('qemu-log', sample('all-10.2.2.log.gz')));
  expect(traceEvents(decoded)).toEqual(log.filter(([event]) => event === 'vtd_page_walk_one'));
  expect(decoded.foreignLines).toBe(1);
});
