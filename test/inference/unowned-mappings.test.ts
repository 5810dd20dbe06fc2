import { expect, it } from 'vitest';
import { Bounds } from '../../src/inference/bounds.ts';
import { UnownedMappings } from '../../src/inference/unowned-mappings.ts';

/** `M1.5`: a MAP of page 5, and the line of a command for domain 1 behind it; `U`: an UNMAP; `*`: any domain. */
function play(...changes: readonly string[]): readonly boolean[] {
  const unowned = new UnownedMappings(new Bounds());
  return changes.map((change) => {
    const [, kind, domain, page] = /^([MU])(\d|\*)\.(\d)$/.exec(change) ?? [];
    if (kind === 'M') unowned.mapped(Number(page), Number(page), false);
    else unowned.unmapped(Number(page), Number(page));
    return domain === '*' ? unowned.ends() : unowned.endsIn(Number(domain));
  });
}

it.each([
  ['another page', ['M1.5', 'M1.6'], [false, false]],
  ['the same page of another domain', ['M1.5', 'M2.5'], [false, false]],
  ['the same page again', ['M1.5', 'M1.5'], [false, true]],
  ['the same page once it was unmapped', ['M1.5', 'U1.5', 'M1.5'], [false, false, false]],
  ['the same page, unmapped in another domain', ['M1.5', 'U2.5', 'M1.5'], [false, false, true]],
  ['a page of nobody knows which domain', ['M*.5', 'M1.5'], [false, true]],
  ['the same page, of nobody knows which domain', ['M1.5', 'M*.5'], [false, true]],
] as const)('a MAP comes again, or not: %s', (_, changes, expected) => {
  expect(play(...changes)).toEqual(expected);
});

it('a MAP of each of two devices, by one command, is none that comes again', () => {
  const unowned = new UnownedMappings(new Bounds());
  expect([unowned.mapped(5, 5, false), unowned.mapped(5, 5, false)]).toEqual([false, false]);
  expect([unowned.isOpen, unowned.endsIn(1), unowned.isOpen]).toEqual([true, false, false]);
  // A third may be of either.
  expect(unowned.mapped(5, 5, false)).toBe(true);
});

it('what a device is known to have mapped comes again', () => {
  const unowned = new UnownedMappings(new Bounds());
  expect([unowned.mapped(5, 5, true), unowned.endsIn(1)]).toEqual([true, true]);
});

it('may hold something until all is unmapped', () => {
  const unowned = new UnownedMappings(new Bounds());
  const seen = [unowned.isAny];
  unowned.mapped(5, 5, false);
  unowned.endsIn(1);
  seen.push(unowned.isAny);
  unowned.unmapped(5, 5);
  unowned.endsIn(1);
  expect([...seen, unowned.isAny, unowned.wasAny]).toEqual([false, true, false, true]);
});
