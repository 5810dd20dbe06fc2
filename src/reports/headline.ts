import { humanSize } from '../base/address.ts';
import { listed, plural } from '../base/words.ts';
import { exposureText, viaText } from '../result/exposure.ts';
import type {
  Clock,
  Finding,
  Place,
  RuleId,
  Session,
  Trace,
  TrackingWindow,
  Verdict,
} from '../result/types.ts';
import { adviceOf } from './advice.ts';
import {
  compareFindings,
  digestOf,
  E2BIG_RULE,
  LOSING_RULES,
  memoryAtRisk,
  NO_SYNC_RULE,
  PAST_RAM_RULE,
  STALE_RULE,
} from './digest.ts';
import { bytesIn } from './guest-ranges.ts';
import { windowLead } from './window.ts';
import { deviceText, errnoText, isRefusedMigration, trackedByText } from './wording.ts';

/**
 * The leading sentences of a trace. They are made of the finding that made the verdict, and say of
 * dirty tracking only what its place, among the windows of its session, or its kind proves.
 */

/** What happened, in one sentence, what else did, and what to do about it. */
export interface Headline {
  readonly meaning: string;
  /** Empty where the first sentence says it all. */
  readonly also: string;
  readonly order: string;
}

/** A finding, and the session that it is of. */
interface Told {
  readonly finding: Finding;
  readonly session: Session;
}

/** What a trace is about of which no finding is to be told. */
const MEANINGS: Readonly<Record<Verdict, string>> = {
  crashes: 'QEMU died.',
  fails: 'What QEMU or VFIO had to do failed.',
  'loses-dirty-pages':
    'DMA unmaps lose dirty bits: memory that the device wrote may not reach the destination.',
  'leaves-mappings':
    'Host mappings are left behind: the device still reaches memory that the guest took from it.',
  inconclusive: 'The trace does not hold what a verdict needs. This is no all-clear.',
  clean: 'No unmap failed or lost dirty bits while dirty pages were tracked.',
};

const NEVER_TRACKED = 'Nothing failed, and no line shows that dirty pages were tracked.';
const NO_VERDICT = 'For a verdict the trace does not hold enough: this is no all-clear.';

/** Findings of these rules say what dirty tracking makes of unmaps. */
const OF_TRACKING: readonly RuleId[] = [E2BIG_RULE, ...LOSING_RULES, PAST_RAM_RULE, 'VTD010'];
/** Findings of these are about unmaps that failed, tracked or not. */
const OF_FAILED_UNMAPS: readonly RuleId[] = ['VTD009', 'VTD015'];

/** The leading sentences of a trace. */
export function headlineOf(trace: Trace): Headline {
  if (trace.error !== undefined) {
    return { meaning: `It could not be analysed: ${trace.error}`, also: '', order: '' };
  }
  const { verdict } = trace;
  const worst = trace.sessions.filter((session) => session.verdict === verdict);
  const real = worst
    .flatMap((session) => digestOf(session).real.map((finding) => ({ finding, session })))
    .sort((a, b) => compareFindings(a.finding, b.finding));
  const isHarmless = verdict === 'clean' || verdict === 'inconclusive';
  const headline = isHarmless
    ? harmlessHeadline(trace, worst, real)
    : harmHeadline(trace, worst, real);
  return { ...headline, meaning: windowLead(trace) + headline.meaning };
}

function harmHeadline(trace: Trace, worst: readonly Session[], real: readonly Told[]): Headline {
  const { verdict } = trace;
  const made = real.filter(({ finding }) => finding.verdict === verdict);
  const [leading] = made;
  if (leading === undefined) {
    // Of a boot that is not listed.
    return { meaning: MEANINGS[verdict], also: '', order: untilFixed(verdict) };
  }
  const { rule } = leading.finding;
  const isLoss = LOSING_RULES.includes(rule);
  const same = real.filter(({ finding }) =>
    isLoss ? isLosing(finding) : isOneKind(finding, leading.finding),
  );
  return {
    meaning: meaningOf(leading, same, trace),
    also: alsoHappened(real.filter((told) => !same.includes(told))),
    order: [orderOf(leading.finding, verdict), suspicion(leading.finding, worst, real)]
      .filter((text) => text !== '')
      .join(' '),
  };
}

function isLosing({ rule, severity }: Finding): boolean {
  return severity === 'error' && LOSING_RULES.includes(rule);
}

/** Findings that one sentence counts together: only those of a rule whose findings all say the same. */
function isOneKind(one: Finding, leading: Finding): boolean {
  const areAlike = [E2BIG_RULE, STALE_RULE, PAST_RAM_RULE].includes(leading.rule);
  return areAlike
    ? one.rule === leading.rule && one.severity === leading.severity
    : one === leading;
}

