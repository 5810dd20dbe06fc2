import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outcome } from '../../src/emulation/outcome.ts';

/** Guest pages at risk, as an outcome tells them. */
function risksOf(outcome: Outcome): readonly (readonly [number, number])[] {
  return Array.from({ length: outcome.riskCount }, (_, index) => [
    outcome.riskFirst(index),
    outcome.riskLast(index),
  ]);
}

function pagesOf(ranges: readonly (readonly [number, number])[]): number[] {
  return ranges.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, page) => first + page),
  );
}

describe('guest pages at risk', () => {
  it('are told once, however many mappings lead to them and in whatever order', () => {
    const range = fc.tuple(fc.nat(300), fc.nat(6)).map(([first, more]) => [first, first + more]);
    const property = fc.property(fc.array(range, { maxLength: 40 }), (ranges) => {
      const outcome = new Outcome();
      for (const [first = 0, last = 0] of ranges) {
        outcome.addAtRisk(first, last, first, 'bitmap', 0, 0);
      }
      outcome.classify();
      const told = pagesOf(risksOf(outcome));
      const expected = new Set(pagesOf(ranges.map(([first = 0, last = 0]) => [first, last])));
      expect(told.length).toBe(expected.size);
      expect(new Set(told)).toEqual(expected);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('stay in the order of their mappings where no two lead to the same', () => {
    const outcome = new Outcome();
    outcome.addAtRisk(20, 21, 20, 'bitmap', 0, 0);
    outcome.addAtRisk(10, 11, 10, 'bitmap', 0, 0);
    outcome.classify();
    expect(risksOf(outcome)).toEqual([
      [20, 21],
      [10, 11],
    ]);
  });
});
