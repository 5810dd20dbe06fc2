/** What a program that uses vtdscope as a library imports. */
export { TraceError, UsageError } from './base/errors.ts';
export type { ModelOptions } from './model/machine.ts';
export { type Profile, profileNamed, profiles } from './model/profile.ts';
export { reports } from './reports/index.ts';
export type { Report, ReportOptions } from './reports/report.ts';
export type * from './result/types.ts';
export { type PassedOver, type Progress, type RunOptions, run } from './run.ts';
