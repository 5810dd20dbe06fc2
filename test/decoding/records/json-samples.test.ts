import { describe, expect, it } from 'vitest';
import { recognise } from '../../../src/decoding/index.ts';
import { LokiDecoder } from '../../../src/decoding/records/json/loki-decoder.ts';
import type { EventBatch } from '../../../src/events/batch.ts';
import { type Decoded, decode, decodedOf } from '../../helpers/decoded.ts';
import { sample } from '../../helpers/samples.ts';

/** What is the same of an event wherever it stands. */
const told = ({ events }: Pick<Decoded, 'events'>) =>
  events.map(({ args, name, time }) => ({ name, args, time }));

const log = await decode('qemu-log', sample('all-10.2.2.log.gz'));

/** The same lines in what five programs put around them. */
const envelopes = [
  ['handmade-journald.ndjson.gz', 'json-lines'],
  ['handmade-docker-json-file.ndjson.gz', 'json-lines'],
  ['handmade-vector-fluentbit.ndjson.gz', 'json-lines'],
  ['handmade-loki-logcli.ndjson.gz', 'json-lines'],
  ['handmade-loki-query.json.gz', 'loki-answer'],
] as const;

describe.each(envelopes)('%s', (name, format) => {
  const bytes = sample(name);

  it('is recognised, whatever its name', () => {
    expect(recognise({ path: 'x', compression: 'none', head: bytes }).name).toBe(format);
  });

  it('has the events of the log whose lines it holds', async () => {
    const found = await decode(format, bytes);
    const all = told(found).map((event) => JSON.stringify(event));
    expect(all).toHaveLength(119);
    // They are some of its lines, in their order.
    const lines = told(log).map((event) => JSON.stringify(event));
    let at = -1;
    for (const event of all) at = lines.indexOf(event, at + 1);
    expect(at).toBeGreaterThan(117);
    expect(all.every((event) => lines.includes(event))).toBe(true);
  });
});

describe.each([
  ['handmade-events.ndjson.gz', 'json-lines'],
  ['handmade-events-array.json.gz', 'json-array'],
] as const)('%s', (name, format) => {
  it('has the events of the other', async () => {
    const [lines, array] = await Promise.all([
      decode('json-lines', sample('handmade-events.ndjson.gz')),
      decode('json-array', sample('handmade-events-array.json.gz')),
    ]);
    expect(told(lines)).toEqual(told(array));
    expect(recognise({ path: 'x', compression: 'none', head: sample(name) }).name).toBe(format);
  });
});

const MAP = 'vtd_reset_exit ';
const answerOf = (
  ...streams: readonly (readonly [object, readonly (readonly [string, string])[]])[]
) =>
  JSON.stringify({
    status: 'success',
    data: {
      resultType: 'streams',
      result: streams.map(([stream, values]) => ({ stream, values })),
    },
  });
const at = (second: number) => `179533294${second}000000000`;
const line = (mask: number) => `global_dirty_changed bitmask 0x${mask}`;

async function inPieces(bytes: Uint8Array, size: number, mostBytes?: number): Promise<Decoded> {
  const batches: EventBatch[] = [];
  const decoder = new LokiDecoder((batch) => batches.push(batch), mostBytes);
  for (let from = 0; from < bytes.length; from += size) {
    await decoder.push(bytes.subarray(from, from + size));
  }
  decoder.end();
  return decodedOf(batches);
}

