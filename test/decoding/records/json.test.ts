import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonArray } from '../../../src/decoding/records/json/array.ts';
import { jsonLines } from '../../../src/decoding/records/json/lines.ts';
import type { EventBatch } from '../../../src/events/batch.ts';
import { u64 } from '../../helpers/arbitraries.ts';
import { decode, decodedOf, traceEvents } from '../../helpers/decoded.ts';
import { bytesOf, captures } from '../../helpers/ground-truth.ts';

const lines = (text: string | Uint8Array) => decode('json-lines', text);
const array = (text: string | Uint8Array) => decode('json-array', text);

/** An event as text, with `iova` as it stands there. */
const walk = (iova: string, more = '') =>
  `{"event":"vtd_page_walk_one","timestamp":1795332947862113001,"tid":7329,"args":{"domain":"0x2","iova":${iova},"gpa":"0x3f4000","mask":"0xfff","perm":3}${more}}`;
const read = (iova: string) => ({ domain: 2, iova, gpa: '0x3f4000', mask: '0xfff', perm: 3 });

/** Both containers for the same objects. */
const containers = [
  ['one per line', (objects: readonly string[]) => lines(`${objects.join('\n')}\n`)],
  ['an array', (objects: readonly string[]) => array(`[\n${objects.join(',\n')}\n]\n`)],
] as const;

