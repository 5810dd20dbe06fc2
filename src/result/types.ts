/**
 * The JSON result, schema version 1.1. `result-1.1.schema.json` beside this file says the same to
 * other programs. Addresses and sizes in address space are lower-case hexadecimal strings, counts
 * and bytes of files are numbers, times are decimal nanoseconds of the trace's own clock.
 *
 * Interfaces list their fields in the order in which they are printed.
 */

import type { Fix } from '../base/fix.ts';
import type { Place } from '../base/place.ts';
import type {
  Backend,
  Cause,
  DirtyQuery,
  Evidence,
  MigrationAnswer,
  Mode,
  Severity,
  Verdict,
} from '../base/vocabulary.ts';

export type {
  Backend,
  Cause,
  DirtyQuery,
  Evidence,
  Fix,
  MigrationAnswer,
  Mode,
  Place,
  Severity,
  Verdict,
};

export const SCHEMA_VERSION = '1.1';

/** `0x` and lower-case digits. */
export type Hex = `0x${string}`;

export type RuleId = `VTD${string}`;
/** Where the value of a model parameter comes from. */
export type ValueSource = 'option' | 'trace' | 'derived' | 'assumed';
export type Clock = 'wall' | 'monotonic' | 'boot' | 'none';

export interface Result {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly tool: { readonly name: string; readonly version: string };
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly exposed: Exposed;
  readonly traces: readonly Trace[];
  readonly totals: Totals;
}

/** Whether to migrate, and why. */
export interface Migration {
  readonly answer: MigrationAnswer;
  /** In words, to stand behind a colon. */
  readonly why: string;
}

/** What would happen if dirty tracking were on where it was not, or is not known to have been. */
export interface Exposed {
  readonly e2big: boolean;
  readonly lostDirtyPages: boolean;
  readonly staleMappings: boolean;
  /** What could turn tracking on in this version of QEMU. */
  readonly via: readonly Via[];
}
export type VIommu = 'intel-iommu' | 'amd-iommu' | 'virtio-iommu';
export type Via = 'migration' | 'dirty-rate' | 'dirty-limit';

export interface Trace {
  /** As the user gave it; `-` for standard input. */
  readonly path: string;
  readonly format: string;
  /** Outermost first, joined by `+`; `none`. */
  readonly compression: string;
  /** Of the decompressed stream. */
  readonly bytes: number;
  readonly lines: number;
  /** Trace events, the skipped ones included. */
  readonly events: number;
  /** By name, the first some thousands in the alphabet; `(other names)` stands for all that are not listed. */
  readonly skippedEvents: Readonly<Record<string, number>>;
  readonly losses: readonly Loss[];
  readonly time: TraceTime;
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly exposed: Exposed;
  readonly reasons: readonly string[];
  readonly totals: Totals;
  readonly sessions: readonly Session[];
  /** What of the trace is reported; absent where all of it is. */
  readonly window?: ReportedWindow;
  /** The file grew while it was read; analysed is what it held when it was opened. Absent elsewhere. */
  readonly hasGrown?: true;
  /** Why the trace could not be analysed at all; absent where it was. */
  readonly error?: string;
}

/**
 * Findings, totals of unmaps, verdict and answer are of what came in the window; model, tracking windows,
 * containers, losses and reasons are of the whole trace, all of which was replayed.
 */
export interface ReportedWindow {
  /** Times of the trace's clock, inclusive; null: from its start, to its end. */
  readonly since: string | null;
  readonly until: string | null;
  /** Of these devices, and of what no device is known; none: of all. */
  readonly devices: readonly string[];
}

export interface TraceTime {
  readonly clock: Clock;
  readonly first: string | null;
  readonly last: string | null;
}

export interface Loss {
  readonly kind:
    | 'dropped'
    | 'overwritten'
    | 'torn'
    | 'unreadable'
    | 'truncated'
    | 'missing-events'
    | 'starts-late'
    | 'rate-limited';
  readonly count: number;
  /** Of the first. */
  readonly line: number;
  readonly byteOffset: number;
  readonly detail: string;
}

