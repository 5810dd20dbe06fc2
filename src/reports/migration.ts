import { listed, plural } from '../base/words.ts';
import type { Migration, MigrationAnswer } from '../result/types.ts';

/** The answer to the question whether to migrate, in whatever form a report has. */

/** At the head of a sentence that says why. */
const answers: Readonly<Record<MigrationAnswer, string>> = {
  no: 'No',
  unknown: 'Not known',
  refused: 'Refused',
  yes: 'Yes',
};

/** What is said of a number of traces with an answer, after the number. */
const counted: Readonly<
  Record<Exclude<MigrationAnswer, 'no'>, readonly [one: string, more: string]>
> = {
  unknown: ['is not known', 'are not known'],
  refused: ['is refused by QEMU itself', 'are refused by QEMU itself'],
  yes: ['may be migrated', 'may be migrated'],
};

/** `No`, to stand behind the question. */
export function answerWord({ answer }: Pick<Migration, 'answer'>): string {
  return answers[answer];
}

/** `Migrate? No: unmaps would fail with E2BIG if a migration tracked dirty pages.` */
export function migrationText({ answer, why }: Migration): string {
  return `Migrate? ${answers[answer]}: ${why}.`;
}

/** Traces, as far as the answer goes. */
type Answered = readonly { readonly migration: Pick<Migration, 'answer'> }[];

/** How many of them have an answer. */
export function countOfAnswer(traces: Answered, wanted: MigrationAnswer): number {
  return traces.filter(({ migration }) => migration.answer === wanted).length;
}

/** `36 of 40: do not migrate. 3 may be migrated and 1 is not known.` */
export function answersText(traces: Answered): string {
  const rest = (['unknown', 'refused', 'yes'] as const)
    .map((answer) => [answer, countOfAnswer(traces, answer)] as const)
    .filter(([, count]) => count > 0)
    .map(([answer, count]) => `${count} ${counted[answer][count === 1 ? 0 : 1]}`);
  const bad = countOfAnswer(traces, 'no');
  if (bad === 0) return `${plural(traces.length, 'trace')}: ${listed(rest)}.`;
  const lead = `${bad} of ${traces.length}: do not migrate.`;
  return rest.length === 0 ? lead : `${lead} ${listed(rest)}.`;
}
