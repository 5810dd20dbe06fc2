import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { declaredEvents } from '../../../../src/decoding/declared-events.ts';
import { simple, simpleHeaderless } from '../../../../src/decoding/records/simple/index.ts';
import type { EventBatch } from '../../../../src/events/batch.ts';
import { analyze } from '../../../helpers/analyze.ts';
import { decode, decodedOf } from '../../../helpers/decoded.ts';
import { sample } from '../../../helpers/samples.ts';
import { type SimpleArgument, simpleBytes } from '../../../helpers/simple-trace.ts';

const little = simpleBytes();
const { event, header, mapping } = little;
const DROPPED = 0xffff_ffff_ffff_fffen;
const WALK = [2, 0x1000n, 0x5000n, 0xfffn, 3];

/** A trace of events with these arguments, all of one name. */
function traceOf(name: string, ...all: readonly (readonly SimpleArgument[])[]): Buffer {
  return Buffer.concat([header(), mapping(7, name), ...all.map((args) => event(7, args))]);
}

async function inChunks(bytes: Uint8Array, size: number, list: string | null = null) {
  const batches: EventBatch[] = [];
  const events = list === null ? null : declaredEvents(list);
  const decoder = await simple.open((batch) => batches.push(batch), events);
  for (let at = 0; at < bytes.length; at += size) await decoder.push(bytes.subarray(at, at + size));
  await decoder.end();
  return { ...decodedOf(batches), batches };
}

const lossesOf = ({ events }: Awaited<ReturnType<typeof decode>>) =>
  events.filter(({ name }) => name === 'trace:loss').map(({ args }) => args);

describe('arguments', () => {
  it.each(['little', 'big'] as const)('are read in %s-endian order', async (order) => {
    const make = simpleBytes(order);
    const bytes = Buffer.concat([
      make.header(),
      make.mapping(3, 'vfio_iommu_map_notify'),
      make.mapping(1, 'vtd_page_walk_one'),
      make.event(3, ['MAP', 0x1000n, 0xffff_ffff_ffff_ffffn], 1_795_332_947_862_113_001n),
      make.event(1, [2, 0x1000n, 0x5000n, 0xfffn, -1], 999_999_999n),
    ]);
    expect(await decode('simple', bytes)).toMatchObject({
      events: [
        {
          name: 'vfio_iommu_map_notify',
          args: { op: 1, start: '0x1000', end: '0xffffffffffffffff' },
          line: 1,
          byteOffset: 24 + 20 + 21 + 20 + 17,
          time: '1795332947.862113001',
        },
        {
          name: 'vtd_page_walk_one',
          args: { domain: 2, iova: '0x1000', gpa: '0x5000', mask: '0xfff', perm: -1 },
          line: 2,
          time: '0.999999999',
        },
      ],
      lines: 2,
    });
  });

  it.each<[string, readonly SimpleArgument[], Record<string, unknown>]>([
    ['vtd_reset_exit', [], {}],
    ['vfio_listener_region_add_iommu', [0n, 0xfffn], { name: '', start: '0x0', end: '0xfff' }],
    [
      'vfio_listener_region_add_iommu',
      ['vtd-05.0-dmar', 0n, 0xfffn],
      { name: 'vtd-05.0-dmar', start: '0x0', end: '0xfff' },
    ],
    ['vfio_save_setup', ['0000:01:00.0', 0x10000], { name: '0000:01:00.0' }],
    ['vfio_save_setup', ['0000:01:00.0'], { name: '0000:01:00.0' }],
    ['vfio_vmstate_change', ['dev', -1, 'running', 'stop'], { name: 'dev', running: -1 }],
    ['migrate_set_state', ['pre-switchover'], { state: 'pre-switchover' }],
    // Five numbers in both: what else the build has tells which.
    ['vfio_get_dirty_bitmap', [12, 0x1000, 0x2000, 8, 0x3000], { iova: '0x1000', old: 1 }],
    [
      'vfio_container_query_dirty_bitmap',
      [0x1000, 0x2000, 0, 8, 0x3000, 1],
      { iova: '0x1000', flagged: 1 },
    ],
  ])('of %s are read (%#)', async (name, args, expected) => {
    const { events } = await decode('simple', traceOf(name, args));
    expect(events).toMatchObject([{ name, args: expected }]);
  });

  it('of a query are those of QEMU 10 where the build has an event of that time', async () => {
    const bytes = Buffer.concat([
      header(),
      mapping(1, 'vfio_get_dirty_bitmap'),
      mapping(2, 'migrate_error'),
      event(1, [0x1000, 0x2000, 8, 0x3000, 0]),
    ]);
    const { events } = await decode('simple', bytes);
    expect(events).toMatchObject([{ args: { iova: '0x1000', ram: '0x3000', old: 0 } }]);
  });

  it('of an error are read for the message in them', async () => {
    const text = 'vfio_container_dma_unmap(0x55, 0x1000, 0x2000) = -7 (Argument list too long)';
    const { events } = await decode('simple', traceOf('migrate_error', [text]));
    expect(events.map(({ name }) => name)).toEqual(['migrate_error', 'message:dma-unmap-failed']);
  });

  it.each<[string, readonly SimpleArgument[]]>([
    ['vtd_page_walk_one', [2, 0x1000n]],
    ['vtd_page_walk_one', [...WALK, 1]],
    ['vtd_page_walk_one', [0x1_0000_0002n, 0x1000n, 0x5000n, 0xfffn, 3]],
    ['vfio_iommu_map_notify', ['mip', 0, 0]],
    ['vfio_iommu_map_notify', [1, 0, 0]],
    ['migrate_set_state', ['Not A State']],
    ['vfio_save_cleanup', ['x'.repeat(513)]],
  ])('of %s that fit no version are a loss (%#)', async (name, args) => {
    const decoded = await decode('simple', traceOf(name, args, args));
    expect(lossesOf(decoded)).toMatchObject([
      { detail: `${name} has arguments of no known version` },
      { detail: `${name} has arguments of no known version` },
    ]);
  });
});

