import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LineBlock, LineBlocks } from '../../src/bytes/lines.ts';

const MIB = 1024 * 1024;
const KEPT = 256 * 1024;

interface Line {
  readonly byteOffset: number;
  /** With its LF, if it has one. */
  readonly text: string;
}

/** The lines of a text, as plainly as can be. */
function linesOf(text: string): Line[] {
  let byteOffset = 0;
  return text
    .split(/(?<=\n)/)
    .filter((line) => line !== '')
    .map((line) => {
      const place = byteOffset;
      byteOffset += line.length;
      return { byteOffset: place, text: line };
    });
}

/** The blocks of chunks that end at `cuts`, each chunk in a buffer that is overwritten later. */
function blocksOf(bytes: Buffer, cuts: readonly number[], byteOffset = 0): LineBlock[] {
  const lines = new LineBlocks(byteOffset);
  const blocks: LineBlock[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    const chunk = Buffer.from(bytes.subarray(from, cut));
    blocks.push(
      ...lines.push(chunk).map((block) => ({ ...block, bytes: Buffer.from(block.bytes) })),
    );
    chunk.fill('X');
    from = cut;
  }
  const last = lines.end();
  return last === null ? blocks : [...blocks, last];
}

/** The lines in blocks of which none is too long. */
function linesIn(blocks: readonly LineBlock[]): Line[] {
  return blocks.flatMap(({ bytes, byteOffset, byteLength }) => {
    expect(byteLength).toBe(bytes.length);
    return linesOf(Buffer.from(bytes).toString('latin1')).map((line) => ({
      ...line,
      byteOffset: byteOffset + line.byteOffset,
    }));
  });
}

describe('LineBlocks', () => {
  it('gives the same lines at the same places, however the bytes are cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r', '\0'), maxLength: 60 });
    const cuts = fc.array(fc.nat(60), { maxLength: 20 });
    fc.assert(
      fc.property(text, cuts, fc.nat(2 ** 40), (text, cuts, byteOffset) => {
        const bytes = Buffer.from(text, 'latin1');
        const blocks = blocksOf(
          bytes,
          cuts.map((cut) => Math.min(cut, bytes.length)),
          byteOffset,
        );
        const expected = linesOf(text).map((line) => ({
          ...line,
          byteOffset: byteOffset + line.byteOffset,
        }));
        expect(linesIn(blocks)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('never ends a block within a line, but at the end', () => {
    const blocks = blocksOf(Buffer.from('one\ntwo\nthree'), [2, 9]);
    expect(blocks.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([
      'one\ntwo\n',
      'three',
    ]);
  });

  it('does not copy whole lines of a chunk', () => {
    const chunk = Buffer.from('one\ntwo\nthr');
    const [block] = new LineBlocks().push(chunk);
    expect(block?.bytes.buffer).toBe(chunk.buffer);
  });

  it('of nothing gives nothing', () => {
    expect(blocksOf(Buffer.alloc(0), [])).toEqual([]);
  });
});

describe('a line that is too long', () => {
  const summary = (blocks: readonly LineBlock[]) =>
    blocks
      .map(({ bytes, byteOffset, byteLength }) => ({
        length: bytes.length,
        byteOffset,
        byteLength,
      }))
      .map(({ length, byteOffset, byteLength }) => `${byteOffset}+${byteLength}: ${length}`);

  it('is one of more than a mebibyte', () => {
    const [most, more] = ['a'.repeat(MIB), 'a'.repeat(MIB + 1)];
    expect(summary(blocksOf(Buffer.from(`${most}\n`), []))).toEqual([`0+${MIB + 1}: ${MIB + 1}`]);
    expect(summary(blocksOf(Buffer.from(`${more}\n`), []))).toEqual([`0+${MIB + 2}: ${KEPT + 1}`]);
    expect(summary(blocksOf(Buffer.from(most), []))).toEqual([`0+${MIB}: ${MIB}`]);
    expect(summary(blocksOf(Buffer.from(more), []))).toEqual([`0+${MIB + 1}: ${KEPT}`]);
  });

  it('keeps its first bytes and its LF', () => {
    const [block] = blocksOf(Buffer.from(`start${'a'.repeat(MIB)}\n`), []);
    const bytes = Buffer.from(block?.bytes ?? []);
    expect(bytes.toString('latin1', 0, 6)).toBe('starta');
    expect(bytes.indexOf('\n')).toBe(KEPT);
  });

  it('keeps none of a run of NUL before it, as a log that was emptied in place has it', () => {
    const line = `${'\0'.repeat(3 * MIB)}vtd_reset_exit `;
    for (const cuts of [[], [MIB, 2 * MIB, 3 * MIB]]) {
      const [block, ...more] = blocksOf(Buffer.from(`${line}\n`), cuts);
      expect(Buffer.from(block?.bytes ?? []).toString()).toBe('vtd_reset_exit \n');
      expect(block?.byteLength).toBe(line.length + 1);
      expect(more).toEqual([]);
    }
  });

  it('is cut the same, however it comes and whatever is around it', () => {
    const long = (letter: string) => letter.repeat(MIB + 1);
    const text = `a\n\n${long('b')}\n${long('c')}\nd\n${'e'.repeat(MIB)}\n\0\0${long('f')}`;
    const bytes = Buffer.from(text);
    /** Blocks that hold short lines, joined: where they are cut is free. */
    const kept = (blocks: readonly LineBlock[]) => {
      let next = 0;
      for (const { byteOffset, byteLength } of blocks) {
        expect(byteOffset).toBe(next);
        next += byteLength;
      }
      expect(next).toBe(bytes.length);
      return Buffer.concat(blocks.map((block) => block.bytes));
    };
    const whole = kept(blocksOf(bytes, []));
    expect(whole.length).toBeLessThan(bytes.length - 2 * MIB);
    const sizes = [1, 2, 3].map((n) => n * MIB).concat([65_536, 100_003, MIB - 1, MIB + 1]);
    for (const size of sizes) {
      const cuts = Array.from({ length: Math.floor(bytes.length / size) }, (_, n) => n * size);
      expect(kept(blocksOf(bytes, cuts)).equals(whole), `chunks of ${size}`).toBe(true);
    }
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        expect(kept(blocksOf(bytes, cuts)).equals(whole)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});
