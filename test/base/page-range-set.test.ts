import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageRangeSet } from '../../src/base/page-range-set.ts';
import { type Pages, pages } from './page-ranges.ts';

/** The fewest ranges that hold the pages of `added`. */
function merged(added: readonly Pages[]): Pages[] {
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of [...added].sort((a, b) => a.first - b.first)) {
    const top = result.at(-1);
    if (top !== undefined && first <= top.last + 1) top.last = Math.max(top.last, last);
    else result.push({ first, last });
  }
  return result;
}

const setOf = (added: readonly Pages[]) => {
  const set = new PageRangeSet();
  for (const { first, last } of added) set.add(first, last);
  return set;
};

const countOf = (ranges: readonly Pages[]) =>
  ranges.reduce((sum, { first, last }) => sum + (last - first + 1), 0);

describe('PageRangeSet', () => {
  it('holds the pages that were added, as the fewest ranges', () => {
    fc.assert(
      fc.property(fc.array(pages, { maxLength: 60 }), (added) => {
        const set = new PageRangeSet();
        for (const [index, { first, last }] of added.entries()) {
          set.add(first, last);
          const expected = merged(added.slice(0, index + 1));
          expect([...set]).toEqual(expected);
          expect(set.pages).toBe(countOf(expected));
          expect(set.size).toBe(expected.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('finds its pages again where they are many and close together', () => {
    const close = fc.record({ first: fc.nat(2 ** 17), length: fc.nat(3000) });
    fc.assert(
      fc.property(fc.array(close, { minLength: 100, maxLength: 200 }), (drawn) => {
        const added = drawn.map(({ first, length }) => ({ first, last: first + length }));
        expect([...setOf(added)]).toEqual(merged(added));
        const far = [...added, { first: 2 ** 40, last: 2 ** 40 }, ...added];
        expect([...setOf(far)]).toEqual(merged(far));
      }),
      { numRuns: 50 },
    );
  });

  it('adds the pages of another set', () => {
    fc.assert(
      fc.property(fc.array(pages), fc.array(pages), (one, other) => {
        const set = setOf(one);
        set.addAll(setOf(other));
        expect([...set]).toEqual(merged([...one, ...other]));
        expect(set.pages).toBe(countOf(merged([...one, ...other])));
      }),
    );
  });

  it('may hold the whole address space', () => {
    const set = setOf([
      { first: 2 ** 51, last: 2 ** 52 - 1 },
      { first: 0, last: 2 ** 51 - 1 },
    ]);
    expect(set.pages).toBe(2 ** 52);
    expect(set.size).toBe(1);
  });
});
