import { humanSize } from '../base/address.ts';
import type { PageRangeSet } from '../base/page-range-set.ts';
import { gravityOf } from '../result/gravity.ts';
import type { Finding, RuleId, Session, Trace } from '../result/types.ts';
import { union } from './guest-ranges.ts';

/** What people are told of a result, in whatever form: order and selection. */

export const E2BIG_RULE: RuleId = 'VTD001';
/** Its ranges are those of mappings that stayed, not of bits that were lost. */
export const STALE_RULE: RuleId = 'VTD005';
export const PAST_RAM_RULE: RuleId = 'VTD006';
export const NO_SYNC_RULE: RuleId = 'VTD016';
/** Unmaps that succeed and lose dirty bits; an unmap is in one of them at most. */
export const LOSING_RULES: readonly RuleId[] = ['VTD002', 'VTD003', 'VTD004'];

/** A session with its findings sorted by what they are. */
export interface Digest {
  /** Observed, or active: they happened. Worst first. */
  readonly real: readonly Finding[];
  /** Blockers and losses: no hazards of an unmap. */
  readonly notes: readonly Finding[];
  /** They would happen if dirty tracking were on. Worst first. */
  readonly whatIf: readonly Finding[];
}

const MODE_RANK = { observed: 0, active: 1 } as const;
const SEVERITY_RANK = { error: 0, warning: 10, note: 20 } as const;
/** What did not happen comes after everything that did. */
const WHAT_IF = 100;

/** Worst first: errors before warnings, then what was seen, then by rule, memory at risk and place. */
export function compareFindings(a: Finding, b: Finding): number {
  const [ruleOfA, ruleOfB] = [gravityOf(a.rule), gravityOf(b.rule)];
  return (
    rankOf(a) - rankOf(b) ||
    (ruleOfA < ruleOfB ? -1 : ruleOfA > ruleOfB ? 1 : 0) ||
    b.atRiskBytes - a.atRiskBytes ||
    a.first.line - b.first.line
  );
}

function rankOf({ mode, severity }: Finding): number {
  if (mode === 'what-if') return WHAT_IF + SEVERITY_RANK[severity];
  return SEVERITY_RANK[severity] + (mode === null ? 2 : MODE_RANK[mode]);
}

/** Sorts the findings of a session. */
export function digestOf({ findings }: Pick<Session, 'findings'>): Digest {
  const sorted = [...findings].sort(compareFindings);
  return {
    real: sorted.filter(({ mode }) => mode === 'observed' || mode === 'active'),
    notes: sorted.filter(({ mode }) => mode === null),
    whatIf: sorted.filter(({ mode }) => mode === 'what-if'),
  };
}

// --- Guest memory ------------------------------------------------------------------------------------

/** About the memory of a bitmap; its ranges are those of other findings. */
const BITMAP_MEMORY_RULE: RuleId = 'VTD007';

/** True for findings that a bitmap's size is the matter of. */
export function isAboutBitmap({ rule }: Finding): boolean {
  return rule === E2BIG_RULE || rule === BITMAP_MEMORY_RULE;
}

/** Whether its range is that of a mapping, and of no unmap. */
export function isAboutMapping({ cause, rule }: Finding): boolean {
  return cause === null || rule === STALE_RULE;
}

/** Guest memory whose dirty bits these findings lose. */
export function memoryAtRisk(findings: readonly Finding[]): PageRangeSet {
  const losing = findings.filter(({ rule }) => rule !== STALE_RULE && rule !== BITMAP_MEMORY_RULE);
  return union(losing.map(({ atRisk }) => atRisk));
}

/** Guest memory that a device can still reach although its mapping should be gone. */
export function memoryStillReachable(findings: readonly Finding[]): PageRangeSet {
  return union(findings.filter(({ rule }) => rule === STALE_RULE).map(({ atRisk }) => atRisk));
}

/** True where dirty bits are lost: if no memory is named, it is unknown whose. */
export function losesSomething(findings: readonly Finding[]): boolean {
  return findings.some(
    ({ cause, severity, rule }) =>
      severity === 'error' && rule !== STALE_RULE && (cause !== null || rule === E2BIG_RULE),
  );
}

/** How much guest memory is at risk in a trace, in a few characters; '' where none is. */
export function atRiskText({ sessions, totals }: Trace): string {
  const { atRiskBytes } = totals.tracked;
  if (atRiskBytes > 0) return humanSize(atRiskBytes);
  return sessions.some((session) => losesSomething(digestOf(session).real)) ? 'unknown' : '';
}

/** Host mappings of a trace that outlived the unmap that should have removed them. */
export function staleMappingsOf({ sessions }: Trace): number {
  return sessions
    .flatMap((session) => digestOf(session).real)
    .filter(({ rule, severity }) => rule === STALE_RULE && severity === 'error')
    .reduce((sum, { count }) => sum + count, 0);
}
