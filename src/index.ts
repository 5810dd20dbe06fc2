/** What a program that uses vtdscope as a library imports. */
export { TraceError, UsageError } from './base/errors.ts';
export type { WindowRequest, WindowTime } from './base/report-window.ts';
export { profileNamed, profiles } from './emulation/profiles/index.ts';
export type { Profile } from './emulation/profiles/profile.ts';
export type { Output } from './engine/outputs.ts';
export type { Progress } from './engine/progress.ts';
export { type PassedOver, type RunOptions, run } from './engine/run.ts';
export type { ModelOptions } from './inference/machine.ts';
export { reports } from './reports/index.ts';
export type { Report, ReportOptions } from './reports/report.ts';
export type * from './result/types.ts';
