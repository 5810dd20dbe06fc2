import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PatternFilter } from '../../src/decoding/pattern-filter.ts';
import { messageTexts } from '../../src/events/messages/index.ts';
import { root } from '../helpers/ground-truth.ts';

const patterns = messageTexts.map(({ pattern }) => pattern);
const filter = new PatternFilter(patterns);

function candidates(line: string): readonly number[] {
  const found: number[] = [];
  filter.look(line);
  for (let index = filter.next(0); index >= 0; index = filter.next(index + 1)) found.push(index);
  return found;
}

/** The patterns that match a line, and those of them that are not tried. */
function matched(line: string) {
  const tried = new Set(candidates(line));
  const matching = patterns.flatMap((pattern, index) => (pattern.test(line) ? [index] : []));
  return { matching, missed: matching.filter((index) => !tried.has(index)) };
}

const examples = Object.values(
  JSON.parse(
    readFileSync(new URL('./messages.examples.json', import.meta.url), 'utf8'),
  ) as Readonly<Record<string, readonly string[]>>,
).flat();

describe('the filter of patterns', () => {
  it('never leaves out a pattern that matches: examples and lines as posted', () => {
    const folder = `${root}test/cases/`;
    const posted = readdirSync(folder)
      .filter((name) => /\.(?:log|txt)$/.test(name))
      .flatMap((name) => readFileSync(`${folder}${name}`, 'latin1').split('\n'));
    let matches = 0;
    for (const line of [...examples, ...posted]) {
      const { matching, missed } = matched(line);
      matches += matching.length;
      expect(missed, line).toEqual([]);
    }
    expect(matches).toBeGreaterThan(examples.length);
  });

  it('nor of lines put together at random', () => {
    const piece = fc.oneof(fc.constantFrom(...examples), fc.string({ maxLength: 20 }));
    const cut = fc.tuple(piece, fc.nat(200), fc.nat(200));
    fc.assert(
      fc.property(fc.array(cut, { maxLength: 4 }), (pieces) => {
        const line = pieces.map(([text, from, length]) => text.slice(from, from + length)).join('');
        expect(matched(line).missed).toEqual([]);
      }),
    );
  });

  it('leaves out nearly all of them', () => {
    expect(candidates('[drm] engine 16777216 of the host is idle again').length).toBeLessThan(8);
    for (const line of examples) expect(candidates(line).length).toBeLessThan(30);
  });
});
