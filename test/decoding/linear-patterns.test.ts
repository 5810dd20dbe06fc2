import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../helpers/ground-truth.ts';

/**
 * What a log can make of a regular expression: a repetition of any character can meet another one
 * wherever it likes, so that where both fail, all pairs of places are tried. So a pattern that sees
 * text of a log has one without a bound at most, and several with bounds have few pairs.
 */

/** Pairs of places, and more, that may be tried for each place where a match may begin. */
const MOST_PLACES = 5000;

/** Literals as they are formatted here: behind an operator, a bracket, a comma or a word. */
const LITERAL =
  /(?<=[(,=:[!&|?{};>]\s*|^\s*|\breturn )\/(?![*/ ])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/[dgimsuvy]*/gm;

const rooms = ['decoding', 'events', 'inference', 'boots', 'findings'];
const patterns = rooms.flatMap((room) =>
  readdirSync(join(root, 'src', room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      const text = readFileSync(join(root, 'src', room, name), 'utf8');
      const raw = [...text.matchAll(/String\.raw`([^`]*)`/g)].map(([, source = '']) => source);
      const literals = [...text.matchAll(LITERAL)].map(([, source = '']) => source);
      return [...raw, ...literals].map((source) => ({ file: `${room}/${name}`, source }));
    }),
);

interface Cost {
  /** Repetitions of any character without a bound. */
  readonly endless: number;
  /** Places that those with a bound have together. */
  readonly places: number;
}

const NOTHING: Cost = { endless: 0, places: 1 };
const worst = (one: Cost, other: Cost): Cost => ({
  endless: Math.max(one.endless, other.endless),
  places: Math.max(one.places, other.places),
});
const together = (one: Cost, other: Cost): Cost => ({
  endless: one.endless + other.endless,
  places: one.places * other.places,
});

/** What a pattern costs, alternatives for themselves. */
function costOf(source: string): Cost {
  // Only what matters is left: any character, groups, alternatives, and quantifiers behind the first.
  const plain = source
    .replace(/\\./g, 'x')
    .replace(/\[[^\]]*\]/g, 'x')
    .replace(/\$\{[^}]*\}/g, 'x');
  let at = 0;
  const alternatives = (): Cost => {
    let all = NOTHING;
    let one = NOTHING;
    while (at < plain.length && plain[at] !== ')') {
      const char = plain[at];
      at += 1;
      if (char === '|') {
        all = worst(all, one);
        one = NOTHING;
      } else if (char === '(') {
        one = together(one, alternatives());
        at += 1;
      } else if (char === '.') {
        const [, sign, most = ''] = /^(?:([*+])|\{\d*,(\d*)\})/.exec(plain.slice(at)) ?? [];
        const isEndless = sign !== undefined || plain.slice(at).match(/^\{\d*,\}/) !== null;
        if (isEndless) one = together(one, { endless: 1, places: 1 });
        else if (most !== '') one = together(one, { endless: 0, places: Number(most) + 1 });
      }
    }
    return worst(all, one);
  };
  return alternatives();
}

it('counts what a pattern costs', () => {
  expect(costOf('^a.*b.*c')).toEqual({ endless: 2, places: 1 });
  expect(costOf('^(?:a.*|b.+)c[.*]\\.*')).toEqual({ endless: 1, places: 1 });
  expect(costOf('.{0,32}-.{0,64}')).toEqual({ endless: 0, places: 33 * 65 });
});

it('finds the patterns', () => {
  expect(patterns.length).toBeGreaterThan(250);
});

it('no pattern that sees a log tries more than a few places', () => {
  const bad = patterns.filter(({ source }) => {
    const { endless, places } = costOf(source);
    return endless > 1 || places > MOST_PLACES;
  });
  expect(bad).toEqual([]);
});