// --- What happened -----------------------------------------------------------------------------------

/** A sentence with numbers: what, of which device, since when, in which window, and what is lost. */
function meaningOf(leading: Told, same: readonly Told[], trace: Trace): string {
  const { rule, mode, verdict } = leading.finding;
  const findings = same.map(({ finding }) => finding);
  const count = countOf(findings);
  const unmaps = `${plural(count, 'DMA unmap')}${ofDevices(findings)}`;
  const when = `${since(same, trace)}${tracking(earliest(same))}`;
  if (verdict === 'crashes') return crashText(leading, trace);
  switch (rule) {
    case E2BIG_RULE: {
      const verb = mode === 'observed' ? 'failed' : count === 1 ? 'fails' : 'fail';
      return `${unmaps} ${verb} with -7 (E2BIG)${when}: the dirty bitmap is larger than the VFIO container accepts.`;
    }
    case STALE_RULE: {
      const verb =
        count === 1
          ? 'outlives the unmap that should have removed it'
          : 'outlive the unmap that should have removed them';
      return `${plural(count, 'host mapping')}${ofDevices(findings)} ${verb}${when}: the device still reaches that memory.`;
    }
    case PAST_RAM_RULE:
      return `${unmaps} ${count === 1 ? 'makes' : 'make'} QEMU set dirty bits past the end of RAM${when}: ${pastRamText(same)}`;
    case NO_SYNC_RULE:
      // What fixes it, and what to do, stands right below.
      return placed(leading, trace, 1);
    default:
      return LOSING_RULES.includes(rule)
        ? `${unmaps} ${losing(count)} ${memoryText(findings)}${when}.`
        : placed(leading, trace);
  }
}

/** What a finding says itself, behind its place and device. */
function placed(told: Told, trace: Trace, mostSentences = MOST_SENTENCES): string {
  const { count, device, message } = told.finding;
  const from = count === 1 ? 'At' : 'From';
  const where = `${from} ${placeText(told.finding.first, trace)}${count === 1 ? '' : ' on'}`;
  const named = device === null ? '' : `, ${deviceText(told.finding)}`;
  return `${where}${named}${tracking(told)}: ${story(message, count, mostSentences)}`;
}

function crashText(told: Told, trace: Trace): string {
  const { count, first, message } = told.finding;
  const cause = message.replace(/^QEMU died\.\s*/, '').replace(/\s*QEMU ended with it\./, '');
  const place = placeText(first, trace);
  const text = story(cause, count);
  return SAYS_OF_WHAT.test(text)
    ? text.replace(/\.$/, `, at ${place}.`)
    : `QEMU died at ${place}: ${text}`;
}

/** A message that says of what, and no more. */
const SAYS_OF_WHAT = /^QEMU died of [^.]*\.$/;

/** Sentences of a message that a headline has room for: what failed, and what that means. */
const MOST_SENTENCES = 2;
/** QEMU's own words stand behind; the finding below has them. */
const OWN_WORDS = /\s*\b(?:\d[\d,]* messages?, the first|The message|QEMU says): [\s\S]*$/;
/** A number of which no name stands behind. */
const BARE_ERRNO = /\bwith (-\d+)(?=[,.:;]| at | *$)/;

/** The beginning of the message of a finding of `count` hazards. */
export function story(message: string, count: number, mostSentences = MOST_SENTENCES): string {
  const told = message.replace(OWN_WORDS, '');
  // Where nothing else is said, QEMU's own words are all there is.
  const text = told === '' ? message : told;
  const sentences = text.split(/(?<=[.!?])\s+(?=[A-Z])/);
  const short = sentences.slice(0, mostSentences).join(' ');
  // The only one is no first.
  return (count === 1 ? short.replace(/,? the first (?=at|of)/, ' ') : short).replace(
    BARE_ERRNO,
    (_, errno: string) => `with ${errnoText(Number(errno))}`,
  );
}

/** `, first at line 12`, or `, at line 12` of one. */
function since(same: readonly Told[], trace: Trace): string {
  const { first } = earliest(same).finding;
  const isOne = countOf(same.map(({ finding }) => finding)) === 1;
  return `, ${isOne ? 'at' : 'first at'} ${placeText(first, trace)}`;
}

/** `08:14:34`, of UTC; '' where the trace has no wall's clock. */
export function timeOfDay({ time }: Place, { time: { clock } }: Pick<Trace, 'time'>): string {
  const moment = momentOf(time, clock);
  return moment === null ? '' : moment.slice(11);
}

/** `line 12`, and the time of day before it where the trace has one. */
export function placeText({ line, time }: Place, { time: { clock } }: Pick<Trace, 'time'>): string {
  const moment = momentOf(time, clock);
  return moment === null ? `line ${line}` : `${moment} UTC (line ${line})`;
}