describe('a list of the build says', () => {
  const walk =
    'vtd_page_walk_one(uint16_t d, uint64_t i, uint64_t g, uint64_t m, int p) "domain 0x%"PRIx16" iova 0x%"PRIx64" -> gpa 0x%"PRIx64" mask 0x%"PRIx64" perm %d"\n';

  it('which of two forms an event has', async () => {
    const old =
      'vfio_get_dirty_bitmap(int fd, uint64_t iova, uint64_t size, uint64_t bitmap_size, uint64_t start) "container fd=%d, iova=0x%"PRIx64" size= 0x%"PRIx64" bitmap_size=0x%"PRIx64" start=0x%"PRIx64\n';
    const bytes = Buffer.concat([
      header(),
      mapping(2, 'migrate_error'),
      mapping(1, 'vfio_get_dirty_bitmap'),
      event(1, [12, 0x1000, 0x2000, 8, 0x3000]),
    ]);
    // The names alone would say that it is the newer one.
    expect((await inChunks(bytes, 64)).events).toMatchObject([{ args: { iova: '0xc' } }]);
    const { events } = await inChunks(bytes, 64, old);
    expect(events).toMatchObject([{ args: { iova: '0x1000', old: 1 } }]);
  });

  it('that it is of another build', async () => {
    const bytes = traceOf('vtd_page_walk_one', WALK);
    expect((await inChunks(bytes, 64, walk)).events).toMatchObject([{ args: { iova: '0x1000' } }]);
    const other = walk.replace(', int p', '').replace(' perm %d', '');
    expect(lossesOf(await inChunks(bytes, 64, other))).toMatchObject([
      {
        detail:
          'vtd_page_walk_one has 40 bytes, and 32 by --trace-events-all: it is of another build',
      },
    ]);
  });

  it('the names of records without a header, which are positions', async () => {
    const list = `# first\nqcow2_writev(void) ""\n\ndisable some_event(int a) "%d"\n${walk}`;
    for (const order of ['little', 'big'] as const) {
      const make = simpleBytes(order);
      const bytes = Buffer.concat([make.event(2, WALK), make.event(0, []), make.event(9, [])]);
      expect(simpleHeaderless.recognises(bytes)).toBe(true);
      const batches: EventBatch[] = [];
      const decoder = await simpleHeaderless.open(
        (batch) => batches.push(batch),
        declaredEvents(list),
      );
      await decoder.push(bytes);
      await decoder.end();
      const decoded = decodedOf(batches);
      expect(decoded.skipped).toEqual({ qcow2_writev: 1 });
      expect(decoded.events).toMatchObject([
        { name: 'vtd_page_walk_one', args: { gpa: '0x5000' } },
        { name: 'trace:loss', args: { detail: 'an event without a name, number 9' } },
      ]);
    }
  });
});

describe('records', () => {
  it('map names anywhere, and only then events have them', async () => {
    const bytes = Buffer.concat([
      header(),
      event(5, WALK),
      mapping(5, 'vtd_page_walk_one'),
      event(5, WALK),
      mapping(6, 'vtd_inv_qi_fetch'),
      event(6, []),
      event(6, []),
    ]);
    const decoded = await decode('simple', bytes);
    expect(decoded.events.map(({ name, line }) => [name, line])).toEqual([
      ['trace:loss', 1],
      ['vtd_page_walk_one', 2],
    ]);
    expect(decoded.skipped).toEqual({ vtd_inv_qi_fetch: 2 });
    expect(decoded.lines).toBe(4);
  });

  it('of dropped events are a loss of known count and unknown place', async () => {
    const bytes = Buffer.concat([traceOf('vtd_page_walk_one', WALK), event(DROPPED, [7012])]);
    expect(lossesOf(await decode('simple', bytes))).toMatchObject([
      { kind: 0, count: '0x1b64', isBefore: 1 },
    ]);
    const broken = Buffer.concat([header(), event(DROPPED, [])]);
    expect(lossesOf(await decode('simple', broken))).toMatchObject([{ isBefore: 0 }]);
  });

  it('are quoted as a log would print them', async () => {
    const bytes = Buffer.concat([
      traceOf('vtd_page_walk_one', WALK),
      mapping(8, 'vtd_as_unmap_whole'),
      event(8, [0, 5, 0, 0, 0x8000000000n]),
      mapping(9, 'some_event'),
      event(9, [1]),
    ]);
    const { batches } = await inChunks(
      bytes,
      bytes.length,
      'some_event(int a) "value %d of 0x%02x"',
    );
    expect([0, 1, 2].map((index) => batches[0]?.records?.print(index))).toEqual([
      'vtd_page_walk_one domain 0x2 iova 0x1000 -> gpa 0x5000 mask 0xfff perm 3',
      'vtd_as_unmap_whole Device 00:05.0 start 0x0 size 0x8000000000',
      'some_event value 1 of 0x',
    ]);
  });
});

