import { describe, expect, it } from 'vitest';
import { recognise } from '../../../src/decoding/index.ts';
import type { EventBatch } from '../../../src/events/batch.ts';
import { decode, decodedOf } from '../../helpers/decoded.ts';

const cri = (text: string) => decode('cri', text);

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const TIME = '2026-11-22T07:35:47.845867123Z';
const event = { name: 'vfio_iommu_map_notify', args: { op: 1, start: '0x1000', end: '0x1fff' } };

/** A line in parts of the given lengths and the rest. */
function parts(line: string, ...lengths: readonly number[]): string {
  let at = 0;
  const pieces = lengths.map((length) => {
    at += length;
    return `${TIME} stderr P ${line.slice(at - length, at)}\n`;
  });
  return `${pieces.join('')}${TIME} stderr F ${line.slice(at)}\n`;
}

describe('a line', () => {
  it('is whole', async () => {
    const { events, foreignLines } = await cri(
      `${TIME} stderr F ${MAP}\n2026-11-22T08:35:47+01:00 stdout F:tag 7@1.000002:${MAP}\r\n`,
    );
    expect(events).toMatchObject([
      { ...event, time: '1795332947.845867123', thread: null },
      { ...event, time: '1.000002000', thread: 7 },
    ]);
    expect(foreignLines).toBe(0);
  });

  it('is in parts, however they are cut', async () => {
    for (let cut = 0; cut <= MAP.length; cut += 1) {
      const { events, lines } = await cri(parts(MAP, cut));
      expect(events).toMatchObject([{ ...event, line: 2 }]);
      expect(lines).toBe(2);
    }
    expect((await cri(parts(MAP, 3, 0, 20))).events).toMatchObject([{ ...event, line: 4 }]);
  });

  it('is in parts with those of the other stream between them', async () => {
    const [one = '', two = ''] = parts(MAP, 10).split('\n');
    const [three = '', four = ''] = parts(MAP, 20).replaceAll('stderr', 'stdout').split('\n');
    const { events } = await cri([one, three, two, four, ''].join('\n'));
    expect(events).toMatchObject([
      { ...event, line: 3 },
      { ...event, line: 4 },
    ]);
  });

  it('is read the same in whatever chunks it comes', async () => {
    const text = Buffer.from(parts(MAP, 10).repeat(30) + parts('x'.repeat(200_000), 90_000));
    const expected = await cri(text.toString());
    for (const size of [1, 7, 50, 4096]) {
      const format = recognise({ path: 'x', compression: 'none', head: text });
      if (format.kind !== 'stream') throw new Error('it is read in any order');
      const batches: EventBatch[] = [];
      const decoder = await format.open((batch) => batches.push(batch));
      for (let at = 0; at < text.length; at += size) {
        const chunk = Uint8Array.from(text.subarray(at, at + size));
        await decoder.push(chunk);
        chunk.fill(0);
      }
      await decoder.end();
      const { events, lines } = decodedOf(batches);
      const places = events.map(({ name, args, line }) => [name, args, line]);
      expect(places).toEqual(expected.events.map(({ name, args, line }) => [name, args, line]));
      expect(lines).toBe(expected.lines);
      const bytes = batches.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(bytes).toBe(text.length);
    }
  });
});

describe('a loss is', () => {
  it('a text that never ends', async () => {
    const { events } = await cri(`${TIME} stderr F ${MAP}\n${TIME} stderr P vtd_switch_a\n`);
    expect(events).toMatchObject([event, { name: 'trace:loss', args: { detail: 'vtd_switch_a' } }]);
    expect(events.map(({ line }) => line)).toEqual([1, 2]);
  });

  it('a line that is damaged, and the texts that it may have been a part of', async () => {
    const [one = '', two = ''] = parts(MAP, 30).split('\n');
    const { events } = await cri([one, two.replace(' F ', ' G '), two, ''].join('\n'));
    expect(events.slice(0, 2)).toMatchObject([
      { name: 'trace:loss', line: 2 },
      { name: 'trace:loss', line: 2 },
    ]);
    expect(events.filter(({ name }) => name === event.name)).toEqual([]);
  });

  it('a last line without its end', async () => {
    const [one = '', two = ''] = parts(MAP, 30).split('\n');
    expect((await cri(`${one}\n${two}`)).events).toMatchObject([{ name: 'trace:loss' }]);
  });
});