describe.each(containers)('events, %s', (_, decodeAll) => {
  it.each([
    ['18446744073709551615', '0xffffffffffffffff'],
    ['"18446744073709551615"', '0xffffffffffffffff'],
    ['"0xffffffffffffffff"', '0xffffffffffffffff'],
    ['9007199254740993', '0x20000000000001'],
    ['"0X1000"', '0x1000'],
    ['4096', '0x1000'],
    ['4096.0', '0x1000'],
    ['-0', '0x0'],
    ['"(nil)"', '0x0'],
  ])('have the number %s', async (text, iova) => {
    const { events } = await decodeAll([walk(text)]);
    expect(events).toMatchObject([
      { args: read(iova), thread: 7329, time: '1795332947.862113001' },
    ]);
  });

  it('have any number of 64 bits, in any spelling', async () => {
    const spelt = fc
      .tuple(u64, fc.constantFrom('digits', 'decimal', 'hex'))
      .map(([value, how]) => ({
        value,
        text:
          how === 'digits'
            ? `${value}`
            : how === 'decimal'
              ? `"${value}"`
              : `"0x${value.toString(16)}"`,
      }));
    await fc.assert(
      fc.asyncProperty(fc.array(spelt, { minLength: 1, maxLength: 20 }), async (values) => {
        const { events } = await decodeAll(values.map(({ text }) => walk(text)));
        expect(events.map(({ args }) => args)).toEqual(
          values.map(({ value }) => read(`0x${value.toString(16)}`)),
        );
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    '18446744073709551616',
    '"0x10000000000000000"',
    '-1',
    '"-0x1"',
    '1e19',
    '1.8446744073709552e19',
    '9007199254740992.0',
    '4096.5',
    'null',
    '[]',
    '{}',
    '"0x"',
    '"1000h"',
    '""',
  ])('are a loss with the number %s', async (text) => {
    const { events } = await decodeAll([walk('1'), walk(text), walk('2')]);
    expect(events).toMatchObject([
      { args: read('0x1') },
      { name: 'trace:loss', args: { detail: expect.stringContaining('vtd_page_walk_one: iova') } },
      { args: read('0x2') },
    ]);
  });

  it('take the last of keys that come twice, as parsers of JSON do', async () => {
    const { events } = await decodeAll([
      walk('1', ',"args":{"domain":9,"iova":"0x5000","gpa":0,"mask":0,"perm":1}'),
    ]);
    expect(events[0]?.args).toEqual({
      domain: 9,
      iova: '0x5000',
      gpa: '0x0',
      mask: '0x0',
      perm: 1,
    });
  });

  it('are not read from a prototype, nor counted on one', async () => {
    const { events, skipped } = await decodeAll([
      '{"event":"vtd_page_walk_one","args":{"__proto__":{"domain":1,"iova":1,"gpa":1,"mask":1,"perm":1}}}',
      '{"event":"constructor","args":{}}',
      '{"event":"__proto__","args":{}}',
    ]);
    expect(events.map(({ name }) => name)).toEqual(['trace:loss']);
    expect(Object.entries(skipped).map(([name, count]) => [name, typeof count])).toEqual([
      ['constructor', 'number'],
      ['__proto__', 'number'],
    ]);
  });

  it('have arguments by position, and other names of the fields', async () => {
    const { events } = await decodeAll([
      '{"name":"vtd_page_walk_one","ts":"2026-11-22T07:35:47.862113Z","vtid":"12","fields":["0x2","0xffff4000","0x3f4000","0xfff",3]}',
      '{"event_name":"vfio_iommu_map_notify","t":1795332947.5,"payload":{"op":"unmap","iova_start":"0x1000","iova_end":"0x1fff"}}',
    ]);
    expect(events).toMatchObject([
      { args: read('0xffff4000'), time: '1795332947.862113000', thread: 12 },
      { args: { op: 0, start: '0x1000', end: '0x1fff' }, time: '1795332947.500000000' },
    ]);
  });

  it('have a time by its magnitude', async () => {
    const times = [
      '1795332947862113001',
      '1795332947862113',
      '1795332947862',
      '1795332947',
      '"1795332947.25"',
      'true',
    ];
    const { events } = await decodeAll(
      times.map(
        (time) => `{"event":"global_dirty_changed","time":${time},"args":{"bitmask":"0x1"}}`,
      ),
    );
    expect(events.map(({ time }) => time)).toEqual([
      '1795332947.862113001',
      '1795332947.862113000',
      '1795332947.862000000',
      '1795332947.000000000',
      '1795332947.250000000',
      null,
    ]);
  });

  it('may be lines of a log in objects of other programs', async () => {
    const line =
      '2026-11-22T07:35:47.854214Z vtd_switch_address_space Device 00:05.0 switching address space (iommu enabled=0)';
    const { events } = await decodeAll([
      JSON.stringify({
        MESSAGE: line,
        _PID: '7329',
        SYSLOG_IDENTIFIER: 'qemu-system-x86_64',
        _HOSTNAME: 'host-a',
      }),
      JSON.stringify({
        MESSAGE: [...Buffer.from(line)],
        _PID: '7329',
        SYSLOG_IDENTIFIER: 'qemu-system-x86_64',
        _HOSTNAME: 'host-a',
      }),
      JSON.stringify({ log: `${line}\n`, stream: 'stderr', time: '2026-11-22T07:35:48Z' }),
      JSON.stringify({ name: 'shipper', message: line }),
      JSON.stringify({ event: line, time: 1795332947 }),
      JSON.stringify({ message: 'somebody else', time: 1795332947 }),
    ]);
    expect(events).toHaveLength(5);
    for (const { name, time } of events) {
      expect([name, time]).toEqual(['vtd_switch_address_space', '1795332947.854214000']);
    }
    expect(events.map(({ source }) => source)).toEqual([
      'host-a qemu-system-x86_64[7329]',
      'host-a qemu-system-x86_64[7329]',
      null,
      null,
      null,
    ]);
  });
});

describe('events, one per line', () => {
  it.each([
    ['with LF', ['\n', '\n']],
    ['with CR LF', ['\r\n', '\r\n']],
    ['without an end of the last', ['\n', '']],
    ['with commas', [',\n', ',\n']],
    ['as a text sequence', ['\n\u001e', '\n']],
    ['with NUL', ['\0', '\0']],
    ['behind a byte order mark and blank lines', ['\n\n \n', '\n']],
  ])('%s', async (label, [between = '', last = '']) => {
    const start = label.includes('mark') ? '\ufeff' : '';
    const text = `${start}${walk('1')}${between}${walk('2')}${last}`;
    const { events, foreignLines } = await lines(text);
    expect(events.map(({ args: { iova } }) => iova)).toEqual(['0x1', '0x2']);
    expect(foreignLines).toBe(0);
    expect(jsonLines.recognises(Buffer.from(text))).toBe(true);
  });

  it('are believed where they are whole, and a loss where they are not', async () => {
    const { events } = await lines(`${walk('1')}\n${walk('2').slice(0, 80)}`);
    expect(events.map(({ name, line }) => [name, line])).toEqual([
      ['vtd_page_walk_one', 1],
      ['trace:loss', 2],
    ]);
  });

  it('are a loss where they are nested too deep, and no reason to stop', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const { events } = await lines(`${walk('1', `,"x":${deep}`)}\n${walk('2')}\n`);
    expect(events.map(({ name }) => name)).toEqual(['trace:loss', 'vtd_page_walk_one']);
  });
});

describe('an array', () => {
  const decodeChunks = async (bytes: Buffer, size: number) => {
    const batches: EventBatch[] = [];
    const decoder = await jsonArray.open((batch) => batches.push(batch));
    for (let at = 0; at < bytes.length; at += size)
      await decoder.push(bytes.subarray(at, at + size));
    await decoder.end();
    return decodedOf(batches);
  };

  it.each([1, 7, 64, 4096])('is the same in chunks of %i bytes', async (size) => {
    const texts = [
      `\ufeff [${walk('1')},\n${walk('"0x2"')} , 7, null, "x", [1,2], ${walk('3')}]\n`,
      `[${walk('1')},${walk('2').slice(0, 60)}}, ${walk('3')}, {"a":}, ${walk('4')}]`,
      `[${walk('1')}, ${walk('2')}`,
      `[${walk('1')}] ${walk('2')}`,
      `[${walk('1')}]\n[${walk('2')}]\n`,
      '[]',
    ];
    for (const text of texts) {
      const whole = await array(text);
      expect(await decodeChunks(Buffer.from(text), size), text).toEqual(whole);
    }
  });

  it('that does not end is a loss at its end', async () => {
    const { events } = await array(`[${walk('1')},${walk('2')},${walk('3').slice(0, 80)}`);
    expect(events.map(({ name, args: { detail } }) => [name, detail])).toEqual([
      ['vtd_page_walk_one', undefined],
      ['vtd_page_walk_one', undefined],
      ['trace:loss', 'the array does not end'],
    ]);
  });

  it('loses an element with a fault and reads on', async () => {
    const { events } = await array(`[${walk('1')},{"event":,"args":{}},${walk('2')}]`);
    expect(events.map(({ name }) => name)).toEqual([
      'vtd_page_walk_one',
      'trace:loss',
      'vtd_page_walk_one',
    ]);
  });

  it.each([
    ['nested too deep', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'nested more than'],
    ['too long', `"${'a'.repeat(3_000_000)}"`, 'longer than'],
  ])('is given up behind an element that is %s', async (_, value, detail) => {
    const text = Buffer.from(`[${walk('1')},${walk('2', `,"x":${value}`)},${walk('3')}]\n`);
    const { events, lines: count } = await decodeChunks(text, 65_536);
    expect(events.map(({ name }) => name)).toEqual(['vtd_page_walk_one', 'trace:loss']);
    expect(events[1]?.args).toMatchObject({ detail: expect.stringContaining(detail) });
    expect(count).toBe(1);
  });

  it('may be followed by another, and by nothing else', async () => {
    const twice = await array(`[${walk('1')}]\n[${walk('2')}]\n`);
    expect(twice.events.map(({ args: { iova } }) => iova)).toEqual(['0x1', '0x2']);
    const other = await array(`[${walk('1')}] hello`);
    expect(other.events.map(({ name }) => name)).toEqual(['vtd_page_walk_one', 'trace:loss']);
  });
});

/** Of events that come often, the first ones. */
function few(events: ReturnType<typeof traceEvents>): ReturnType<typeof traceEvents> {
  const counts = new Map<string, number>();
  return events.filter(([name]) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count <= 40;
  });
}

describe('a real log as JSON', () => {
  it.each(captures)('$name reads the same', async ({ log }) => {
    const decoded = await decode('qemu-log', bytesOf(log).subarray(0, 3_000_000));
    const events = few(traceEvents(decoded));
    const objects = events.map(([event, args]) => {
      const { op } = args;
      const word = op === undefined ? {} : { op: op === 0 ? 'UNMAP' : 'MAP' };
      return JSON.stringify({ event, args: { ...args, ...word } });
    });
    expect(traceEvents(await lines(`${objects.join('\n')}\n`))).toEqual(events);
    expect(traceEvents(await array(`[${objects.join(',')}]`))).toEqual(events);
  });
});
