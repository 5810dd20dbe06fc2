import { plural } from '../../base/words.ts';
import { Basis } from '../grounds.ts';
import type { RuleBody } from '../rule.ts';

/** VTD014: something of the trace is lost, and what cannot be known for it. */
export const traceLoss: RuleBody = {
  severity: () => 'note',
  verdict: () => 'inconclusive',
  requiredEvents: [],
  start: (_facts, report) => ({
    loss({ loss, count, mark, detail }) {
      const basis = new Basis().add('message');
      report.add({ mode: null, mark, basis, count, topic: loss, detail });
    },
  }),
  message: ({ topic, count, detail }) =>
    `${plural(count, `${topic.replace('-', ' ')} item`)}: ${detail}. Mappings and tracking are uncertain from there on until the next whole unmap or replay.`,
  fix: () => ({
    today:
      'Capture again with a larger buffer, to a file of its own (-D), and from the start of the VM.',
  }),
};
