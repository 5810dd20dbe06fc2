import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { migrationAnswers } from '../../src/base/vocabulary.ts';
import {
  about,
  joinMigrations,
  NOTHING_AGAINST,
  worseMigration,
} from '../../src/result/migration.ts';
import type { Migration } from '../../src/result/types.ts';

const migration: fc.Arbitrary<Migration> = fc.record({
  answer: fc.constantFrom(...migrationAnswers),
  why: fc.string({ maxLength: 3 }),
});
const passes = ({ answer }: Migration) => answer === 'yes' || answer === 'refused';

describe('answers of several', () => {
  it('are the worst, and the first of those that are alike', () => {
    const [no, unknown, refused, yes] = migrationAnswers.map((answer) => ({ answer, why: answer }));
    expect([no, unknown, refused, yes]).not.toContain(undefined);
    const all = [yes, refused, unknown, no] as readonly Migration[];
    expect(joinMigrations(all)).toBe(no);
    expect(joinMigrations(all.slice(0, 3))).toBe(unknown);
    expect(joinMigrations(all.slice(0, 2))).toBe(refused);
    expect(joinMigrations([])).toBe(NOTHING_AGAINST);
    const other = { answer: 'no', why: 'later' } as const;
    expect(joinMigrations([no as Migration, other])).toBe(no);
  });

  it('do not depend on how they are grouped', () => {
    fc.assert(
      fc.property(migration, migration, migration, (a, b, c) => {
        const left = worseMigration(worseMigration(a, b), c);
        expect(worseMigration(a, worseMigration(b, c))).toBe(left);
      }),
    );
  });

  it('pass a gate exactly where each of them does', () => {
    fc.assert(
      fc.property(fc.array(migration), (all) => {
        expect(passes(joinMigrations(all))).toBe(all.every(passes));
      }),
    );
  });
});

it('an answer says what it is about, unless there is nothing to say', () => {
  expect(about('session 2', { answer: 'no', why: 'it fails' })).toEqual({
    answer: 'no',
    why: 'session 2: it fails',
  });
  expect(about('session 2', { answer: 'yes', why: 'all is well' })).toBe(NOTHING_AGAINST);
});
