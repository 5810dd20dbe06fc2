import type { Result, Trace, Verdict } from '../result/types.ts';

/** From which findings on a run counts as failed. */
export const failLevels = ['observed', 'active', 'what-if', 'none'] as const;
export type FailLevel = (typeof failLevels)[number];

export const exitStatus = {
  clean: 0,
  findings: 1,
  unusable: 2,
  inconclusive: 3,
  interrupted: 130,
} as const;

/** Verdicts that findings of an active or observed hazard bring about. */
const BAD: ReadonlySet<Verdict> = new Set([
  'crashes',
  'fails',
  'loses-dirty-pages',
  'leaves-mappings',
]);

/**
 * The exit status of a run. In a batch an input that could not be used outweighs findings, these
 * outweigh what is inconclusive.
 */
export function exitStatusOf(result: Result, failOn: FailLevel): number {
  const statuses = result.traces.map((trace) => statusOfTrace(trace, failOn));
  for (const status of [exitStatus.unusable, exitStatus.findings, exitStatus.inconclusive]) {
    if (statuses.includes(status)) return status;
  }
  return exitStatus.clean;
}

function statusOfTrace(trace: Trace, failOn: FailLevel): number {
  if (trace.error !== undefined) return exitStatus.unusable;
  if (hasFindings(trace, failOn)) return exitStatus.findings;
  return trace.verdict === 'inconclusive' ? exitStatus.inconclusive : exitStatus.clean;
}

function hasFindings(trace: Trace, failOn: FailLevel): boolean {
  const isBad = BAD.has(trace.verdict);
  switch (failOn) {
    case 'none':
      return false;
    case 'active':
      return isBad;
    case 'observed':
      return trace.sessions.some(({ findings }) =>
        findings.some(({ mode, severity }) => mode === 'observed' && severity === 'error'),
      );
    case 'what-if': {
      const { e2big, lostDirtyPages, staleMappings } = trace.exposed;
      return isBad || e2big || lostDirtyPages || staleMappings;
    }
    default:
      return failOn satisfies never;
  }
}
