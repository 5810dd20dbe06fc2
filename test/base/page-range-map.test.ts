import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PageRange, PageRangeMap, type RangeScratch } from '../../src/base/page-range-map.ts';
import { type Pages, pages } from './page-ranges.ts';

/** The same as an array that is searched from end to end. */
class NaiveMap {
  ranges: PageRange[] = [];

  meeting({ first, last }: Pages): PageRange[] {
    return this.ranges.filter((range) => range.first <= last && range.last >= first);
  }

  insert(range: PageRange): boolean {
    if (this.meeting(range).length > 0) return false;
    this.ranges = [...this.ranges, { ...range }].sort((a, b) => a.first - b.first);
    return true;
  }

  remove(at: Pages): PageRange[] {
    const removed = this.meeting(at);
    this.ranges = this.ranges.filter((range) => !removed.includes(range));
    return removed;
  }

  straddles(at: Pages): boolean {
    return this.meeting(at).some((range) => range.first < at.first || range.last > at.last);
  }

  covers(at: Pages): boolean {
    let next = at.first;
    for (const range of this.meeting(at)) if (range.first <= next) next = range.last + 1;
    return next > at.last;
  }

  highest(at: Pages): number {
    return Math.min(at.last, Math.max(-1, ...this.meeting(at).map((range) => range.last)));
  }

  setFlags(at: Pages, clear: number, set: number): number {
    const found = this.meeting(at);
    for (const range of found) range.flags = (range.flags & ~clear) | set;
    return found.length;
  }
}

function listOf(found: RangeScratch): PageRange[] {
  return Array.from({ length: found.count }, (_, index) => ({
    first: found.first(index),
    last: found.last(index),
    value: found.value(index),
    flags: found.flags(index),
  }));
}

const step = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'insert', 'insert', 'remove', 'flags', 'clear'),
  at: pages,
  value: fc.nat(2 ** 31).map((n) => n * 2 ** 20),
  flags: fc.nat(255),
  look: pages,
});

/** Every question about `at` has the answer that the array gives. */
function expectSame(map: PageRangeMap, naive: NaiveMap, at: Pages): void {
  const { first, last } = at;
  const meeting = naive.meeting(at);
  expect(map.overlaps(first, last)).toBe(meeting.length > 0);
  expect(listOf(map.collect(first, last))).toEqual(meeting);
  const found = { first: -1, last: -1, value: -1, flags: -1 };
  expect(map.find(first, last, found)).toBe(meeting.length > 0);
  expect(found).toEqual(meeting[0] ?? { first: -1, last: -1, value: -1, flags: -1 });
  const exact = meeting.find((range) => range.first === first && range.last === last);
  expect(map.has(first, last)).toBe(exact !== undefined);
  const value = exact?.value ?? 1;
  expect(map.flagsOf(first, last, value)).toBe(exact?.flags ?? -1);
  expect(map.flagsOf(first, last, value + 1)).toBe(-1);
  expect(map.straddles(first, last)).toBe(naive.straddles(at));
  expect(map.covers(first, last)).toBe(naive.covers(at));
  expect(map.highest(first, last)).toBe(naive.highest(at));
}

