import { reports } from '../../src/reports/index.ts';
import type { Report, ReportOptions } from '../../src/reports/report.ts';
import type { Result } from '../../src/result/types.ts';

export const PLAIN: ReportOptions = { color: false, width: 80, verbosity: 0 };

export function reportNamed(name: string): Report {
  const report = reports.find((known) => known.name === name);
  if (report === undefined) throw new Error(`no report is called ${name}`);
  return report;
}

/** The whole of a report. */
export function render(name: string, result: Result, options: Partial<ReportOptions> = {}): string {
  return [...reportNamed(name).render(result, { ...PLAIN, ...options })].join('');
}
