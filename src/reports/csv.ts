import { csvRow } from '../base/csv-cell.ts';
import type { Finding } from '../result/types.ts';
import type { Report } from './report.ts';

/** Ranges listed in one cell; the column before it has the bytes of all of them. */
const MOST_RANGES = 100;

type Cell = string | number | null;

/** The columns after `trace` and `session`, in their order. */
const columns: Readonly<Record<string, (finding: Finding) => Cell>> = {
  id: ({ id }) => id,
  rule: ({ rule }) => rule,
  slug: ({ slug }) => slug,
  severity: ({ severity }) => severity,
  mode: ({ mode }) => mode,
  evidence: ({ evidence }) => evidence,
  device: ({ device }) => device,
  pasid: ({ pasid }) => pasid,
  container: ({ container }) => container,
  domain: ({ domain }) => domain,
  cause: ({ cause }) => cause,
  count: ({ count }) => count,
  firstLine: ({ first }) => first.line,
  firstTime: ({ first }) => first.time,
  lastLine: ({ last }) => last.line,
  lastTime: ({ last }) => last.time,
  iova: ({ iova }) => iova,
  size: ({ size }) => size,
  carriedAddress: ({ carriedAddress }) => carriedAddress,
  expectedAddress: ({ expectedAddress }) => expectedAddress,
  bitmapBytes: ({ bitmapBytes }) => bitmapBytes,
  limitBytes: ({ limitBytes }) => limitBytes,
  errno: ({ errno }) => errno,
  worstLine: ({ worst }) => worst?.place.line ?? null,
  worstIova: ({ worst }) => worst?.iova ?? null,
  worstSize: ({ worst }) => worst?.size ?? null,
  atRiskBytes: ({ atRiskBytes }) => atRiskBytes,
  atRisk: ({ atRisk }) => ranges(atRisk),
  message: ({ message }) => message,
  basis: ({ basis }) => basis.join('; '),
  fix: ({ fix }) => fix,
  accepted: ({ accepted }) => accepted?.reason ?? null,
};

/**
 * A table with a row per finding, for spreadsheets: RFC 4180 with LF. Text that a spreadsheet would
 * take for a formula gets a quote before it; numbers of ours stay numbers.
 */
export const csvReport: Report = {
  name: 'csv',
  extension: 'csv',
  *render({ traces }) {
    yield csvRow(['trace', 'session', ...Object.keys(columns)]);
    for (const { path, sessions } of traces) {
      for (const [session, { findings }] of sessions.entries()) {
        for (const finding of findings) {
          yield csvRow([path, session, ...Object.values(columns).map((cell) => cell(finding))]);
        }
      }
    }
  },
};

function ranges(atRisk: Finding['atRisk']): string {
  const left = atRisk.length - MOST_RANGES;
  const listed = atRisk.slice(0, MOST_RANGES).map(({ gpa, size }) => `${gpa}+${size}`);
  return [...listed, ...(left > 0 ? [`and ${left} more`] : [])].join(' ');
}