/** `2026-11-22 08:14:34 UTC to 08:14:35`, of the first and the last; '' where the trace has no wall's clock. */
export function timesOf(
  first: Place,
  last: Place,
  { time: { clock } }: Pick<Trace, 'time'>,
): string {
  const from = momentOf(first.time, clock);
  const to = momentOf(last.time, clock);
  if (from === null) return '';
  if (to === null || to === from) return `${from} UTC`;
  return `${from} UTC to ${to.slice(0, 10) === from.slice(0, 10) ? to.slice(11) : to}`;
}

/** `line 12`, `lines 12 to 21`, or both with their times, of the first and the last. */
export function placesText(first: Place, last: Place, trace: Pick<Trace, 'time'>): string {
  if (first.line === last.line) return placeText(first, trace);
  const [from, to] = [first, last].map((place) => placeText(place, trace));
  return from === `line ${first.line}` ? `lines ${first.line} to ${last.line}` : `${from} to ${to}`;
}

/** `2026-11-22 08:14:34`; null of what is no time of a wall's clock. */
function momentOf(time: string | null, clock: Clock): string | null {
  if (clock !== 'wall' || time === null) return null;
  const moment = new Date(Number(BigInt(time) / 1_000_000n));
  if (Number.isNaN(moment.getTime())) return null;
  return moment.toISOString().slice(0, 19).replace('T', ' ');
}

function earliest(same: readonly Told[]): Told {
  return same.reduce((first, told) =>
    told.finding.first.line < first.finding.first.line ? told : first,
  );
}

/** Inside or outside of which window of dirty tracking the first came, as far as that is proved. */
function tracking({ finding, session }: Told): string {
  const { cause, first, mode, rule } = finding;
  const window = session.trackingWindows.find(
    ({ firstLine, lastLine }) =>
      firstLine <= first.line && first.line <= (lastLine ?? session.lastLine),
  );
  const isOfUnmap = OF_TRACKING.includes(rule) || cause !== null;
  if (!isOfUnmap) return '';
  if (window !== undefined) return `, while ${trackerText(window.by)}`;
  const isProved =
    OF_TRACKING.includes(rule) &&
    (mode === 'active' || (mode === 'observed' && rule === E2BIG_RULE));
  if (isProved) {
    const isOption = session.model.tracking.source === 'option';
    return isOption
      ? ', as dirty pages are tracked by --tracking'
      : ', while dirty pages were tracked';
  }
  const isOutside = OF_FAILED_UNMAPS.includes(rule) && session.trackingWindows.length > 0;
  return isOutside ? ', outside of all dirty tracking that the trace shows' : '';
}

function trackerText(by: string): string {
  return by === 'unknown' ? 'dirty pages were tracked' : `${trackedByText(by)} tracked dirty pages`;
}

