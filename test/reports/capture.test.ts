import { expect, it } from 'vitest';
import { doubtsOf } from '../../src/reports/capture.ts';
import { aTrace } from '../helpers/report-builders.ts';

it.each([
  ['simple', ["QEMU's threads write such records side by side: two neighbours may be swapped"]],
  ['qemu-log', []],
])('%s is taken as it is, and that is said', (format, doubts) => {
  expect(doubtsOf(aTrace({ format }))).toEqual(doubts);
});
