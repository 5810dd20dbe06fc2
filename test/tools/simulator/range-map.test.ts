import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RangeMap } from '../../../src/tools/simulator/range-map.ts';

interface Item {
  readonly iova: bigint;
  readonly last: bigint;
}

/** The same in ten lines: an array that is searched from end to end. */
class NaiveMap {
  items: Item[] = [];

  overlapping(start: bigint, last: bigint): Item[] {
    return this.items.filter((item) => item.iova <= last && item.last >= start);
  }

  insert(item: Item): boolean {
    if (this.overlapping(item.iova, item.last).length > 0) return false;
    this.items = [...this.items, item].sort((a, b) => (a.iova < b.iova ? -1 : 1));
    return true;
  }

  removeOverlapping(start: bigint, last: bigint): Item[] {
    const removed = this.overlapping(start, last);
    this.items = this.items.filter((item) => !removed.includes(item));
    return removed;
  }
}

const range = fc
  .tuple(fc.integer({ min: 0, max: 4000 }), fc.integer({ min: 1, max: 40 }))
  .map(([start, length]) => ({ iova: BigInt(start), last: BigInt(start + length - 1) }));

test('agrees with an array that is searched from end to end', () => {
  const step = fc.tuple(fc.constantFrom('insert', 'insert', 'insert', 'remove'), range);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const real = new RangeMap<Item>();
      const naive = new NaiveMap();
      for (const [what, item] of steps) {
        if (what === 'insert') expect(real.insert(item)).toBe(naive.insert(item));
        else {
          const removed = real.removeOverlapping(item.iova, item.last);
          expect(removed).toEqual(naive.removeOverlapping(item.iova, item.last));
        }
        const found = naive.overlapping(item.iova, item.last);
        expect(real.overlapping(item.iova, item.last)).toEqual(found);
        expect(real.firstOverlap(item.iova, item.last)).toEqual(found[0]);
        expect(real.size).toBe(naive.items.length);
      }
      expect([...real]).toEqual(naive.items);
    }),
  );
});

test('keeps its order over many blocks', () => {
  const real = new RangeMap<Item>();
  // a permutation of 0..4999, since 1237 and 5000 have no common divisor
  for (let i = 0; i < 5000; i++) {
    const iova = BigInt((i * 1237) % 5000) * 4096n;
    expect(real.insert({ iova, last: iova + 4095n })).toBe(true);
  }
  expect([...real].map(({ iova }) => Number(iova / 4096n))).toEqual(
    Array.from({ length: 5000 }, (_, i) => i),
  );
  expect(real.removeOverlapping(4096n * 100n, 4096n * 4800n)).toHaveLength(4701);
  expect(real.size).toBe(299);
  expect(real.overlaps(4096n * 4801n, 4096n * 4801n)).toBe(true);
  expect(real.overlaps(4096n * 100n, 4096n * 4800n)).toBe(false);
});