/** One boot of one VM. */
export interface Session {
  /** The guest's name or another mark that tells this VM from others in the trace; null if there is none. */
  readonly vm: string | null;
  readonly firstLine: number;
  readonly lastLine: number;
  readonly model: Model;
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly exposed: Exposed;
  readonly reasons: readonly string[];
  readonly totals: Totals;
  readonly trackingWindows: readonly TrackingWindow[];
  readonly containers: readonly Container[];
  readonly addressSpaces: readonly AddressSpace[];
  readonly findings: readonly Finding[];
  readonly activity: Activity;
  /** Lines of QEMU's that no rule knows; absent where there is none. */
  readonly unknownMessages?: UnknownMessages;
}

/** What QEMU said and nothing of it is known. */
export interface UnknownMessages {
  /** Lines in all. */
  readonly count: number;
  /** The first line of each text, numbers and addresses apart; at most 20, in the order of the trace. */
  readonly texts: readonly UnknownText[];
}

export interface UnknownText {
  /** The line, at most 160 characters of it. */
  readonly text: string;
  readonly line: number;
  readonly count: number;
}

/** The course of a session, for charts. */
export interface Activity {
  /** At most 256, in order; longer sessions have longer steps. */
  readonly steps: readonly ActivityStep[];
  /** The different pieces of whole unmaps, lowest first; at most 128. */
  readonly pieces: readonly ActivityPiece[];
}

export interface ActivityStep {
  /** Line and time at which the step begins. */
  readonly line: number;
  readonly time: string | null;
  /** Mappings of the host, at most, in the step. */
  readonly hostMappings: number;
  readonly unmaps: number;
  /** Those of them that are pieces of whole unmaps. */
  readonly pieces: number;
  /** Those of them that failed while tracking was on. */
  readonly failures: number;
  /** Those of them that lost dirty bits while tracking was on; absent where none did. */
  readonly losses?: number;
  /** Host mappings that were left behind in the step; absent where none were. */
  readonly stale?: number;
}

export interface ActivityPiece {
  readonly iova: Hex;
  readonly size: Hex;
  readonly bitmapBytes: Hex;
  readonly count: number;
  readonly failed: number;
}

export interface Resolved<Value> {
  readonly value: Value;
  readonly source: ValueSource;
  /** The option, line or default that it comes from. */
  readonly from: string;
}

export interface Model {
  /** The version of QEMU whose behaviour is emulated, e.g. `10.0`; null where none could be told. */
  readonly qemu: Resolved<string | null>;
  /** `none`: no line of one is in the trace; null: and none of VFIO. */
  readonly vIommu: Resolved<VIommu | 'none' | null>;
  readonly hostPageSize: Resolved<number>;
  readonly maxDirtyBitmapBytes: Resolved<number>;
  readonly awBits: Resolved<number | null>;
  readonly dmaEntryLimit: Resolved<number>;
  readonly ramSize: Resolved<Hex | null>;
  readonly below4g: Resolved<Hex | null>;
  readonly tracking: Resolved<'from-trace' | 'on' | 'off'>;
}

export interface Container {
  readonly id: string;
  readonly backend: Resolved<Backend>;
  readonly devices: readonly string[];
  readonly hostMappings: NowAndPeak;
}

export interface NowAndPeak {
  readonly now: number;
  readonly peak: number;
}

export interface AddressSpace {
  /** `bb:ss.f`, or null where no line names the device. */
  readonly device: string | null;
  readonly pasid: number | null;
  readonly container: string | null;
  /** The IOMMU of the VM that the device is behind, by QEMU's name. */
  readonly vIommu: VIommu;
  readonly domain: number | null;
  readonly notifiers: readonly { readonly start: Hex; readonly end: Hex }[];
  readonly shadow: NowAndPeak;
  /** Host mappings that an unmap should have removed and did not. */
  readonly stale: readonly StaleMapping[];
}

export interface StaleMapping {
  readonly iova: Hex;
  readonly size: Hex;
  readonly gpa: Hex | null;
}

export interface TrackingWindow {
  readonly firstLine: number;
  /** Null where tracking was still on when the session ended. */
  readonly lastLine: number | null;
  readonly firstTime: string | null;
  readonly lastTime: string | null;
  /** `migration`, `dirty-rate`, `dirty-limit`, several joined by `+`, or `unknown`. */
  readonly by: string;
  /** How the migration ended that ran in it; absent where none did, or no line tells it. */
  readonly migration?: 'completed' | 'cancelled' | 'failed';
  readonly unmaps: number;
}

