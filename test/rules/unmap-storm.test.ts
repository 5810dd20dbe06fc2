import type { Operation } from '../../src/inference/operation.ts';
import { unmapStorm } from '../../src/rules/unmap-storm/page.ts';
import { anUnmap, TIB } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

const times = (count: number, operation: Operation) => Array<Operation>(count).fill(operation);
const page = anUnmap({ first: 0, last: 0 });
/** With a bitmap of 256 MiB. */
const large = anUnmap({ first: 0, last: 8 * TIB - 1 });

testRule(unmapStorm, [
  { name: '9,999 unmaps', operations: times(9999, page), finds: [] },
  {
    name: '10,000',
    operations: times(10_000, page),
    finds: [
      { mode: 'active', severity: 'warning', verdict: null, message: '10,000 unmaps with bitmaps' },
    ],
  },
  {
    name: 'untracked ones',
    operations: times(10_000, anUnmap({ first: 0, last: 0, tracked: false })),
    finds: [],
  },
  {
    name: 'outside a tracking window',
    operations: times(10_000, page),
    facts: { trackingWindow: null },
    finds: [],
  },
  { name: 'bitmaps of less than 4 GiB in all', operations: times(15, large), finds: [] },
  {
    name: 'bitmaps of 4 GiB in all',
    operations: times(16, large),
    finds: [{ message: '16 unmaps with bitmaps of 4 GiB in all' }],
  },
  {
    name: 'as many without bitmaps',
    operations: times(16, anUnmap({ first: 0, last: 8 * TIB - 1, deviceTracking: true })),
    finds: [],
  },
]);
