import { expect } from 'vitest';
import { compare } from '../compare/compare.ts';
import type { Case } from '../compare/play.ts';

/** Smallest cases in which the analyzer and the simulation once disagreed, whoever of them was wrong. */
export function expectAgreement(one: Case): void {
  const { report } = compare(one);
  expect(report.disagreements).toEqual([]);
  expect(report.checks).toBeGreaterThan(0);
}