export interface Totals {
  readonly unmaps: number;
  readonly wholeUnmaps: number;
  readonly walkUnmaps: number;
  /** Unmaps of which the trace does not tell the device beyond doubt: `device` is null in `--unmaps`. */
  readonly withoutDevice: number;
  /** Tracking was on: real hazards. */
  readonly tracked: Hazards;
  /** Tracking was off: the same unmaps, evaluated as if it had been on. */
  readonly untracked: Hazards;
  /** The trace does not show whether tracking was on. */
  readonly unknownTracking: Hazards;
  readonly observed: { readonly failures: number; readonly e2big: number };
  readonly hostMappings: NowAndPeak;
  readonly shadowMappings: NowAndPeak;
}

export interface Hazards {
  readonly unmaps: number;
  /** Unmaps whose dirty bitmap is larger than the container accepts. */
  readonly e2big: number;
  /** Unmaps that carry translated address 0, harmful or not. */
  readonly zeroAddress: number;
  /** Those under which a writable mapping's dirty bits go to the wrong place. */
  readonly harmfulZeroAddress: number;
  readonly wrongAddress: number;
  readonly noQuery: number;
  /** Bytes of guest memory in the union of what is at risk. */
  readonly atRiskBytes: number;
}

export interface GuestRange {
  readonly gpa: Hex;
  readonly size: Hex;
}

/** One hazard of one device in one tracking window, however often it came. */
export interface Finding {
  /** Stable over runs: a hash of rule, device, mode, cause and the window's ordinal. */
  readonly id: string;
  readonly rule: RuleId;
  readonly slug: string;
  readonly severity: Severity;
  /** What it makes of its session; null: nothing. */
  readonly verdict: Verdict | null;
  /** Null for what is no hazard of an unmap: blockers, losses. */
  readonly mode: Mode | null;
  readonly evidence: Evidence;
  readonly device: string | null;
  readonly pasid: number | null;
  readonly container: string | null;
  readonly domain: number | null;
  readonly cause: Cause | null;
  readonly count: number;
  readonly first: Place;
  readonly last: Place;
  // These describe the first.
  readonly iova: Hex | null;
  readonly size: Hex | null;
  readonly carriedAddress: Hex | null;
  readonly expectedAddress: Hex | null;
  readonly bitmapBytes: Hex | null;
  readonly limitBytes: Hex | null;
  readonly errno: number | null;
  readonly worst: {
    readonly place: Place;
    readonly iova: Hex | null;
    readonly size: Hex | null;
    readonly bitmapBytes: Hex | null;
  } | null;
  /** Union of the guest-physical ranges at risk. */
  readonly atRisk: readonly GuestRange[];
  readonly atRiskBytes: number;
  readonly message: string;
  /** What the finding was derived from, and for assumptions what would settle them. */
  readonly basis: readonly string[];
  /** What mends it, in sentences. */
  readonly fix: string;
  /** The same as data. */
  readonly fixDetails: Fix;
  /** Lines of the trace around the first, each as `number: text`. */
  readonly excerpt: readonly string[];
  /** The baseline accepts it: it does not make a run fail. Absent elsewhere. */
  readonly accepted?: Acceptance;
}

/** Why a finding is accepted. */
export interface Acceptance {
  readonly reason: string;
  /** The last day, in UTC, as `2027-01-31`; null: for good. */
  readonly until: string | null;
}

/** One line of `--unmaps`, in the order of the trace. */
export interface UnmapRecord {
  readonly line: number;
  readonly time: string | null;
  /** Index of the session in the trace, from 0. */
  readonly session: number;
  readonly device: string | null;
  readonly container: string | null;
  readonly domain: number | null;
  readonly cause: Cause;
  readonly iova: Hex;
  readonly size: Hex;
  readonly tracked: boolean | null;
  readonly query: DirtyQuery | null;
  readonly carriedAddress: Hex | null;
  readonly bitmapBytes: Hex;
  readonly errno: number;
  readonly mode: Mode | null;
  readonly atRisk: readonly (readonly [gpa: Hex, size: Hex])[];
}

/** One line of `--mappings`: the state at the end of a session. */
export interface MappingRecord {
  readonly session: number;
  readonly container: string | null;
  readonly device: string | null;
  readonly iova: Hex;
  readonly size: Hex;
  readonly gpa: Hex | null;
  /** `r`, `w`, `rw`, or null where the trace does not tell. */
  readonly perm: string | null;
  readonly in: 'shadow' | 'host' | 'both';
  readonly stale: boolean;
}