/** What else happened, in short. */
function alsoHappened(others: readonly Told[]): string {
  const errors = others
    .map(({ finding }) => finding)
    .filter(({ severity, verdict }) => severity === 'error' || verdict !== null);
  const lost = errors.filter(isLosing);
  const stale = errors.filter(({ rule }) => rule === STALE_RULE);
  const rest = errors.filter((finding) => !lost.includes(finding) && !stale.includes(finding));
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
  if (rest.length > 0) {
    const rules = [...new Set(rest.map(({ rule }) => rule))];
    parts.push(`${plural(rest.length, 'more finding')} (${rules.join(', ')})`);
  }
  return parts.length === 0 ? '' : `Also: ${listed(parts)}.`;
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

function pastRamText(same: readonly Told[]): string {
  const isLast = same.some(({ finding, session }) => finding.last.line >= session.lastLine - 1);
  return isLast
    ? 'the trace ends right there, as it does when QEMU dies of it.'
    : 'it may crash, and memory is corrupted or lost.';
}

/** Devices that a sentence has room for. */
const MOST_DEVICES = 4;

/** ` of 00:10.0`; '' where the findings are about none. */
function ofDevices(findings: readonly Finding[]): string {
  const devices = [...new Set(findings.map(deviceText))].filter((name) => name !== '').sort();
  if (devices.length === 0) return '';
  const left = devices.length - MOST_DEVICES;
  if (left <= 1) return ` of ${listed(devices)}`;
  return ` of ${devices.slice(0, MOST_DEVICES).join(', ')} and ${left} other devices`;
}

// --- Where no harm was done --------------------------------------------------------------------------

function harmlessHeadline(
  trace: Trace,
  worst: readonly Session[],
  real: readonly Told[],
): Headline {
  const { verdict, exposed, migration } = trace;
  const notes = worst.flatMap((session) =>
    digestOf(session)
      .notes.filter(({ rule }) => rule !== 'VTD014')
      .map((finding) => ({ finding, session })),
  );
  const [seen] = [...real, ...notes];
  const wasTracked = worst.some(
    ({ totals, trackingWindows }) => trackingWindows.length > 0 || totals.tracked.unmaps > 0,
  );
  const general = verdict === 'clean' && !wasTracked ? NEVER_TRACKED : MEANINGS[verdict];
  const story = seen === undefined ? '' : placed(seen, trace);
  const isUnsure = verdict === 'inconclusive';
  const order =
    exposureText(exposed) !== ''
      ? exposedOrder(trace)
      : isUnsure && migration.answer !== 'refused'
        ? 'Capture a better trace (see below), or treat the VM as affected.'
        : '';
  return isUnsure && story !== ''
    ? { meaning: story, also: NO_VERDICT, order }
    : { meaning: general, also: story, order };
}

function exposedOrder({ exposed, migration, verdict }: Trace): string {
  const order =
    migration.answer === 'refused' || !exposed.via.includes('migration')
      ? `Avoid ${viaText(exposed)} on this VM until this is fixed.`
      : 'Do not migrate this VM until this is fixed.';
  // That it did no harm so far is known of a clean trace only.
  return verdict === 'clean'
    ? `This is no all-clear: what did no harm here does harm once dirty pages are tracked. ${order}`
    : order;
}

// --- What to do --------------------------------------------------------------------------------------

function orderOf(leading: Finding, verdict: Verdict): string {
  const { rule } = leading;
  if (OF_TRACKING.includes(rule) || rule === STALE_RULE) return untilFixed(verdict);
  const { releases, today } = adviceOf([leading]);
  if (rule === NO_SYNC_RULE && leading.fixDetails.release?.first === null) {
    return ['No release fixes this.', ...today.map(({ text }) => text)].join(' ');
  }
  return [...today, ...releases][0]?.text ?? untilFixed(verdict);
}

function untilFixed(verdict: Verdict): string {
  switch (verdict) {
    case 'crashes':
      return 'Do not start or migrate this VM as it is until this is fixed.';
    case 'loses-dirty-pages':
      return 'Do not migrate this VM until this is fixed.';
    default:
      return 'Do not migrate this VM, and do not measure its dirty rate, until this is fixed.';
  }
}

/** Whether the memory that was lost may be missing on another host by now. */
function suspicion(leading: Finding, worst: readonly Session[], real: readonly Told[]): string {
  if (!OF_TRACKING.includes(leading.rule)) return '';
  const isNamed = memoryAtRisk(real.map(({ finding }) => finding)).size > 0;
  const memory = isNamed ? 'the memory below' : 'what the device wrote meanwhile';
  const migrations = worst.map(migrationOf);
  if (migrations.includes('ran')) {
    const ends = endsOf(worst);
    const all = migrations.includes('unknown') ? [...ends, undefined] : ends;
    return suspicionOfEnds(all, memory);
  }
  const isRefused = worst.every(({ model }) => isRefusedMigration(model));
  return migrations.includes('unknown') && !isRefused
    ? `If it was migrated during this trace, ${memory} is suspect where it runs now.`
    : '';
}

/** How the migrations ended in whose windows something was lost, or, where it was lost in none, all that ran. */
function endsOf(sessions: readonly Session[]): readonly TrackingWindow['migration'][] {
  const all = sessions.flatMap((session) => {
    const lines = session.findings
      .filter(({ mode, rule }) => OF_TRACKING.includes(rule) && mode !== 'what-if')
      .map(({ first }) => first.line);
    return session.trackingWindows
      .filter(({ by }) => by.split('+').some((way) => way === 'migration' || way === 'unknown'))
      .map((window) => {
        const last = window.lastLine ?? session.lastLine;
        const isHarmed = lines.some((line) => window.firstLine <= line && line <= last);
        return { isHarmed, migration: window.migration };
      });
  });
  const harmed = all.filter(({ isHarmed }) => isHarmed);
  return (harmed.length > 0 ? harmed : all).map(({ migration }) => migration);
}

function suspicionOfEnds(ends: readonly TrackingWindow['migration'][], memory: string): string {
  if (ends.includes('completed')) {
    return `A migration completed in this trace: ${memory} is suspect where the VM runs now.`;
  }
  if (ends.includes(undefined)) {
    return `A migration ran in this trace: if it completed, ${memory} is suspect where the VM runs now.`;
  }
  const how = ends.includes('cancelled') ? 'was cancelled' : 'failed';
  const which =
    ends.length === 1
      ? `The migration in this trace ${how}`
      : 'No migration in this trace completed';
  return `${which}: no memory was lost on the way to another host.`;
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
