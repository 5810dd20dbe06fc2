import { csvReport } from './csv.ts';
import { githubReport } from './github.ts';
import { htmlReport } from './html/index.ts';
import { jsonReport } from './json.ts';
import { junitReport } from './junit.ts';
import { markdownReport } from './markdown.ts';
import { ndjsonReport } from './ndjson.ts';
import { perfettoReport } from './perfetto.ts';
import type { Report } from './report.ts';
import { sarifReport } from './sarif.ts';
import { textReport } from './text/index.ts';

/** All reports, by the names that `--format` and `--output` take. */
export const reports: readonly Report[] = [
  textReport,
  jsonReport,
  ndjsonReport,
  htmlReport,
  markdownReport,
  sarifReport,
  junitReport,
  csvReport,
  githubReport,
  perfettoReport,
];
