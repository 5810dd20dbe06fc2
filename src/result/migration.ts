import { migrationAnswers } from '../base/vocabulary.ts';
import type { Migration } from './types.ts';

/** The answer about nothing, which changes no other. */
export const NOTHING_AGAINST: Migration = {
  answer: 'yes',
  why: 'nothing in the trace speaks against a migration',
};

/** The worse of two answers, with its reason; the first where they are alike. Associative. */
export function worseMigration(a: Migration, b: Migration): Migration {
  const [rankOfA, rankOfB] = [a, b].map(({ answer }) => migrationAnswers.indexOf(answer));
  return (rankOfB as number) < (rankOfA as number) ? b : a;
}

/** The worst of several answers; `NOTHING_AGAINST` of none. */
export function joinMigrations(all: readonly Migration[]): Migration {
  return all.reduce(worseMigration, NOTHING_AGAINST);
}

/** The answer with what it is about: a session, a trace. */
export function about(name: string, { answer, why }: Migration): Migration {
  return answer === 'yes' ? NOTHING_AGAINST : { answer, why: `${name}: ${why}` };
}