describe('PageRangeMap', () => {
  it('does what an array of ranges does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const map = new PageRangeMap();
        const naive = new NaiveMap();
        for (const { kind, at, value, flags, look } of steps) {
          const { first, last } = at;
          if (kind === 'insert') {
            const isNew = naive.insert({ ...at, value, flags });
            expect(map.insert(first, last, value, flags)).toBe(isNew);
          } else if (kind === 'remove') {
            expect(listOf(map.remove(first, last))).toEqual(naive.remove(at));
          } else if (kind === 'flags') {
            const changed = naive.setFlags(at, flags & 0xf0, flags & 0x0f);
            expect(map.setFlags(first, last, flags & 0xf0, flags & 0x0f)).toBe(changed);
          } else if (value % 3 === 0) {
            naive.ranges = [];
            map.clear();
          }
          expect(map.size).toBe(naive.ranges.length);
          expectSame(map, naive, at);
          expectSame(map, naive, look);
        }
        expect([...map]).toEqual(naive.ranges);
      }),
      { numRuns: 150 },
    );
  });

  it('gives up any part of many ranges at once', () => {
    const part = fc.tuple(fc.nat(2100), fc.nat(2100)).map(([one, other]) => ({
      first: Math.min(one, other),
      last: Math.max(one, other),
    }));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 8 }), fc.boolean(), (parts, refill) => {
        const map = new PageRangeMap();
        const naive = new NaiveMap();
        const fill = () => {
          for (let page = 0; page < 2000; page += 2) {
            if (map.insert(page, page, page * 3, 1)) {
              naive.ranges.push({ first: page, last: page, value: page * 3, flags: 1 });
            }
          }
          naive.ranges.sort((a, b) => a.first - b.first);
        };
        fill();
        for (const at of parts) {
          expect(listOf(map.remove(at.first, at.last))).toEqual(naive.remove(at));
          if (refill) fill();
          expect(map.size).toBe(naive.ranges.length);
          expectSame(map, naive, at);
          expect([...map]).toEqual(naive.ranges);
        }
      }),
      { numRuns: 60 },
    );
  });

  const orders: Readonly<Record<string, (n: number) => number>> = {
    ascending: (n) => n,
    descending: (n) => 1999 - n,
    // 787 and 2000 have no common divisor
    scattered: (n) => (n * 787) % 2000,
    'from both ends': (n) => (n % 2 === 0 ? n / 2 : 1999 - (n - 1) / 2),
  };

  it.each(Object.entries(orders))('holds many ranges that come %s', (_, order) => {
    const map = new PageRangeMap();
    const naive = new NaiveMap();
    for (let n = 0; n < 2000; n += 1) {
      const first = order(n) * 3;
      expect(map.insert(first, first + 1, n, 0)).toBe(true);
      naive.ranges.push({ first, last: first + 1, value: n, flags: 0 });
    }
    naive.ranges.sort((a, b) => a.first - b.first);
    expect([...map]).toEqual(naive.ranges);
    for (let n = 0; n < 2000; n += 97) {
      const at = { first: order(n) * 3 + 1, last: order(n) * 3 + 400 };
      expectSame(map, naive, at);
      expect(listOf(map.remove(at.first, at.last))).toEqual(naive.remove(at));
      expect(map.insert(at.first, at.first, 7, 1)).toBe(true);
      naive.insert({ first: at.first, last: at.first, value: 7, flags: 1 });
      expectSame(map, naive, { first: 0, last: 6000 });
    }
    expect([...map]).toEqual(naive.ranges);
    expect(map.remove(0, 2 ** 52 - 1).count).toBe(naive.ranges.length);
    expect(map.size).toBe(0);
    expect(map.insert(5, 5, 1, 1)).toBe(true);
    expect([...map]).toEqual([{ first: 5, last: 5, value: 1, flags: 1 }]);
  });

  // More than it keeps the memory of, and fewer.
  it.each([300_000, 3000])('is empty behind %i ranges, however they are taken out', (count) => {
    const map = new PageRangeMap();
    const fill = () => {
      for (let page = 0; page < count; page += 1) map.insert(2 * page, 2 * page, page, 1);
    };
    for (const empty of [() => map.clear(), () => map.remove(0, 2 * count)]) {
      fill();
      expect(map.size).toBe(count);
      expect(map.highest(0, 2 * count)).toBe(2 * count - 2);
      empty();
      expect([...map]).toEqual([]);
      expect(map.overlaps(0, 2 * count)).toBe(false);
      expect(map.insert(7, 8, 1, 1)).toBe(true);
      expect([...map]).toEqual([{ first: 7, last: 8, value: 1, flags: 1 }]);
      map.clear();
    }
    // What other maps share that hold nothing is as it was.
    expect([...new PageRangeMap()]).toEqual([]);
  });

  it('reaches from the first to the last page of the address space', () => {
    const map = new PageRangeMap();
    expect(map.insert(0, 2 ** 52 - 1, 0, 0)).toBe(true);
    expect(map.covers(0, 2 ** 52 - 1)).toBe(true);
    expect(map.insert(2 ** 52 - 1, 2 ** 52 - 1, 0, 0)).toBe(false);
    expect(map.highest(0, 2 ** 52 - 1)).toBe(2 ** 52 - 1);
    expect(map.straddles(1, 2 ** 52 - 1)).toBe(true);
    expect(map.straddles(0, 2 ** 52 - 1)).toBe(false);
  });
});