describe('damage', () => {
  const whole = traceOf('vtd_page_walk_one', WALK, WALK, WALK);
  const start = 24 + 20 + 17;
  const RECORD = 72;

  it('by a cut is a loss, but where a record ends', async () => {
    for (let end = 24; end <= whole.length; end += 1) {
      const decoded = await inChunks(whole.subarray(0, end), 1000);
      const isWhole = end === 24 || (end >= start && (end - start) % RECORD === 0);
      expect(lossesOf(decoded)).toHaveLength(isWhole ? 0 : 1);
      expect(decoded.events.filter(({ name }) => name === 'vtd_page_walk_one')).toHaveLength(
        Math.max(0, Math.floor((end - start) / RECORD)),
      );
    }
  });

  it.each([
    ['an event of no length', 8 + 16, 0, 'a record of 0 bytes, expected 24 to 6216'],
    ['a longer one than there is', 8 + 16, 0xffff_ffff, 'a record of 4294967295 bytes'],
    ['another type', 0, 2, 'a record of no known type'],
  ])('by %s ends what is read, with its offset', async (_, at, value, what) => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32LE(value, start + RECORD + at);
    const decoded = await inChunks(bytes, 50);
    expect(decoded.events.map(({ name }) => name)).toEqual(['vtd_page_walk_one', 'trace:loss']);
    expect(lossesOf(decoded)).toMatchObject([
      { detail: expect.stringContaining(`damaged at byte ${start + RECORD}: ${what}`) },
    ]);
    expect(decoded.batches.reduce((sum, { byteLength }) => sum + byteLength, 0)).toBe(bytes.length);
  });

  it('by a name that is too long, or too many of them, ends it, too', async () => {
    const long = Buffer.concat([header(), mapping(1, 'x'.repeat(4097)), event(1, [])]);
    expect(lossesOf(await decode('simple', long))).toMatchObject([
      { detail: 'damaged at byte 24: a name of 4097 bytes, expected 4096 at most' },
    ]);
    const names = Array.from({ length: 1100 }, (_, id) => mapping(id, 'x'.repeat(4096)));
    expect(lossesOf(await decode('simple', Buffer.concat([header(), ...names])))).toMatchObject([
      { detail: expect.stringContaining('more names of events than any QEMU has') },
    ]);
  });

  it('of any kind throws nothing, and what is read does not depend on how it comes', async () => {
    const base = sample('all-10.2.2.simple.bin.gz').subarray(0, 24 + 3000);
    const made = Buffer.concat([base.subarray(0, 24), whole.subarray(24), base.subarray(24)]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(made.length - 25), fc.nat(255)), { maxLength: 8 }),
        fc.integer({ min: 1, max: 400 }),
        async (changes, size) => {
          const bytes = Buffer.from(made);
          for (const [at, value] of changes) bytes[24 + at] = value;
          const { batches: _, ...pieces } = await inChunks(bytes, size);
          const { batches: __, ...all } = await inChunks(bytes, bytes.length);
          expect(pieces).toEqual(all);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a real trace', () => {
  it.each([1, 7, 4096])('is the same in chunks of %d bytes', async (size) => {
    // Behind the names, which are most of it, some thousand events.
    const bytes = sample('all-10.2.2.simple.bin.gz').subarray(0, size < 4096 ? 235_000 : undefined);
    const { batches: _, ...pieces } = await inChunks(bytes, size);
    const { batches: __, ...all } = await inChunks(bytes, bytes.length);
    expect(pieces.events.length).toBeGreaterThan(100);
    expect(pieces).toEqual(all);
  });

  it('of which events were dropped is not clean', async () => {
    async function* stdin() {
      yield sample('simple-10.2.2-dropped.bin.gz');
    }
    const { trace } = await analyze('-', {}, { stdin: stdin() });
    expect(trace).toMatchObject({
      format: 'simple',
      verdict: 'inconclusive',
      losses: [{ kind: 'dropped', count: 7012, line: 9457 }],
    });
  });
});
