import { describe, expect, it } from 'vitest';
import { CompiledReader } from '../../../src/decoding/compiled/line-reader.ts';
import { SkippedNames } from '../../../src/decoding/compiled/skipped-names.ts';
import { LONGEST_NAME } from '../../../src/decoding/patterns.ts';
import { BatchWriter } from '../../../src/events/writer.ts';

const LF = '\n';
const PRIME = 0x0100_0193;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789_';

/** The odd number that undoes a multiplication by PRIME. */
function inverseOfPrime(): number {
  let inverse = PRIME;
  // Newton's step doubles the bits that are right.
  for (let bits = 3; bits < 32; bits *= 2)
    inverse = Math.imul(inverse, 2 - Math.imul(PRIME, inverse));
  return inverse;
}

/** Names whose FNV-1a hashes (from 0) all end in `bits` zero bits: one chain in a table without a key. */
function namesOfOneFnvSlot(count: number, bits: number): readonly string[] {
  const mask = 2 ** bits - 1;
  const inverse = inverseOfPrime();
  // What each ending makes 0: found backwards, as each step can be undone.
  const endings = new Map<number, string>();
  const letters = [...LETTERS];
  const extend = (ending: string, hash: number, left: number) => {
    if (left === 0) {
      endings.set(hash & mask, ending);
      return;
    }
    for (const letter of letters) {
      extend(letter + ending, Math.imul(hash, inverse) ^ letter.charCodeAt(0), left - 1);
    }
  };
  extend('', 0, 4);
  const names: string[] = [];
  for (let number = 0; names.length < count; number += 1) {
    const front = `x_${number.toString(36)}`;
    let hash = 0;
    for (const byte of Buffer.from(front)) hash = Math.imul(hash ^ byte, PRIME);
    const ending = endings.get(hash & mask);
    if (ending !== undefined) names.push(front + ending);
  }
  return names;
}

/** Keys as they may be drawn, the same in every run of the test. */
function* keys(): Generator<Int32Array> {
  let state = 1;
  for (let drawn = 0; drawn < 4; drawn += 1) {
    yield Int32Array.from({ length: LONGEST_NAME }, () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return state;
    });
  }
}

/** A table that has read the names, each as a line. */
function tableOf(names: readonly string[], key: Int32Array): SkippedNames {
  const table = new SkippedNames(key);
  const reader = new CompiledReader(table);
  const bytes = Buffer.from(names.map((name) => name + LF).join(''));
  const writer = new BatchWriter();
  let at = 0;
  for (const name of names) {
    reader.readEvent(bytes, at, writer);
    at += name.length + 1;
  }
  return table;
}

function countsOf(table: SkippedNames): Readonly<Record<string, number>> {
  const writer = new BatchWriter();
  table.takeCounts(writer);
  return writer.finish(new Uint8Array(0), 0, 0).skipped;
}

const chosen: Readonly<Record<string, readonly string[]>> = {
  'to meet in a table without a key': namesOfOneFnvSlot(10_000, 16),
  'with one character that differs': [...'abcdefghijklmnopqrstuvwxyz'].flatMap((letter) =>
    Array.from({ length: 90 }, (_, at) => `${'x'.repeat(at)}${letter}${'x'.repeat(90 - at)}_`),
  ),
  'as numbers in order': Array.from({ length: 20_000 }, (_, number) => `e_${number}`),
  'of the same sum of characters': Array.from(
    { length: 2 ** 14 },
    (_, number) =>
      `s_${number.toString(2).padStart(14, '0').replaceAll('0', 'az').replaceAll('1', 'by')}`,
  ),
};

describe.each(Object.entries(chosen))('names %s', (_, names) => {
  it('are found in about one step each, whatever the key', () => {
    for (const key of keys()) expect(tableOf(names, key).misses).toBeLessThan(2 * names.length);
  });

  it('are counted the same and in the same order, whatever the key', () => {
    const twice = [...names, ...names.slice(0, 100)];
    const [first = '', ...others] = [...keys()].map((key) =>
      JSON.stringify(countsOf(tableOf(twice, key))),
    );
    expect(Object.keys(JSON.parse(first)).length).toBe(new Set(names).size);
    for (const other of others) expect(other === first).toBe(true);
  });
});

it('draws a key of its own for each table', () => {
  expect(new SkippedNames().key).not.toEqual(new SkippedNames().key);
});
