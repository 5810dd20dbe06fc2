import { humanSize } from '../base/address.ts';
import type { Exposed, Finding, RuleId, Session, Trace, Verdict } from '../result/types.ts';
import { bytesIn, type Span, union } from './guest-ranges.ts';
import {
  deviceText,
  exposureText,
  listed,
  plural,
  verdictMeanings,
  verdictOrders,
  viaText,
} from './wording.ts';

/** What people are told of a result, in whatever form: order, selection and the leading sentences. */

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
  return (
    rankOf(a) - rankOf(b) ||
    (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0) ||
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

/** Its ranges are those of mappings that stayed, not of bits that were lost. */
const STALE_RULE: RuleId = 'VTD005';
/** About the memory of a bitmap; its ranges are those of other findings. */
const BITMAP_MEMORY_RULE: RuleId = 'VTD007';

/** Guest memory whose dirty bits these findings lose. */
export function memoryAtRisk(findings: readonly Finding[]): readonly Span[] {
  const losing = findings.filter(({ rule }) => rule !== STALE_RULE && rule !== BITMAP_MEMORY_RULE);
  return union(losing.flatMap(({ atRisk }) => atRisk));
}

/** Guest memory that a device can still reach although its mapping should be gone. */
export function memoryStillReachable(findings: readonly Finding[]): readonly Span[] {
  return union(findings.filter(({ rule }) => rule === STALE_RULE).flatMap(({ atRisk }) => atRisk));
}

// --- Leading sentences -------------------------------------------------------------------------------

/** What happened, in one sentence, and what to do about it, in another. */
export interface Headline {
  readonly meaning: string;
  readonly order: string;
}

/** Rules that bring a verdict about, and of which there is a sentence to say; the gravest first. */
const LEADING: Readonly<Record<Verdict, readonly RuleId[]>> = {
  fails: ['VTD001'],
  'loses-dirty-pages': ['VTD006', 'VTD002', 'VTD003', 'VTD004'],
  'leaves-mappings': ['VTD005'],
  inconclusive: [],
  clean: [],
};

/** The leading sentences of a trace. */
export function headlineOf(trace: Trace): Headline {
  if (trace.error !== undefined) {
    return { meaning: `It could not be analysed: ${trace.error}`, order: '' };
  }
  const { verdict, exposed } = trace;
  const worst = trace.sessions.filter((session) => session.verdict === verdict);
  const real = worst.flatMap((session) => digestOf(session).real).sort(compareFindings);
  const leading = LEADING[verdict].flatMap(
    (rule) => real.find((finding) => finding.rule === rule && finding.severity === 'error') ?? [],
  )[0];
  const specific = leading === undefined ? null : specificMeaning(leading, real);
  return {
    meaning: specific ?? verdictMeanings[verdict],
    order: orderOf(verdict, exposed),
  };
}

/** A sentence with numbers, for the rules that most findings come from. */
function specificMeaning(leading: Finding, real: readonly Finding[]): string | null {
  const same = real.filter(({ rule }) => rule === leading.rule);
  const count = same.reduce((sum, finding) => sum + finding.count, 0);
  const devices = named(same);
  const bytes = bytesIn(memoryAtRisk(same));
  const memory =
    bytes === 0n
      ? 'guest memory that the trace does not name'
      : `${humanSize(bytes)} of guest memory`;
  switch (leading.rule) {
    case 'VTD001':
      return (
        `${plural(count, 'DMA unmap')} of ${devices} ${leading.mode === 'observed' ? 'failed' : count === 1 ? 'fails' : 'fail'} ` +
        'with -7 (E2BIG): the dirty bitmap is larger than the VFIO container accepts.'
      );
    case 'VTD002':
    case 'VTD003':
    case 'VTD004':
      return `${plural(count, 'DMA unmap')} of ${devices} ${count === 1 ? 'loses' : 'lose'} the dirty bits of ${memory}.`;
    case 'VTD005':
      return `${plural(count, 'host mapping')} of ${devices} ${count === 1 ? 'outlives the unmap that should have removed it' : 'outlive the unmap that should have removed them'}: the device still reaches that memory.`;
    case 'VTD006':
      return `${plural(count, 'DMA unmap')} of ${devices} ${count === 1 ? 'makes' : 'make'} QEMU set dirty bits past the end of RAM: it may crash, and memory is corrupted or lost.`;
    default:
      return null;
  }
}

/** Devices that a sentence has room for. */
const MOST_DEVICES = 4;

function named(findings: readonly Finding[]): string {
  const devices = [...new Set(findings.map(deviceText))].sort();
  const left = devices.length - MOST_DEVICES;
  if (left <= 1) return listed(devices);
  return `${devices.slice(0, MOST_DEVICES).join(', ')} and ${left} other devices`;
}

function orderOf(verdict: Verdict, exposed: Exposed): string {
  const exposure = exposureText(exposed);
  if (exposure === '' || (verdict !== 'clean' && verdict !== 'inconclusive'))
    return verdictOrders[verdict];
  const noClearance =
    verdict === 'clean'
      ? 'This is no all-clear: some unmaps did no harm only because dirty pages were not tracked then;'
      : 'It does show that';
  return `${noClearance} ${exposure}. ${exposedOrder(exposed)}`;
}

function exposedOrder(exposed: Exposed): string {
  return exposed.via.includes('migration')
    ? 'Do not migrate this VM before the cause is mended.'
    : `Avoid ${viaText(exposed)} on this VM; QEMU of this version refuses to migrate it.`;
}

/** Whether a migration ran while dirty pages were tracked, where that makes a difference; '' where not. */
export function migrationNote({ trackingWindows }: Pick<Session, 'trackingWindows'>): string {
  const ways = trackingWindows.flatMap(({ by }) => by.split('+'));
  if (ways.length === 0 || ways.includes('migration') || ways.includes('unknown')) return '';
  return 'No migration ran then: no memory was lost on the way to another host.';
}

// --- Advice ------------------------------------------------------------------------------------------

/** What mends a kind of finding: releases, and what can be done without one. */
export interface Advice {
  readonly text: string;
  /** Rules whose findings say so. */
  readonly rules: readonly RuleId[];
}

const TODAY = /^(.*?)\s*\bToday: (.*)$/s;
const OF_RELEASES = /\bfixed in\b|\brelease\b|\bFollows from\b/;

/** Splits the fixes of findings into what releases mend and what helps today; each text once. */
export function adviceOf(findings: readonly Finding[]): {
  readonly releases: readonly Advice[];
  readonly today: readonly Advice[];
} {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const releases = new Map<string, Set<RuleId>>();
  const today = new Map<string, Set<RuleId>>();
  const add = (to: Map<string, Set<RuleId>>, text: string, rule: RuleId) => {
    if (text !== '') to.set(text, (to.get(text) ?? new Set()).add(rule));
  };
  for (const { fix, rule } of errors.length > 0 ? errors : findings) {
    const [, release, workaround] = TODAY.exec(fix) ?? [];
    if (release !== undefined && workaround !== undefined) {
      add(releases, release, rule);
      add(today, sentence(workaround), rule);
    } else {
      add(OF_RELEASES.test(fix) ? releases : today, fix, rule);
    }
  }
  return { releases: listOf(releases), today: listOf(today) };
}

function sentence(text: string): string {
  // An option keeps its spelling.
  return /^[a-z-]+=/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

function listOf(texts: ReadonlyMap<string, ReadonlySet<RuleId>>): readonly Advice[] {
  return [...texts].map(([text, rules]) => ({ text, rules: [...rules] }));
}
