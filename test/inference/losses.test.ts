import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lossKinds } from '../../src/events/catalogue/notes.ts';
import { type LossId, losses, lossText } from '../../src/inference/losses.ts';
import { root } from '../helpers/ground-truth.ts';

const rooms = ['src/inference', 'src/boots'];
const sources = rooms.flatMap((room) =>
  readdirSync(join(root, room))
    .filter((name) => name !== 'losses.ts')
    .map((name) => ({ name, text: readFileSync(join(root, room, name), 'utf8') })),
);
const ids = Object.keys(losses) as readonly LossId[];
/** The arguments of the calls that report lines as missing, as written. */
const calls = sources.flatMap(({ name, text }) =>
  [
    ...text.matchAll(
      /(?:\blosses\.report|this\.report|\.loseLines|#ownerOfUnexplained)\(\s*([^;]*?)\);/g,
    ),
  ].map(([, args = '']) => ({ name, args })),
);
const quoted = (text: string) => [...text.matchAll(/'([^']*)'/g)].map(([, inner]) => inner);

describe('the table of losses', () => {
  it.each(ids)('%s is used, and says where it comes from', (id) => {
    expect(calls.some(({ args }) => quoted(args).includes(id))).toBe(true);
    expect(losses[id].source).toMatch(/[a-z]+_[a-z]+|carrier/);
    expect(lossKinds).toContain(losses[id].kind);
  });

  it('is found in use at all', () => {
    expect(calls.length).toBeGreaterThan(ids.length);
  });

  it('is all that calls say: an id, and no prose', () => {
    const prose = calls.filter(({ args }) =>
      quoted(args).some((text) => !ids.includes(text as LossId)),
    );
    expect(prose).toEqual([]);
  });

  it('is where inference takes the detail of a loss from, unless the trace says it', () => {
    const details = sources.flatMap(({ text }) =>
      [...text.matchAll(/kind: 'loss'[^}]*\bdetail(: [^,}]*)?/g)].map(([, from = '']) =>
        from.trim(),
      ),
    );
    expect(details.length).toBeGreaterThan(1);
    expect(details.filter((from) => quoted(from).length > 0 || from.includes('`'))).toEqual([]);
  });

  it('puts the numbers of a call into its text', () => {
    expect(lossText('thread-of-some-vm', [4711, 2])).toBe(
      'the lines of thread 4711 can be of any of 2 VMs',
    );
    expect(ids.filter((id) => lossText(id, [1, 2, 3]).includes('undefined'))).toEqual([]);
  });
});