describe('the answer of Loki', () => {
  it.each([1, 7, 4096])('is the same in chunks of %i bytes', async (size) => {
    const bytes = sample('handmade-loki-query.json.gz');
    expect(await inPieces(bytes, size)).toEqual(await inPieces(bytes, bytes.length));
  });

  it('is sorted by time, whichever way it came, and equal times as they came', async () => {
    const entries = [1, 2, 2, 3].map((second, index) => [at(second), line(index)] as const);
    for (const values of [entries, [...entries].reverse()]) {
      const { events, lines } = await decode('loki-answer', answerOf([{}, values]));
      expect(events.map(({ args: { mask }, line }) => [mask, line])).toEqual([
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 4],
      ]);
      expect(lines).toBe(4);
    }
  });

  it('has the lines of several streams in one order, and tells apart who wrote them', async () => {
    const answer = answerOf(
      [
        { host: 'a', level: 'info' },
        [
          [at(3), line(3)],
          [at(1), line(1)],
        ],
      ],
      [{ host: 'a', level: 'error' }, [[at(2), line(2)]]],
      [{ host: 'b', level: 'info' }, [[at(0), line(0)]]],
    );
    const { events } = await decode('loki-answer', answer);
    expect(events.map(({ args: { mask }, source }) => [mask, source])).toEqual([
      [0, 'b'],
      [1, 'a'],
      [2, 'a'],
      [3, 'a'],
    ]);
    const one = answerOf([{ host: 'a' }, [[at(1), line(1)]]]);
    expect((await decode('loki-answer', one)).events[0]?.source).toBeNull();
  });

  it('may be kept from its data on, and have more with each line', async () => {
    const values = [[at(1), line(1), { structuredMetadata: { a: 'b' } }]];
    for (const kept of [
      { resultType: 'streams', result: [{ stream: {}, values }] },
      { streams: [{ stream: {}, values }] },
    ]) {
      const text = JSON.stringify(kept);
      expect(recognise({ path: 'x', compression: 'none', head: Buffer.from(text) }).name).toBe(
        'loki-answer',
      );
      expect((await decode('loki-answer', text)).events).toHaveLength(1);
    }
  });

  it('that is cut says so, ahead of what came, as older lines are missing', async () => {
    const bytes = sample('handmade-loki-query.json.gz');
    const whole = (await inPieces(bytes, bytes.length)).events.length;
    for (let cut = 500; cut < bytes.length; cut += 1111) {
      const { events } = await inPieces(bytes.subarray(0, cut), 4096);
      expect(events.filter(({ name }) => name === 'trace:loss')).toHaveLength(1);
      expect(events.length - 1).toBeLessThanOrEqual(whole);
    }
    const backwards = answerOf([
      {},
      [
        [at(3), line(3)],
        [at(2), line(2)],
      ],
    ]).slice(0, -5);
    const { events } = await decode('loki-answer', backwards);
    expect(events.map(({ name }) => name)).toEqual([
      'trace:loss',
      'global_dirty_changed',
      'global_dirty_changed',
    ]);
  });

  it('that is cut behind a brace, or in a string that ends like one, says so', async () => {
    for (const cut of [
      '{"data":{"result":[{"stream":{}',
      `{"data":{"result":[{"stream":{},"values":[["${at(1)}","${line(1)}"],["${at(2)}","}`,
    ]) {
      const { events } = await decode('loki-answer', cut);
      expect(events.filter(({ name }) => name === 'trace:loss')).toHaveLength(1);
    }
  });

  it('with other bytes in it is never silent about what does not parse', async () => {
    const bytes = sample('handmade-loki-query.json.gz');
    for (let at = 100; at < bytes.length; at += 997) {
      const damaged = Buffer.from(bytes);
      damaged[at] = 0x00;
      const { events } = await inPieces(damaged, 4096);
      expect(events.some(({ name }) => name === 'trace:loss')).toBe(true);
    }
  });

  it('of more lines than are held is told to be cut', async () => {
    const values = [3, 2, 1].map((second) => [at(second), line(second)] as const);
    const { events } = await inPieces(Buffer.from(answerOf([{}, values])), 4096, 70);
    expect(events.map(({ args: { mask }, name }) => mask ?? name)).toEqual(['trace:loss', 2, 3]);
  });

  it('without a line of QEMU is none', () => {
    const head = Buffer.from(answerOf([{}, [[at(1), 'somebody else']]]));
    expect(() => recognise({ path: 'x', compression: 'none', head })).toThrow('found JSON');
  });
});

describe('an object of Docker', () => {
  it('may be a part of a line, and what is beyond it is none of QEMU', async () => {
    // 16 KiB; only the last part ends with LF.
    const front = `vfio_user_version  major=0 minor=1 caps: ${'x'.repeat(16_344)}`;
    const logs = [`${MAP}\n`, front, `${'y'.repeat(3000)}\n`, `${MAP}\n`];
    const objects = logs.map((log) => JSON.stringify({ log, stream: 'stderr' }));
    const decoded = await decode('json-lines', `${objects.join('\n')}\n`);
    expect(decoded.events.map(({ name }) => name)).toEqual([
      'vtd_reset_exit',
      'vfio_user_version',
      'vtd_reset_exit',
    ]);
    expect(decoded.foreignLines).toBe(1);
  });
});

describe('an object of a log store', () => {
  it.each([
    [
      'Elasticsearch',
      { _index: 'a', _source: { message: MAP, '@timestamp': '2026-11-22T07:35:47Z' } },
    ],
    ['Splunk', { preview: false, result: { _raw: MAP, _time: '2026-11-22T07:35:47.000+00:00' } }],
    ['Google Cloud', { textPayload: MAP, timestamp: '2026-11-22T07:35:47Z' }],
    ['Fluent Bit', { date: 1795332947.0001, log: MAP }],
  ])('%s holds a line', async (_, object) => {
    const text = JSON.stringify(object);
    const { events } = await decode('json-lines', `${text}\n`);
    expect(events.map(({ name, time }) => [name, time?.slice(0, 10)])).toEqual([
      ['vtd_reset_exit', '1795332947'],
    ]);
  });
});
