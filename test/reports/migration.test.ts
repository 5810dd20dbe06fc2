import { describe, expect, it } from 'vitest';
import { answersText, migrationText } from '../../src/reports/migration.ts';
import type { MigrationAnswer } from '../../src/result/types.ts';
import { aTrace } from '../helpers/report-builders.ts';

const trace = (answer: MigrationAnswer) => aTrace({ migration: { answer, why: 'so' } });
const traces = (counts: Readonly<Partial<Record<MigrationAnswer, number>>>) =>
  Object.entries(counts).flatMap(([answer, count]) =>
    Array.from({ length: count }, () => trace(answer as MigrationAnswer)),
  );

describe('the answer whether to migrate', () => {
  it.each([
    { answer: 'no', says: 'Migrate? No: so.' },
    { answer: 'unknown', says: 'Migrate? Not known: so.' },
    { answer: 'refused', says: 'Migrate? Refused: so.' },
    { answer: 'yes', says: 'Migrate? Yes: so.' },
  ] as const)('is told for $answer', ({ answer, says }) => {
    expect(migrationText({ answer, why: 'so' })).toBe(says);
  });

  it.each([
    { counts: { no: 36, yes: 4 }, says: '36 of 40: do not migrate. 4 may be migrated.' },
    { counts: { no: 2 }, says: '2 of 2: do not migrate.' },
    {
      counts: { no: 1, unknown: 1, refused: 2, yes: 1 },
      says: '1 of 5: do not migrate. 1 is not known, 2 are refused by QEMU itself and 1 may be migrated.',
    },
    {
      counts: { unknown: 2, refused: 1 },
      says: '3 traces: 2 are not known and 1 is refused by QEMU itself.',
    },
    { counts: { yes: 1 }, says: '1 trace: 1 may be migrated.' },
  ] as const)('is counted in a batch: $says', ({ counts, says }) => {
    expect(answersText(traces(counts))).toBe(says);
  });
});
