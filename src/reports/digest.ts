import { humanSize } from '../base/address.ts';
import type { PageRangeSet } from '../base/page-range-set.ts';
import { listed, plural } from '../base/words.ts';
import { exposureText, viaText } from '../result/exposure.ts';
import type { Exposed, Finding, RuleId, Session, Trace, Verdict } from '../result/types.ts';
import { bytesIn, union } from './guest-ranges.ts';
import { deviceText, isRefusedMigration, verdictMeanings, verdictOrders } from './wording.ts';

/** What people are told of a result, in whatever form: order, selection and the leading sentences. */

const E2BIG_RULE: RuleId = 'VTD001';
/** Its ranges are those of mappings that stayed, not of bits that were lost. */
const STALE_RULE: RuleId = 'VTD005';
const PAST_RAM_RULE: RuleId = 'VTD006';
/** Unmaps that succeed and lose dirty bits; an unmap is in one of them at most. */
const LOSING_RULES: readonly RuleId[] = ['VTD002', 'VTD003', 'VTD004'];

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

/** Rules by their number, but for one: what may kill QEMU comes before bits that are lost. */
function gravityOf(rule: RuleId): string {
  return rule === PAST_RAM_RULE ? `${E2BIG_RULE}+` : rule;
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

/** Guest memory whose dirty bits these findings lose. */
export function memoryAtRisk(findings: readonly Finding[]): PageRangeSet {
  const losing = findings.filter(({ rule }) => rule !== STALE_RULE && rule !== BITMAP_MEMORY_RULE);
  return union(losing.map(({ atRisk }) => atRisk));
}

/** Guest memory that a device can still reach although its mapping should be gone. */
export function memoryStillReachable(findings: readonly Finding[]): PageRangeSet {
  return union(findings.filter(({ rule }) => rule === STALE_RULE).map(({ atRisk }) => atRisk));
}

/** True where something is lost: if no memory is named, it is unknown which. */
export function losesSomething(findings: readonly Finding[]): boolean {
  return findings.some(({ severity, rule }) => severity === 'error' && rule !== STALE_RULE);
}

/** How much guest memory is at risk in a trace, in a few characters; '' where none is. */
export function atRiskText({ sessions, totals }: Trace): string {
  const { atRiskBytes } = totals.tracked;
  if (atRiskBytes > 0) return humanSize(atRiskBytes);
  return sessions.some((session) => losesSomething(digestOf(session).real)) ? 'unknown' : '';
}

/** Host mappings of a trace that outlived the unmap that should have removed them. */
export function staleMappingsOf({ sessions }: Trace): number {
  return countOf(
    sessions.flatMap((session) =>
      ofRule(digestOf(session).real, STALE_RULE).filter(({ severity }) => severity === 'error'),
    ),
  );
}

// --- Leading sentences -------------------------------------------------------------------------------

/** What happened, in one sentence, what else did, and what to do about it. */
export interface Headline {
  readonly meaning: string;
  /** Empty where the first sentence says it all. */
  readonly also: string;
  readonly order: string;
}

/** Rules that bring a verdict about, and of which there is a sentence to say; the gravest first. */
const LEADING: Readonly<Record<Verdict, readonly RuleId[]>> = {
  crashes: [PAST_RAM_RULE],
  fails: [E2BIG_RULE],
  'loses-dirty-pages': [PAST_RAM_RULE, ...LOSING_RULES],
  'leaves-mappings': [STALE_RULE],
  inconclusive: [],
  clean: [],
};

/** The leading sentences of a trace. */
export function headlineOf(trace: Trace): Headline {
  if (trace.error !== undefined) {
    return { meaning: `It could not be analysed: ${trace.error}`, also: '', order: '' };
  }
  const { verdict } = trace;
  const worst = trace.sessions.filter((session) => session.verdict === verdict);
  const real = worst.flatMap((session) => digestOf(session).real).sort(compareFindings);
  const errors = real.filter(({ severity }) => severity === 'error');
  const leading = LEADING[verdict].flatMap(
    (rule) => errors.find((finding) => finding.rule === rule) ?? [],
  )[0];
  const specific = leading === undefined ? null : specificMeaning(leading, errors, worst);
  return {
    meaning: specific ?? verdictMeanings[verdict],
    also: alsoHappened(leading, errors),
    order: orderOf(trace, worst, real),
  };
}

/** A sentence with numbers, for the rules that most findings come from. */
function specificMeaning(
  leading: Finding,
  errors: readonly Finding[],
  sessions: readonly Session[],
): string | null {
  const { rule } = leading;
  const same = LOSING_RULES.includes(rule) ? losingOf(errors) : ofRule(errors, rule);
  const count = countOf(same);
  const devices = named(same);
  switch (rule) {
    case E2BIG_RULE:
      return (
        `${plural(count, 'DMA unmap')} of ${devices} ${leading.mode === 'observed' ? 'failed' : count === 1 ? 'fails' : 'fail'} ` +
        'with -7 (E2BIG): the dirty bitmap is larger than the VFIO container accepts.'
      );
    case STALE_RULE:
      return `${plural(count, 'host mapping')} of ${devices} ${count === 1 ? 'outlives the unmap that should have removed it' : 'outlive the unmap that should have removed them'}: the device still reaches that memory.`;
    case PAST_RAM_RULE:
      return `${plural(count, 'DMA unmap')} of ${devices} ${count === 1 ? 'makes' : 'make'} QEMU set dirty bits past the end of RAM: ${pastRamText(same, sessions)}`;
    default:
      return LOSING_RULES.includes(rule)
        ? `${plural(count, 'DMA unmap')} of ${devices} ${losing(count)} ${memoryText(same)}.`
        : null;
  }
}

/** What happened besides, in short. */
function alsoHappened(leading: Finding | undefined, errors: readonly Finding[]): string {
  if (leading === undefined) return '';
  const lost = LOSING_RULES.includes(leading.rule) ? [] : losingOf(errors);
  const stale = leading.rule === STALE_RULE ? [] : ofRule(errors, STALE_RULE);
  const parts = [];
  if (lost.length > 0) {
    const count = countOf(lost);
    parts.push(`${plural(count, 'unmap')} ${losing(count)} ${memoryText(lost)}`);
  }
  if (stale.length > 0) {
    const count = countOf(stale);
    parts.push(
      `${plural(count, 'host mapping')} ${count === 1 ? 'outlives its' : 'outlive their'} unmap`,
    );
  }
  return parts.length === 0 ? '' : `Besides, ${listed(parts)}.`;
}

function losingOf(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ rule }) => LOSING_RULES.includes(rule));
}

