import { UsageError } from '../base/errors.ts';
import { jsonText } from '../base/json-text.ts';
import type { Acceptance, Finding, Result, Trace } from './types.ts';

/*
 * A baseline: findings that somebody knows of and has accepted, each with the reason, and until when.
 * They stay in the result, marked, and no longer make a run fail. The verdict is that of the trace and
 * does not change, nor does the answer whether to migrate.
 */

/** One thing that is accepted: every finding that has all that the entry names. */
export interface BaselineEntry {
  /** The finding's id. */
  readonly finding?: string;
  /** The trace's path, or the end of it, from a folder on. */
  readonly trace?: string;
  readonly rule?: string;
  readonly device?: string;
  readonly mode?: string;
  readonly cause?: string;
  readonly reason: string;
  /** The last day, in UTC, as `2027-01-31`; absent: for good. */
  readonly until?: string;
}

/** What becomes of a result by a baseline. */
export interface Accepted {
  readonly result: Result;
  /** Findings that are accepted. */
  readonly count: number;
  /** Entries that would have accepted a finding until a day that is over. */
  readonly expired: readonly BaselineEntry[];
  /** Entries that no finding has to do with. */
  readonly unused: readonly BaselineEntry[];
}

const VERSION = 1;
/** What an entry is matched by; one of them at least names a finding or a rule. */
const CRITERIA = ['finding', 'trace', 'rule', 'device', 'mode', 'cause'] as const;
const FIELDS: ReadonlySet<string> = new Set([...CRITERIA, 'reason', 'until']);
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/**
 * The entries of a baseline's text.
 *
 * @throws UsageError that names the file, and the entry that is wrong.
 */
export function parseBaseline(text: string, path: string): readonly BaselineEntry[] {
  const wrong = (problem: string): never => {
    throw new UsageError(`${path}: ${problem}`);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (thrown) {
    wrong(`no JSON: ${(thrown as Error).message}`);
  }
  const { accepted, version } = isObject(parsed) ? parsed : {};
  if (version !== VERSION || !Array.isArray(accepted)) {
    return wrong(`no baseline: expected {"version": ${VERSION}, "accepted": [...]}`);
  }
  return accepted.map((entry: unknown, index) => {
    const problem = problemOf(entry);
    return problem === null ? (entry as BaselineEntry) : wrong(`entry ${index + 1}: ${problem}`);
  });
}

/** What is wrong with an entry; null: nothing. */
function problemOf(entry: unknown): string | null {
  if (!isObject(entry)) return 'expected an object';
  for (const [key, value] of Object.entries(entry)) {
    if (!FIELDS.has(key)) return `unknown field ${key}`;
    if (typeof value !== 'string' || value.trim() === '') return `${key}: expected text`;
  }
  const { finding, reason, rule, until } = entry;
  if (reason === undefined) return 'it has no reason';
  if (finding === undefined && rule === undefined) return 'it names neither a finding nor a rule';
  return until === undefined || isDay(String(until)) ? null : 'until: expected a day as 2027-01-31';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a text is a day of the calendar, as `2027-01-31`. */
export function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return (
    DAY.test(text) && !Number.isNaN(date.valueOf()) && date.toISOString().slice(0, 10) === text
  );
}

/** A baseline as a file holds it. */
export function baselineText(entries: readonly BaselineEntry[]): string {
  return `${jsonText({ version: VERSION, accepted: entries }, 2)}\n`;
}

/**
 * Marks the findings that a baseline accepts.
 *
 * `today`: as `2027-01-31`; an entry holds through its last day.
 */
export function accept(result: Result, entries: readonly BaselineEntry[], today: string): Accepted {
  const used = new Set<BaselineEntry>();
  const expired = new Set<BaselineEntry>();
  let count = 0;
  const marked = (finding: Finding, trace: Trace): Finding => {
    const fitting = entries.filter((entry) => fits(entry, finding, trace));
    for (const entry of fitting) used.add(entry);
    const holding = fitting.find((entry) => !isOver(entry, today));
    if (holding === undefined) {
      for (const entry of fitting) expired.add(entry);
      return finding;
    }
    count += 1;
    const { reason, until = null } = holding;
    return { ...finding, accepted: { reason, until } };
  };
  const traces = result.traces.map((trace) => ({
    ...trace,
    sessions: trace.sessions.map((session) => ({
      ...session,
      findings: session.findings.map((finding) => marked(finding, trace)),
    })),
  }));
  return {
    result: { ...result, traces },
    count,
    expired: entries.filter((entry) => expired.has(entry)),
    unused: entries.filter((entry) => !used.has(entry)),
  };
}

function isOver({ until }: BaselineEntry, today: string): boolean {
  return until !== undefined && until < today;
}

function fits(entry: BaselineEntry, finding: Finding, { path }: Trace): boolean {
  const { cause, device, id, mode, rule } = finding;
  const is = (wanted: string | undefined, value: string | null) =>
    wanted === undefined || wanted === value;
  return (
    is(entry.finding, id) &&
    is(entry.rule, rule) &&
    is(entry.device, device) &&
    is(entry.mode, mode) &&
    is(entry.cause, cause) &&
    (entry.trace === undefined || isEndOf(entry.trace, path))
  );
}

/** `b/c.log` is the end of `a/b/c.log`, and of itself; `c.log` is none of `bc.log`. */
function isEndOf(end: string, path: string): boolean {
  return `/${normal(path)}`.endsWith(`/${normal(end)}`);
}

/** Only with slashes, and without `./` and `/` before it. */
function normal(path: string): string {
  return path.replaceAll('\\', '/').replace(/^(?:\.?\/)+/, '');
}

/**
 * A baseline that accepts some more findings, for a reason. Entries that are there stay, but for
 * those that have expired and accepted one of them: the new ones take their places.
 */
export function extended(
  entries: readonly BaselineEntry[],
  more: readonly { readonly trace: Trace; readonly finding: Finding }[],
  { reason, until }: Acceptance,
  today: string,
): readonly BaselineEntry[] {
  const isReplaced = (entry: BaselineEntry) =>
    isOver(entry, today) && more.some(({ finding, trace }) => fits(entry, finding, trace));
  const added = new Map<string, BaselineEntry>();
  for (const { finding, trace } of more) {
    const entry = entryOf(finding, trace, reason, until);
    // Boots of one trace may have findings of one id.
    added.set(`${entry.trace}\0${entry.finding}`, entry);
  }
  return [...entries.filter((entry) => !isReplaced(entry)), ...added.values()];
}

/** Only `finding` and `trace` would do: the rest tells people what it is. */
function entryOf(
  { cause, device, id, mode, rule }: Finding,
  { path }: Trace,
  reason: string,
  until: string | null,
): BaselineEntry {
  return {
    finding: id,
    trace: shortPath(path),
    rule,
    ...(device !== null && { device }),
    ...(mode !== null && { mode }),
    ...(cause !== null && { cause }),
    reason,
    ...(until !== null && { until }),
  };
}

/** As it was given; of an absolute path the name alone, as the folder may be another elsewhere. */
function shortPath(path: string): string {
  const isAbsolute = /^(?:\/|\\|[A-Za-z]:[\\/])/.test(path);
  return isAbsolute ? (normal(path).split('/').at(-1) ?? path) : normal(path);
}
