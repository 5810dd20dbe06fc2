import { jsonText } from '../../base/json-text.ts';
import type { Comparison } from '../../result/comparison.ts';
import { markdownOfComparison } from './markdown.ts';
import { textOfComparison } from './text.ts';

/** A report of what two results have in common: a pure function, which yields its text in pieces. */
export type ComparisonReport = (comparison: Comparison, width: number) => Iterable<string>;

/** All of them, by the names that `compare --format` and `--output` take. */
export const comparisonReports: Readonly<Record<string, ComparisonReport>> = {
  text: textOfComparison,
  markdown: markdownOfComparison,
  json: (comparison) => [`${jsonText(comparison, 2)}\n`],
};