function ofRule(findings: readonly Finding[], wanted: RuleId): readonly Finding[] {
  return findings.filter(({ rule }) => rule === wanted);
}

function countOf(findings: readonly Finding[]): number {
  return findings.reduce((sum, { count }) => sum + count, 0);
}

function losing(count: number): string {
  return `${count === 1 ? 'loses' : 'lose'} the dirty bits of`;
}

function memoryText(findings: readonly Finding[]): string {
  const bytes = bytesIn(memoryAtRisk(findings));
  return bytes === 0
    ? 'guest memory that the trace does not name'
    : `${humanSize(bytes)} of guest memory`;
}

function pastRamText(findings: readonly Finding[], sessions: readonly Session[]): string {
  const isLast = findings.some((finding) =>
    sessions.some(
      (session) => session.findings.includes(finding) && endsWithTrace(finding, session),
    ),
  );
  return isLast
    ? 'the trace ends right there, as it does when QEMU dies of it.'
    : 'it may crash, and memory is corrupted or lost.';
}

/** True for dirty bits past the end of RAM after which nothing more is in the trace. */
function endsWithTrace({ rule, last }: Finding, { lastLine }: Session): boolean {
  return rule === PAST_RAM_RULE && last.line >= lastLine - 1;
}

/** Devices that a sentence has room for. */
const MOST_DEVICES = 4;

function named(findings: readonly Finding[]): string {
  const devices = [...new Set(findings.map(deviceText))].sort();
  const left = devices.length - MOST_DEVICES;
  if (left <= 1) return listed(devices);
  return `${devices.slice(0, MOST_DEVICES).join(', ')} and ${left} other devices`;
}

// --- What to do --------------------------------------------------------------------------------------

function orderOf(trace: Trace, worst: readonly Session[], real: readonly Finding[]): string {
  const { verdict, exposed } = trace;
  const exposure = exposureText(exposed);
  if (verdict !== 'clean' && verdict !== 'inconclusive') {
    return [verdictOrders[verdict], suspicion(worst, real)].filter((text) => text !== '').join(' ');
  }
  if (exposure === '') return verdictOrders[verdict];
  const noClearance =
    verdict === 'clean'
      ? 'This is no all-clear: some unmaps did no harm only because dirty pages were not tracked then;'
      : 'It does show that';
  return `${noClearance} ${exposure}. ${exposedOrder(exposed)}`;
}

/** True where QEMU refuses to migrate, and the trace does not show that it did after all. */
function isRefused(sessions: readonly Session[]): boolean {
  return sessions.every(
    (session) => isRefusedMigration(session.model) && migrationOf(session) !== 'ran',
  );
}

/** Whether the memory that was lost may be missing on another host by now. */
function suspicion(worst: readonly Session[], real: readonly Finding[]): string {
  if (!real.some(({ rule, severity }) => severity === 'error' && rule !== STALE_RULE)) return '';
  const migrations = worst.map(migrationOf);
  if (migrations.includes('ran')) {
    return 'A migration ran in this trace: if it completed, the memory below is suspect where the VM runs now.';
  }
  return migrations.includes('unknown') && !isRefused(worst)
    ? 'If it was migrated during this trace, the memory below is suspect where it runs now.'
    : '';
}

function exposedOrder(exposed: Exposed): string {
  return exposed.via.includes('migration')
    ? 'Do not migrate this VM before the cause is mended.'
    : `Avoid ${viaText(exposed)} on this VM.`;
}

/** Whether a migration ran while dirty pages were tracked, as far as the trace shows it. */
function migrationOf({
  trackingWindows,
}: Pick<Session, 'trackingWindows'>): 'ran' | 'unknown' | 'none' {
  const ways = trackingWindows.flatMap(({ by }) => by.split('+'));
  if (ways.includes('migration')) return 'ran';
  return ways.length === 0 || ways.includes('unknown') ? 'unknown' : 'none';
}

/** That no migration ran while dirty pages were tracked; '' where one did, or may have. */
export function migrationNote(session: Pick<Session, 'trackingWindows'>): string {
  return migrationOf(session) === 'none'
    ? 'No migration ran then: no memory was lost on the way to another host.'
    : '';
}
