import { Basis } from '../grounds.ts';
import type { RuleBody } from '../rule.ts';

/** VTD013: a blocker or a failed migration is in the log. */
export const migrationBlocked: RuleBody = {
  severity: () => 'note',
  verdict: () => null,
  requiredEvents: [],
  start: (_facts, report) => ({
    message({ about, text, mark }) {
      if (about.operation !== 'blocker' && about.operation !== 'migration') return;
      const basis = new Basis().add('message');
      report.add({ mode: null, mark, basis, topic: about.id, detail: text, about });
    },
  }),
  message: ({ about, detail }) => `${about?.says ?? 'A migration failed.'} QEMU says: ${detail}`,
  fix: () => ({
    today:
      'Nothing needs fixing here; calc-dirty-rate and the dirty limit can still switch tracking on.',
  }),
};
