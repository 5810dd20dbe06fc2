import { type Mode, modes } from '../base/vocabulary.ts';
import type {
  Finding,
  MigrationAnswer,
  Result,
  Severity,
  Trace,
  Verdict,
} from '../result/types.ts';

/** From which findings on a run counts as failed. */
export const failLevels = ['observed', 'active', 'what-if', 'none'] as const;
export type FailLevel = (typeof failLevels)[number];

/** Questions that a run can be asked to answer with its exit status. */
export const gates = ['migrate'] as const;
export type Gate = (typeof gates)[number];

/** What else makes a run count as failed. */
export interface Severe {
  /** Warnings count, too. */
  readonly strict?: boolean | undefined;
  readonly gate?: Gate | undefined;
}

export const exitStatus = {
  clean: 0,
  findings: 1,
  unusable: 2,
  inconclusive: 3,
  interrupted: 130,
} as const;

/** Verdicts that only findings bring about. */
const OF_FINDINGS: ReadonlySet<Verdict> = new Set([
  'crashes',
  'fails',
  'loses-dirty-pages',
  'leaves-mappings',
]);

/** Answers with which nothing can go wrong: QEMU migrates the VM unharmed, or not at all. */
const PASSING: ReadonlySet<MigrationAnswer> = new Set(['yes', 'refused']);

/** One step up: what a hazard that was not tracked would have been. */
const IF_IT_HAPPENED: Readonly<Record<Severity, Severity>> = {
  error: 'error',
  warning: 'error',
  note: 'warning',
};

/**
 * The exit status of a run. In a batch an input that could not be used outweighs findings, these
 * outweigh what is inconclusive.
 */
export function exitStatusOf(result: Result, failOn: FailLevel, severe: Severe = {}): number {
  const statuses = result.traces.map((trace) => statusOfTrace(trace, failOn, severe));
  for (const status of [exitStatus.unusable, exitStatus.findings, exitStatus.inconclusive]) {
    if (statuses.includes(status)) return status;
  }
  return exitStatus.clean;
}

function statusOfTrace(trace: Trace, failOn: FailLevel, { gate, strict }: Severe): number {
  if (trace.error !== undefined) return exitStatus.unusable;
  const isHeldBack = gate === 'migrate' && !PASSING.has(trace.migration.answer);
  if (isHeldBack || hasFindings(trace, failOn, strict === true)) return exitStatus.findings;
  return trace.verdict === 'inconclusive' ? exitStatus.inconclusive : exitStatus.clean;
}

function hasFindings(trace: Trace, failOn: FailLevel, strict: boolean): boolean {
  if (failOn === 'none') return false;
  if (countedFindings(trace, failOn, { strict }).length > 0) return true;
  const { sessions, verdict } = trace;
  // Of boots that are not listed one by one, the verdict alone tells.
  const isListed = sessions.some((session) => session.verdict === verdict);
  return failOn !== 'observed' && !isListed && OF_FINDINGS.has(verdict);
}

/** The findings that make the exit status 1; those that a baseline accepts do not. */
export function countedFindings(
  { sessions }: Trace,
  failOn: FailLevel,
  { strict }: Severe = {},
): readonly Finding[] {
  if (failOn === 'none') return [];
  return sessions.flatMap(({ findings }) =>
    findings.filter((finding) => isCounted(finding, failOn, strict === true)),
  );
}

function isCounted({ accepted, mode, severity }: Finding, failOn: Mode, strict: boolean): boolean {
  if (accepted !== undefined) return false;
  if (mode === null || modes.indexOf(mode) > modes.indexOf(failOn)) return false;
  const grade = mode === 'what-if' ? IF_IT_HAPPENED[severity] : severity;
  return grade === 'error' || (strict && grade === 'warning');
}
