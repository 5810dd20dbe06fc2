import { resultOf } from '../../../../src/result/result.ts';
import type { Observed } from './observe.ts';
import type { Report } from './report.ts';
import { lies } from './sentences.ts';

/** No sentence of the text report may contradict the result that it is made of. */
export function compareSentences({ trace }: Observed, report: Report): void {
  report.equal('sentences', 'report', [], lies(resultOf([trace])));
}
