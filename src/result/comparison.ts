import { type Cause, migrationAnswers, verdicts } from '../base/vocabulary.ts';
import { plural } from '../base/words.ts';
import type {
  Evidence,
  Exposed,
  Finding,
  Hex,
  Migration,
  Mode,
  Result,
  RuleId,
  Severity,
  Totals,
  Verdict,
} from './types.ts';
import { toolVersion } from './version.ts';

/**
 * What two results have in common, and what is new or gone. `comparison-1.schema.json` beside this file
 * says the same to other programs. Interfaces list their fields as printed.
 */
export interface Comparison {
  readonly schema: typeof COMPARISON_SCHEMA;
  readonly tool: { readonly name: string; readonly version: string };
  /** Something in `after` is worse than in `before`; `worse` says what, in words. */
  readonly isWorse: boolean;
  readonly worse: readonly string[];
  readonly before: ComparedResult;
  readonly after: ComparedResult;
  readonly findings: {
    readonly new: readonly ComparedFinding[];
    readonly gone: readonly ComparedFinding[];
    readonly unchanged: readonly PairedFinding[];
  };
  /** Null where one of both is a result, which lists no unmaps. */
  readonly unmaps: ComparedUnmaps | null;
}

export const COMPARISON_SCHEMA = 'vtdscope-comparison-1';

/** One of the two, in brief. */
export interface ComparedResult {
  readonly path: string;
  /** Versions of QEMU, in the order of the sessions; null where none could be told. */
  readonly qemu: readonly (string | null)[];
  readonly verdict: Verdict;
  readonly migration: Migration;
  readonly exposed: Exposed;
  readonly sessions: number;
  readonly totals: Totals;
}

export interface ComparedFinding {
  readonly id: string;
  /** Of which trace, where there are several; null: the only one. */
  readonly trace: string | null;
  /** Index of the session in its trace, from 0. */
  readonly session: number;
  readonly rule: RuleId;
  readonly slug: string;
  readonly severity: Severity;
  readonly mode: Mode | null;
  readonly evidence: Evidence;
  readonly device: string | null;
  readonly cause: Cause | null;
  readonly count: number;
  readonly atRiskBytes: number;
  readonly firstLine: number;
  readonly message: string;
}

/** A finding that is in both. */
export interface PairedFinding {
  readonly before: ComparedFinding;
  readonly after: ComparedFinding;
}

/** What became of the unmaps of one device, cause and range, worst first. */
export const unmapFates = ['fails', 'loses', 'would-fail', 'would-lose', 'harmless'] as const;
export type UnmapFate = (typeof unmapFates)[number];

/** The unmaps of one device, cause and range. */
export interface UnmapGroup {
  readonly device: string | null;
  readonly cause: Cause;
  readonly iova: Hex;
  readonly size: Hex;
  readonly unmaps: number;
  /** Of the worst of them. */
  readonly fate: UnmapFate;
  /** What the worst returned, or would have under dirty tracking. */
  readonly errno: number;
  /** Bytes of guest memory that one of them puts at risk, at most. */
  readonly atRiskBytes: number;
  /** Of the worst. */
  readonly line: number;
}

/** The unmaps of a trace by device, cause and range. */
export interface UnmapGroups {
  readonly groups: readonly UnmapGroup[];
  /** Unmaps of further ranges, which are in no group: there were too many. */
  readonly left: number;
}

export interface ComparedUnmaps {
  /** Ranges that both have, with the same end. */
  readonly alike: number;
  /** Ranges that both have, and that end in another way; lowest first. */
  readonly changed: readonly ChangedUnmaps[];
  /** Ranges of one alone. */
  readonly onlyBefore: OneSidedUnmaps;
  readonly onlyAfter: OneSidedUnmaps;
  /** Unmaps of further ranges that were not compared. */
  readonly leftBefore: number;
  readonly leftAfter: number;
}

export interface ChangedUnmaps {
  readonly isWorse: boolean;
  readonly before: UnmapGroup;
  readonly after: UnmapGroup;
}

