import { expect, it } from 'vitest';
import { MOST_NAMES, OTHER_NAMES, SkippedEvents } from '../../src/engine/skipped-events.ts';

const nameOf = (number: number) => `event_${String(number).padStart(6, '0')}`;

/** The result of names in batches of the given size, each name counted as often as it stands there. */
function resultOf(names: readonly string[], batch: number): Readonly<Record<string, number>> {
  const events = new SkippedEvents();
  for (let from = 0; from < names.length; from += batch) {
    const counts: Record<string, number> = {};
    for (const name of names.slice(from, from + batch)) counts[name] = (counts[name] ?? 0) + 1;
    events.add(counts);
  }
  expect(events.total).toBe(names.length);
  return events.result();
}

it('lists all names up to the bound, in order', () => {
  const names = Array.from({ length: MOST_NAMES }, (_, number) => nameOf(number));
  const listed = Object.keys(resultOf(names.toReversed(), 1000));
  expect(listed.join()).toBe(names.join());
});

it('counts the names beyond the bound together', () => {
  const names = Array.from({ length: MOST_NAMES + 10 }, (_, number) => nameOf(number));
  const result = resultOf([...names, ...names], 1000);
  expect(Object.keys(result).length).toBe(MOST_NAMES + 1);
  expect(result[OTHER_NAMES]).toBe(20);
  expect(result[nameOf(0)]).toBe(2);
});

it('gives the same for any order of the names and any cut into batches', () => {
  // Each name up to three times, far more names than are listed.
  const count = 5 * MOST_NAMES;
  const names = Array.from({ length: 2 * count }, (_, step) =>
    nameOf((step * 7919 * (1 + (step % 3))) % count),
  );
  const expected = JSON.stringify(resultOf(names, names.length));
  expect(JSON.parse(expected)[OTHER_NAMES]).toBeGreaterThan(0);
  for (const batch of [100, 5000]) {
    expect(JSON.stringify(resultOf(names, batch)) === expected).toBe(true);
    expect(JSON.stringify(resultOf(names.toReversed(), batch)) === expected).toBe(true);
    expect(JSON.stringify(resultOf(names.toSorted(), batch)) === expected).toBe(true);
  }
});
