import { describe, expect, it } from 'vitest';
import {
  leadingOf,
  type MigrationFacts,
  migrationOf,
  migrationOfWindow,
} from '../../src/findings/migration.ts';
import { aFinding, aWhatIf, NOT_EXPOSED } from '../helpers/report-builders.ts';

const REFUSAL = 'QEMU of this version (~10.0) refuses to migrate it';
const WHY = 'nothing in the trace speaks against a migration';

/** A clean trace of a QEMU that migrates; a row states what is different. */
const clean: MigrationFacts = {
  verdict: 'clean',
  leading: null,
  exposed: NOT_EXPOSED,
  threat: null,
  refusal: null,
  hasRun: false,
  reasons: [],
};
const e2big = { ...NOT_EXPOSED, e2big: true, via: ['dirty-rate'] } as const;
const lost = { ...NOT_EXPOSED, lostDirtyPages: true, via: ['dirty-rate'] } as const;
const stale = { ...NOT_EXPOSED, staleMappings: true, via: ['migration'] } as const;

interface Row {
  readonly name: string;
  readonly facts: Partial<MigrationFacts>;
  readonly answer: string;
  readonly why: string;
}

const rows: readonly Row[] = [
  { name: 'nothing against it', facts: {}, answer: 'yes', why: WHY },
  {
    name: 'too little traced',
    facts: { verdict: 'inconclusive', reasons: ['no walks', 'no messages'] },
    answer: 'unknown',
    why: 'no walks; and 1 more reason',
  },
  {
    name: 'harm that happened',
    facts: { verdict: 'fails', leading: aFinding() },
    answer: 'no',
    why: 'something failed (VTD001 bitmap-too-big, line 12)',
  },
  {
    name: 'harm that happened although QEMU refuses',
    facts: { verdict: 'crashes', leading: aFinding({ count: 1 }), refusal: REFUSAL },
    answer: 'no',
    why: `QEMU died (VTD001 bitmap-too-big, line 12); ${REFUSAL}`,
  },
  {
    name: 'harm that happened as a migration ran, whatever was said before',
    facts: { verdict: 'fails', leading: aFinding(), refusal: REFUSAL, hasRun: true },
    answer: 'no',
    why: 'something failed (VTD001 bitmap-too-big, line 12)',
  },
  {
    name: 'an exposed VM that QEMU migrates',
    facts: { exposed: lost },
    answer: 'no',
    why: 'dirty pages would be lost if calc-dirty-rate tracked dirty pages',
  },
  {
    name: 'an exposed VM of which little is traced',
    facts: { verdict: 'inconclusive', exposed: stale, reasons: ['no walks'] },
    answer: 'no',
    why: 'host mappings would be left behind if a migration tracked dirty pages',
  },
  {
    name: 'dirty bits that a measurement alone would lose',
    facts: { exposed: lost, refusal: REFUSAL },
    answer: 'refused',
    why: `${REFUSAL}; dirty pages would be lost if calc-dirty-rate tracked dirty pages`,
  },
  {
    name: 'unmaps that a measurement alone would make fail',
    facts: { exposed: e2big, refusal: REFUSAL },
    answer: 'no',
    why: `unmaps would fail with E2BIG if calc-dirty-rate tracked dirty pages; ${REFUSAL}`,
  },
  {
    name: 'another threat under dirty tracking',
    facts: { threat: aWhatIf({ rule: 'VTD010', slug: 'query-over-hole' }) },
    answer: 'no',
    why: 'dirty tracking would do harm (VTD010 query-over-hole, line 5)',
  },
  {
    name: 'QEMU refuses, and nothing is wrong',
    facts: { refusal: REFUSAL },
    answer: 'refused',
    why: REFUSAL,
  },
  {
    name: 'QEMU refuses, whatever is not traced',
    facts: { verdict: 'inconclusive', reasons: ['no walks'], refusal: REFUSAL },
    answer: 'refused',
    why: REFUSAL,
  },
  {
    name: 'a refusal after which a migration ran all the same',
    facts: { refusal: REFUSAL, hasRun: true },
    answer: 'yes',
    why: WHY,
  },
];

describe('whether to migrate', () => {
  it.each(rows)('$name', ({ facts, answer, why }) => {
    expect(migrationOf({ ...clean, ...facts })).toEqual({ answer, why });
  });
});

describe('the answer of a window', () => {
  it.each([
    { whole: 'yes', answer: 'unknown', why: 'only a window of the trace is reported' },
    { whole: 'refused', answer: 'unknown', why: 'only a window of the trace is reported; so' },
    { whole: 'unknown', answer: 'unknown', why: 'so' },
    { whole: 'no', answer: 'no', why: 'so' },
  ] as const)('is $answer where what is in it would make $whole', ({ whole, answer, why }) => {
    expect(migrationOfWindow({ answer: whole, why: 'so' })).toEqual({ answer, why });
  });
});

describe('the finding that an answer names', () => {
  const at = (line: number) => ({ line, byteOffset: 0, time: null });
  const lost = aFinding({ rule: 'VTD002', mode: 'active', first: at(50) });
  const unsynced = aFinding({ rule: 'VTD016', mode: 'active', first: at(55) });
  const pastRam = aFinding({ rule: 'VTD006', mode: 'active', first: at(60) });

  it.each([
    ['none of none', [], null],
    ['the gravest, however late', [lost, unsynced], unsynced],
    ['what may kill QEMU', [lost, pastRam], pastRam],
    ['the first of one rule', [lost, { ...lost, first: at(40) }], { ...lost, first: at(40) }],
    [
      'what was seen',
      [unsynced, { ...lost, mode: 'observed' as const }],
      { ...lost, mode: 'observed' },
    ],
  ])('is %s', (_, made, leading) => {
    expect(leadingOf(made)).toEqual(leading);
  });
});
