import { traceLoss } from '../../src/rules/trace-loss/page.ts';
import { aMessage, anUnmap, mark } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const dropped = {
  kind: 'loss',
  mark: mark(5),
  loss: 'dropped',
  count: 3,
  detail: '3 records',
} as const;

testRule(traceLoss, [
  {
    name: 'nothing is lost',
    operations: [anUnmap({ first: 0, last: 0 }), aMessage('unmap-call')],
    finds: [],
  },
  {
    name: 'records are',
    operations: [dropped],
    finds: [
      {
        mode: null,
        severity: 'note',
        verdict: 'inconclusive',
        count: 3,
        message: '3 dropped items: 3 records.',
      },
    ],
  },
  {
    name: 'a kind of loss is a finding',
    operations: [
      dropped,
      { ...dropped, mark: mark(9), count: 2 },
      { ...dropped, loss: 'missing-events', count: 1, detail: 'an UNMAP' },
    ],
    finds: [
      { count: 5, first: mark(5), last: mark(9) },
      { count: 1, message: '1 missing events item: an UNMAP' },
    ],
  },
]);