export interface OneSidedUnmaps {
  readonly ranges: number;
  readonly unmaps: number;
  /** Those of them that do harm, or would, worst first; at most 1000. */
  readonly harmful: readonly UnmapGroup[];
}

/** One of two things to compare. */
export interface ComparedInput {
  readonly path: string;
  readonly result: Result;
  /** Null: it is a result, which lists no unmaps. */
  readonly unmaps: UnmapGroups | null;
}

/** Ranges listed of those that one of both has alone. */
const MOST_LISTED = 1000;

/** Compares two results, and the unmaps where both are known. */
export function compareResults(before: ComparedInput, after: ComparedInput): Comparison {
  const findings = pairFindings(findingsOf(before, after), findingsOf(after, before));
  const unmaps =
    before.unmaps === null || after.unmaps === null
      ? null
      : pairUnmaps(before.unmaps, after.unmaps);
  const worse = worseIn(before.result, after.result, findings, unmaps);
  return {
    schema: COMPARISON_SCHEMA,
    tool: { name: 'vtdscope', version: toolVersion() },
    isWorse: worse.length > 0,
    worse,
    before: briefOf(before),
    after: briefOf(after),
    findings,
    unmaps,
  };
}

function briefOf({ path, result }: ComparedInput): ComparedResult {
  const sessions = result.traces.flatMap((trace) => trace.sessions);
  return {
    path,
    qemu: [...new Set(sessions.map(({ model }) => model.qemu.value))],
    verdict: result.verdict,
    migration: result.migration,
    exposed: result.exposed,
    sessions: sessions.length,
    totals: result.totals,
  };
}

// --- Findings ----------------------------------------------------------------------------------------

/** All findings; the traces of a batch are told apart by their paths, and two single ones not at all. */
function findingsOf(one: ComparedInput, other: ComparedInput): readonly ComparedFinding[] {
  const isAlone = one.result.traces.length === 1 && other.result.traces.length === 1;
  return one.result.traces.flatMap(({ path, sessions }) =>
    sessions.flatMap(({ findings }, session) =>
      findings.map((finding) => comparedFinding(finding, isAlone ? null : path, session)),
    ),
  );
}

function comparedFinding(finding: Finding, trace: string | null, session: number): ComparedFinding {
  const { atRiskBytes, cause, count, device, evidence, first, id, message, mode, rule } = finding;
  return {
    id,
    trace,
    session,
    rule,
    slug: finding.slug,
    severity: finding.severity,
    mode,
    evidence,
    device,
    cause,
    count,
    atRiskBytes,
    firstLine: first.line,
    message,
  };
}

/** Pairs by id; where several of a session have the same, as devices without a name, in their order. */
function pairFindings(
  before: readonly ComparedFinding[],
  after: readonly ComparedFinding[],
): Comparison['findings'] {
  const waiting = new Map<string, ComparedFinding[]>();
  for (const finding of before) {
    const alike = waiting.get(keyOf(finding));
    if (alike === undefined) waiting.set(keyOf(finding), [finding]);
    else alike.push(finding);
  }
  const fresh: ComparedFinding[] = [];
  const unchanged: PairedFinding[] = [];
  for (const finding of after) {
    const partner = waiting.get(keyOf(finding))?.shift();
    if (partner === undefined) fresh.push(finding);
    else unchanged.push({ before: partner, after: finding });
  }
  const left = new Set([...waiting.values()].flat());
  return { new: fresh, gone: before.filter((finding) => left.has(finding)), unchanged };
}

function keyOf({ id, session, trace }: ComparedFinding): string {
  return `${id} ${session} ${trace ?? ''}`;
}

// --- Unmaps ------------------------------------------------------------------------------------------

