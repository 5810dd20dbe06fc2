import { closeSync, openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LineBlock, LineBlocks } from '../../src/bytes/lines.ts';
import { type ByteRange, rangesOf, readRange, TAIL_BYTES } from '../../src/bytes/ranges.ts';
import { testFolder } from '../helpers/folder.ts';

/** What blocks hold, once it is sure that they follow one another from `start` on. */
function joined(blocks: readonly LineBlock[], start = 0): { bytes: Buffer; end: number } {
  let end = start;
  for (const { byteOffset, byteLength } of blocks) {
    expect(byteOffset).toBe(end);
    end += byteLength;
  }
  return { bytes: Buffer.concat(blocks.map(({ bytes }) => bytes)), end };
}

/** Reads a range of a file that has so many bytes; all, if it is not told. */
async function read(
  path: string,
  range: ByteRange,
  into?: Uint8Array,
  bytes = statSync(path).size,
) {
  const file = openSync(path, 'r');
  try {
    return await readRange({ file, bytes }, range, into);
  } finally {
    closeSync(file);
  }
}

/** Reads a file in ranges that end at `cuts`. */
async function readCut(path: string, size: number, cuts: readonly number[]): Promise<LineBlock[]> {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < size), size])];
  const ranges: ByteRange[] = [];
  for (const end of ends.sort((a, b) => a - b))
    ranges.push({ start: ranges.at(-1)?.end ?? 0, end });
  return (await Promise.all(ranges.map((range) => read(path, range)))).flat();
}

describe('rangesOf', () => {
  it('cuts a file into ranges that follow one another and end with it', () => {
    expect([...rangesOf(10, 4)]).toEqual([
      { start: 0, end: 4 },
      { start: 4, end: 8 },
      { start: 8, end: 10 },
    ]);
    expect([...rangesOf(8, 4)]).toHaveLength(2);
    expect([...rangesOf(0, 4)]).toEqual([]);
  });

  it('begins with small ones where it is told to', () => {
    const lengths = [...rangesOf(40, 12, 2)].map(({ start, end }) => end - start);
    expect(lengths).toEqual([2, 4, 8, 12, 12, 2]);
    expect([...rangesOf(8, 4, 100)]).toEqual([...rangesOf(8, 4)]);
  });
});

describe('readRange', () => {
  it('gives every line to exactly one range, wherever these are cut', async () => {
    const path = join(testFolder(), 'log');
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '\n', '\r'),
      minLength: 1,
      maxLength: 50,
    });
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(50), { maxLength: 12 }), async (text, cuts) => {
        writeFileSync(path, text);
        const { bytes, end } = joined(await readCut(path, text.length, cuts));
        expect(bytes.toString()).toBe(text);
        expect(end).toBe(text.length);
      }),
      { numRuns: 500 },
    );
  });

  it('gives a line to the range in which it begins', async () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, 'one\ntwo\nthree\nfour');
    const textOf = async (start: number, end: number) =>
      (await read(path, { start, end })).map(({ bytes }) => Buffer.from(bytes).toString());
    expect((await textOf(0, 1)).join('')).toBe('one\n');
    expect(await textOf(1, 4)).toEqual([]);
    expect((await textOf(4, 5)).join('')).toBe('two\n');
    expect((await textOf(3, 9)).join('')).toBe('two\nthree\n');
    expect((await textOf(14, 18)).join('')).toBe('four');
    expect(await textOf(15, 18)).toEqual([]);
  });

  it('cuts lines that are too long just as a stream does', async () => {
    const path = join(testFolder(), 'log');
    const lengths = [10, 70_000, 1_500_000, 0, 1_048_576, 1_048_577, 200_000, 3_000_000, 5];
    const whole = Buffer.from(lengths.map((length, n) => `${n}`.repeat(length)).join('\n'));
    writeFileSync(path, whole);
    const lines = new LineBlocks();
    const stream = [...lines.push(whole)];
    const last = lines.end();
    const expected = joined(last === null ? stream : [...stream, last]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 10 }), async (cuts) => {
        const { bytes, end } = joined(await readCut(path, whole.length, cuts));
        expect(bytes.equals(expected.bytes)).toBe(true);
        expect(end).toBe(whole.length);
      }),
      { numRuns: 40 },
    );
  });

  it('stops where a file has become shorter than it was', async () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, 'one\ntwo');
    const blocks = await read(path, { start: 0, end: 1000 }, undefined, 1000);
    expect(joined(blocks).bytes.toString()).toBe('one\ntwo');
    expect(await read(path, { start: 500, end: 1000 }, undefined, 1000)).toEqual([]);
  });

  it('stops where a file ended when it was opened, however long it is now', async () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, 'one\ntwo\nthree\n');
    for (const [start, end, text] of [
      [0, 2, 'one\n'],
      [0, 6, 'one\ntw'],
      [4, 6, 'tw'],
      [5, 6, ''],
    ] as const) {
      const blocks = await read(path, { start, end }, undefined, 6);
      expect(joined(blocks, start).bytes.toString()).toBe(text);
    }
  });

  it('gives bytes that can be handed to another thread', async () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, 'one\ntwo\n'.repeat(TAIL_BYTES));
    const [block] = await read(path, { start: 0, end: 8 });
    expect(block?.bytes.buffer.byteLength).toBe(8 + TAIL_BYTES);
  });

  it('puts the lines into the memory that it is given, if that is large enough', async () => {
    const path = join(testFolder(), 'log');
    writeFileSync(path, `one\ntwo\nthree\n${'more\n'.repeat(TAIL_BYTES)}`);
    const into = new Uint8Array(new SharedArrayBuffer(TAIL_BYTES + 6));
    const readTo = (end: number) => read(path, { start: 0, end }, into);
    expect(joined(await readTo(6)).bytes.toString()).toBe('one\ntwo\n');
    expect((await readTo(6)).map(({ bytes }) => bytes.buffer === into.buffer)).toEqual([true]);
    expect(joined(await readTo(9)).bytes.toString()).toBe('one\ntwo\nthree\n');
    expect((await readTo(9)).map(({ bytes }) => bytes.buffer === into.buffer)).toEqual([false]);
  });
});
