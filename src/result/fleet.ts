import type {
  Cause,
  Evidence,
  Exposed,
  Migration,
  Mode,
  RuleId,
  Severity,
  Verdict,
} from './types.ts';

/** What many machines found, a row for each session and finding. Interfaces list their fields as printed. */
export interface Fleet {
  readonly schema: typeof FLEET_SCHEMA;
  readonly tool: { readonly name: string; readonly version: string };
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly counts: FleetCounts;
  /** In the order of their names. */
  readonly traces: readonly FleetTrace[];
}

export const FLEET_SCHEMA = 'vtdscope-fleet-1';

export interface FleetCounts {
  readonly traces: number;
  /** In the manifest, and without a result. */
  readonly missing: number;
  /** Could not be analysed. */
  readonly failed: number;
  /** Traces by the answer whether to migrate. */
  readonly migration: Readonly<Record<Migration['answer'], number>>;
  readonly verdict: Readonly<Record<Verdict, number>>;
}

/** A trace of the manifest. */
export interface FleetTrace {
  readonly trace: string;
  readonly state: 'analysed' | 'failed' | 'missing';
  /** Why it failed; null elsewhere. */
  readonly error: string | null;
  /** The name of its own result among the others. */
  readonly key: string;
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly sessions: readonly FleetSession[];
}

export interface FleetSession {
  readonly vm: string | null;
  readonly qemu: string | null;
  readonly vIommu: string | null;
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly exposed: Exposed;
  readonly unmaps: number;
  /** Unmaps that failed, or would have, while dirty pages were tracked. */
  readonly failures: number;
  /** Bytes of guest memory that were at risk while dirty pages were tracked. */
  readonly atRiskBytes: number;
  readonly findings: readonly FleetFinding[];
}

export interface FleetFinding {
  readonly id: string;
  readonly rule: RuleId;
  readonly slug: string;
  readonly severity: Severity;
  readonly mode: Mode | null;
  readonly evidence: Evidence;
  readonly device: string | null;
  readonly cause: Cause | null;
  readonly count: number;
  readonly errno: number | null;
  readonly firstLine: number;
  readonly firstTime: string | null;
  readonly atRiskBytes: number;
}