function pairUnmaps(before: UnmapGroups, after: UnmapGroups): ComparedUnmaps {
  const left = new Map(before.groups.map((group) => [rangeKey(group), group]));
  const changed: ChangedUnmaps[] = [];
  const fresh: UnmapGroup[] = [];
  let alike = 0;
  for (const group of after.groups) {
    const partner = left.get(rangeKey(group));
    if (partner === undefined) fresh.push(group);
    else {
      left.delete(rangeKey(group));
      if (partner.fate === group.fate && partner.errno === group.errno) alike += 1;
      else changed.push({ isWorse: isWorseFate(partner, group), before: partner, after: group });
    }
  }
  changed.sort((one, other) => compareRanges(one.after, other.after));
  return {
    alike,
    changed,
    onlyBefore: oneSided([...left.values()]),
    onlyAfter: oneSided(fresh),
    leftBefore: before.left,
    leftAfter: after.left,
  };
}

function rangeKey({ cause, device, iova, size }: UnmapGroup): string {
  return `${device ?? ''} ${cause} ${iova} ${size}`;
}

const rankOf = ({ fate }: UnmapGroup) => unmapFates.indexOf(fate);

function isWorseFate(before: UnmapGroup, after: UnmapGroup): boolean {
  return rankOf(after) < rankOf(before);
}

function compareRanges(one: UnmapGroup, other: UnmapGroup): number {
  const byAddress = compareHex(one.iova, other.iova) || compareHex(one.size, other.size);
  if (byAddress !== 0) return byAddress;
  return rangeKey(one) < rangeKey(other) ? -1 : 1;
}

/** Hexadecimal numbers without leading zeros: the longer is the larger. */
function compareHex(one: Hex, other: Hex): number {
  if (one.length !== other.length) return one.length - other.length;
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function oneSided(groups: readonly UnmapGroup[]): OneSidedUnmaps {
  const harmful = groups
    .filter(({ fate }) => fate !== 'harmless')
    .sort((one, other) => rankOf(one) - rankOf(other) || compareRanges(one, other));
  return {
    ranges: groups.length,
    unmaps: groups.reduce((sum, { unmaps }) => sum + unmaps, 0),
    harmful: harmful.slice(0, MOST_LISTED),
  };
}

// --- What is worse -----------------------------------------------------------------------------------

function worseIn(
  before: Result,
  after: Result,
  { gone, new: fresh, unchanged }: Comparison['findings'],
  unmaps: ComparedUnmaps | null,
): readonly string[] {
  const worse: string[] = [];
  if (verdicts.indexOf(after.verdict) < verdicts.indexOf(before.verdict)) {
    worse.push(`the verdict was ${before.verdict} and is ${after.verdict}`);
  }
  const [answer, answerNow] = [before.migration.answer, after.migration.answer];
  if (migrationAnswers.indexOf(answerNow) < migrationAnswers.indexOf(answer)) {
    worse.push(`the answer whether to migrate was ${answer} and is ${answerNow}`);
  }
  const known = [...gone, ...unchanged.map((pair) => pair.before)];
  for (const finding of fresh) {
    if (finding.severity === 'note' || known.some((old) => isAsBad(old, finding))) continue;
    const { device, id, mode, rule, slug } = finding;
    const where = device === null ? '' : ` of ${device}`;
    worse.push(`new: ${rule} ${slug}${where}${mode === null ? '' : `, ${mode}`} (${id})`);
  }
  const count = unmaps?.changed.filter(({ isWorse }) => isWorse).length ?? 0;
  if (count > 0) worse.push(`${plural(count, 'range')} of unmaps with a worse end than before`);
  return worse;
}

const SEVERITIES: readonly Severity[] = ['error', 'warning', 'note'];

/** The same hazard was there before, in another window or mode, and no milder. */
function isAsBad(old: ComparedFinding, { cause, device, mode, rule, severity }: ComparedFinding) {
  return (
    old.rule === rule &&
    old.device === device &&
    old.cause === cause &&
    SEVERITIES.indexOf(old.severity) <= SEVERITIES.indexOf(severity) &&
    (old.mode !== 'what-if' || mode === 'what-if')
  );
}
