import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { kindOfName } from '../../src/events/catalogue/index.ts';
import type { Finding, UnmapRecord } from '../../src/result/types.ts';
import { type Analysis, analyzeLines } from './analyze.ts';
import { root } from './ground-truth.ts';

/** A log from which lines were taken, with what is known from the whole of it. */

/** A line of a log and its place in the whole. */
export interface Kept {
  readonly text: string;
  readonly original: number;
}

/** The name of the event that a line holds; '' where it holds none. */
export function eventOf(line: string): string {
  const [, name = ''] =
    /^(?:\d+@\d+\.\d+:|\d{4}-\d\d-\d\dT[\d:.]+Z )?([a-z][a-z0-9]*_\w+)(?: |$)/.exec(line) ?? [];
  return name;
}

/** The lines of a capture that say anything to the replay: its events, and QEMU's messages. */
export function tellingLines(log: string): readonly string[] {
  const bytes = readFileSync(join(root, log));
  const text = (log.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('latin1');
  return text
    .trimEnd()
    .split('\n')
    .filter((line) => eventOf(line) === '' || kindOfName(eventOf(line)) !== undefined);
}

export function analyzeKept(kept: readonly Kept[]): Promise<Analysis> {
  return analyzeLines(kept.map(({ text }) => text));
}

/** Rules about single unmaps: the whole log must show the same hazard of the same line. */
const OF_UNMAPS: ReadonlySet<string> = new Set([
  'VTD001',
  'VTD002',
  'VTD003',
  'VTD004',
  'VTD006',
  'VTD010',
]);
/** About the trace itself, and about what QEMU said in so many words. */
const OF_TRACE: ReadonlySet<string> = new Set(['VTD013', 'VTD014', 'VTD015']);

const isClaim = ({ evidence, mode }: Finding) => evidence !== 'assumed' && mode !== null;
const happened = (mode: string | null) => mode === 'observed' || mode === 'active';

/**
 * What the analysis of the thinned log claims against that of the whole: a `clean` although lines
 * that show harm are left, and findings with evidence that the whole does not have. `isSelective`:
 * one kind of event was left out; then the analyzer can know that it misses it.
 */
export function falseClaims(
  thinned: Analysis,
  whole: Analysis,
  kept: readonly Kept[],
  isSelective: boolean,
): readonly string[] {
  const claims: string[] = [];
  if (thinned.trace.verdict === 'clean' && showsHarm(whole, kept, isSelective)) {
    claims.push(`clean, where the whole is ${whole.trace.verdict}`);
  }
  const unmapAt = new Map(whole.unmaps.map((unmap) => [unmap.line, unmap]));
  const rules = whole.trace.sessions.flatMap(({ findings }) => findings);
  for (const session of thinned.trace.sessions) {
    for (const finding of session.findings.filter(isClaim)) {
      const what = falseClaim(finding, kept, unmapAt, rules);
      if (what !== null)
        claims.push(`${finding.rule} ${finding.mode} ${finding.evidence}: ${what}`);
    }
  }
  return claims;
}

/**
 * Whether the lines that are left hold any of those by which the whole is not clean. Harm that lies
 * in what was mapped shows only where no line before it is gone: without those of the mappings,
 * the same unmap of nothing would be harmless.
 */
function showsHarm(
  { unmaps, trace }: Analysis,
  kept: readonly Kept[],
  isSelective: boolean,
): boolean {
  const harmful = new Set<number>();
  const failed = new Set<number>();
  for (const { mode, line, errno } of unmaps) {
    if (happened(mode)) (errno === -7 ? failed : harmful).add(line);
  }
  for (const { findings } of trace.sessions) {
    for (const { mode, first } of findings) if (happened(mode)) harmful.add(first.line);
  }
  return kept.some(
    ({ original }, index) =>
      failed.has(original) || (harmful.has(original) && (isSelective || original === index + 1)),
  );
}

function falseClaim(
  finding: Finding,
  kept: readonly Kept[],
  unmapAt: ReadonlyMap<number, UnmapRecord>,
  rules: readonly Finding[],
): string | null {
  const { rule, mode } = finding;
  if (OF_TRACE.has(rule)) return null;
  const same = rules.filter((known) => known.rule === rule);
  const isReal = happened(mode);
  if (same.length === 0) return 'a rule that the whole does not break';
  if (isReal && !same.some((known) => happened(known.mode))) return 'it did not happen';
  if (!OF_UNMAPS.has(rule)) return null;
  for (const { line } of [finding.first, finding.last]) {
    const original = kept[line - 1]?.original ?? -1;
    const unmap = unmapAt.get(original);
    if (unmap === undefined) {
      // QEMU's message alone shows a failure: its line is not that of the unmap.
      if (mode === 'observed') continue;
      return `no unmap in line ${original}`;
    }
    if (isReal && unmap.tracked === false) return `line ${original} was not tracked`;
    if (unmap.mode === null) return `line ${original} does no harm`;
    if (rule === 'VTD001' && isReal && unmap.errno !== -7) return `line ${original} did not fail`;
    if (finding.device !== null && unmap.device !== null && finding.device !== unmap.device) {
      return `line ${original} is of ${unmap.device}, not of ${finding.device}`;
    }
  }
  return null;
}
