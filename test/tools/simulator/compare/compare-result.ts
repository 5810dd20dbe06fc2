import { pageOf } from '../../../../src/base/address.ts';
import { profileNamed } from '../../../../src/emulation/profiles/index.ts';
import type { Hazards, Verdict } from '../../../../src/result/types.ts';
import { unionOfRanges } from '../../../../src/tools/simulator/addresses.ts';
import { compareFindings, compareOtherFindings, compareSurvivors } from './compare-findings.ts';
import type { Forgiven } from './forgiven.ts';
import { type Judged, judgedUnmaps } from './judged.ts';
import type { Observed } from './observe.ts';
import type { Report } from './report.ts';
import type { Sight } from './sight.ts';

/** Compares totals, findings, verdict and exposure of a log of which everything can be known. */
export function compareResult(sight: Sight, seen: Observed, report: Report): void {
  compareReasons(sight, seen, report);
  const judged = judgedUnmaps(sight);
  // What is taken for RAM is judged as such.
  const isKnown = (why: Forgiven | null) => why === null || why === 'rom-untold';
  const known = judged.filter(({ unmap }) => isKnown(sight.blindness(unmap)));
  const isBlind = (isTracked: boolean) =>
    judged.some(
      (one) =>
        (one.isTracked === isTracked || sight.blindness(one.unmap) === 'version-late') &&
        !known.includes(one),
    );
  compareCounts(sight, judged, seen, report);
  compareMessages(sight, seen, report);
  if (!isBlind(true)) {
    compareHazards(sight, judged, true, seen, report);
    comparePastRam(sight.played.truth, seen, report);
  }
  if (!isBlind(false)) {
    compareHazards(sight, judged, false, seen, report);
    compareSurvivors(sight, seen, report);
    compareExposed(sight, judged, seen, report);
  }
  if (!isBlind(true) && !sight.losesHosts) {
    compareVerdict(sight, judged, seen, report);
    if (!isBlind(false)) compareOtherFindings(sight, judged, seen, report);
  }
}

/** Messages of failed unmaps are in the log: nothing is said to rest on others that might be elsewhere. */
function compareMessages(sight: Sight, seen: Observed, report: Report): void {
  if (!sight.played.truth.unmaps.some((unmap) => sight.isFailureTold(unmap))) return;
  for (const { rule, basis } of seen.session?.findings ?? []) {
    const doubts = basis.filter((text) => text.includes("QEMU's messages, which would say"));
    report.equal('findings.messages', rule, [], doubts);
  }
}

function compareReasons(sight: Sight, seen: Observed, report: Report): void {
  const reasons = (seen.session?.reasons ?? []).filter((reason) => {
    const why = unknownBy(sight, reason);
    if (why !== null) report.forgive(why);
    return why === null;
  });
  report.equal('reasons', 'session', [], reasons);
  report.equal(
    'gaps',
    'session',
    [],
    seen.gaps.map(({ what, line }) => `${what} at ${line}`),
  );
  const { options, truth } = sight.played;
  const mayBeTorn = options.tornEnd && truth.ending.kind === 'finished';
  const losses = seen.trace.losses.filter(
    ({ kind, line }) => !(mayBeTorn && kind === 'torn' && line === truth.lines + 1),
  );
  report.equal('losses', 'session', [], losses);
}

/** What a reason for `inconclusive` rests on, where the log does not tell it. */
function unknownBy(sight: Sight, reason: string): Forgiven | null {
  if (reason.startsWith('whether dirty tracking was on')) return 'flag-word-silent';
  if (reason.startsWith('QEMU had forgotten mappings') && !sight.seesSkips) return 'skips-off';
  if (restsOnCut(sight, reason)) return 'died';
  if (reason.startsWith('whether a device went to another domain') && mayMove(sight, reason)) {
    return 'left-by-amd';
  }
  if (reason.startsWith('dirty syncs are not in the trace')) return 'flag-word-silent';
  if (reason.startsWith('what a dirty sync') && !sight.showsRise) return 'flag-word-silent';
  if (!sight.seesAddresses && ADDRESSES_UNTOLD.test(reason)) return 'addresses-untold';
  if (NEEDS_NOTIFICATIONS.test(reason) && isSilent(sight)) return 'nothing-notified';
  return null;
}

/** Whether a command may have moved its device: not where that was unmapped right behind it. */
function mayMove({ played }: Sight, reason: string): boolean {
  const [, line] = /\(line (\d+)\)/.exec(reason) ?? [];
  return !played.truth.groups.some(({ afterLine }) => afterLine === Number(line));
}

/** A reason that rests on the chunks of an unmap in which QEMU died before their device was named. */
function restsOnCut({ cutShort }: Sight, reason: string): boolean {
  if (cutShort.size === 0) return false;
  if (reason.includes('uncertain mappings')) return true;
  const [, from] = / maps is doubtful in .*, lines (\d+) to \d+\)$/.exec(reason) ?? [];
  return from !== undefined && [...cutShort].some(({ line }) => (line ?? 0) <= Number(from));
}

/** Reasons that rest on what devices map, which nothing but notifications tells. */
const NEEDS_NOTIFICATIONS =
  /^no vfio_iommu_map_notify|^what .* maps is doubtful|^guest addresses of mappings are not/;

const ADDRESSES_UNTOLD = /^guest addresses of mappings are not in the trace: amd-iommu/;

/** No line of the log, but for a torn one at its end, is a notification. */
function isSilent({ played: { log } }: Sight): boolean {
  return !log.slice(0, log.lastIndexOf('\n') + 1).includes('vfio_iommu_map_notify');
}

function hazardsOf(judged: readonly Judged[]): Hazards {
  const count = (is: (one: Judged) => boolean) => judged.filter(is).length;
  const union = unionOfRanges(judged.flatMap(({ atRisk }) => atRisk));
  return {
    unmaps: judged.length,
    e2big: count(({ errno }) => errno === -7),
    zeroAddress: count(({ unmap }) => unmap.carriedAddress === 0n),
    harmfulZeroAddress: count(({ hazard }) => hazard === 'VTD002'),
    wrongAddress: count(({ hazard }) => hazard === 'VTD003'),
    noQuery: count(({ hazard }) => hazard === 'VTD004'),
    atRiskBytes: pageOf(union.reduce((sum, [, size]) => sum + size, 0n)) * 4096,
  };
}

function compareCounts(
  { played }: Sight,
  judged: readonly Judged[],
  seen: Observed,
  report: Report,
): void {
  const { totals } = seen.trace;
  const { groups, unmaps } = played.truth;
  report.equal('totals.unmaps', 'all', judged.length, totals.unmaps);
  const sent = new Set(unmaps.map(({ group }) => group));
  const whole = groups.filter(({ kind }, index) => kind === 'whole-unmap' && sent.has(index));
  report.equal('totals.wholeUnmaps', 'all', whole.length, totals.wholeUnmaps);
  const walks = judged.filter(({ unmap }) =>
    ['page-walk', 'changed-translation'].includes(unmap.cause),
  );
  report.equal('totals.walkUnmaps', 'all', walks.length, totals.walkUnmaps);
}

const lineOf = ({ line }: { readonly line: number }) => line;

/** The totals and findings of the unmaps that were tracked, or of those that were not. */
function compareHazards(
  sight: Sight,
  judged: readonly Judged[],
  isTracked: boolean,
  seen: Observed,
  report: Report,
): void {
  const mine = judged.filter((one) => one.isTracked === isTracked);
  const where = isTracked ? 'tracked' : 'what-if';
  const { totals } = seen.trace;
  const silent = new Set(
    seen.unmaps.filter(({ isLeading, tracked }) => isLeading && tracked === null).map(lineOf),
  );
  const told = mine.filter(({ unmap }) => !silent.has(unmap.line ?? 0));
  report.equal('totals', where, hazardsOf(told), isTracked ? totals.tracked : totals.untracked);
  if (!isTracked) {
    const untold = mine.filter(({ unmap }) => silent.has(unmap.line ?? 0));
    report.equal('totals.unknownTracking', where, hazardsOf(untold), totals.unknownTracking);
  }
  for (const rule of ['VTD001', 'VTD002', 'VTD003', 'VTD004', 'VTD009', 'VTD010'] as const) {
    const ofRule = judged.filter(({ hazard, isReal }) => hazard === rule && isReal === isTracked);
    const findings = (seen.session?.findings ?? []).filter(
      (finding) =>
        finding.rule === rule &&
        (finding.mode !== 'what-if') === isTracked &&
        finding.worst !== null,
    );
    compareFindings(sight, rule, `${rule} ${where}`, ofRule, findings, report);
  }
}

function comparePastRam(
  { pastRam }: Sight['played']['truth'],
  seen: Observed,
  report: Report,
): void {
  const expected = [...new Set(pastRam.map(({ line }) => line))];
  const found = seen.unmaps
    .filter(({ marksPastRam, tracked, errno }) => marksPastRam && tracked === true && errno === 0)
    .map(({ line }) => line);
  report.equal('pastRam', 'all', expected, found);
}

/**
 * QEMU's words, of all versions, for dirty tracking that did not start and for a mapping whose dirty bits
 * could not be fetched at a sync, as that of a page which the guest mapped and did not flush: iommufd
 * answers -22 where nothing is mapped. The dirty bits of an unmap are judged with the unmap.
 */
const TRACKING_FAILED =
  /Could not start dirty page tracking|Failed to set dirty tracking flag 0x1|Failed to start DMA logging|vfio_iommu_map_dirty_notify\(0x/;

/** libvirt's word for a QEMU that died, or QEMU's own; without it, that a log ends is no proof. */
const DEATH_TOLD = /shutting down, reason=crashed|amdvi_notify_iommu: Assertion/;

/** The verdict that the truth deserves, for a log of which everything can be known. */
export function verdictOf(sight: Sight, judged: readonly Judged[]): Verdict {
  const { truth, options } = sight.played;
  const tracked = judged.filter(({ isTracked }) => isTracked);
  const isSeen = options.errorsInLog;
  if (tracked.some(({ errno }) => errno !== 0)) return 'fails';
  // Wherever messages went, the one that ended a migration is in an event.
  if (TRACKING_FAILED.test(sight.played.log)) return 'fails';
  const isMapSeen = isSeen || sight.showsMapResults;
  const hasFailedMap = (errno: number) =>
    isMapSeen && truth.failedMaps.some((one) => one.reason === errno && !one.isRepeated);
  if (hasFailedMap(-28)) return 'fails';
  const isLost = truth.pastRam.length > 0 || truth.unsynced.length > 0;
  if (tracked.some(({ hazard }) => hazard !== null) || isLost) {
    return 'loses-dirty-pages';
  }
  // Untracked, an unmap that fails leaves its mapping, and so a MAP fails over it.
  if (isSeen && truth.unmaps.some(({ errno }) => errno !== 0)) return 'leaves-mappings';
  if (hasFailedMap(-17)) return 'leaves-mappings';
  const isSkipSeen = sight.seesSkips;
  const stale = truth.stale.filter(({ how }) => how !== 'skipped' || isSkipSeen);
  return stale.length > 0 ? 'leaves-mappings' : 'clean';
}

/**
 * QEMU aborted on an event that crossed the edge of a notifier, which is then the last line; and the
 * version that does so is the one that the log shows.
 */
function diesCrossing({ played: { log, truth } }: Sight, { profiles }: Observed): boolean {
  if (truth.ending.kind !== 'abort') return false;
  const profile = profileNamed(profiles.at(-1)?.id ?? '');
  const isLast = log.split('\n')[truth.ending.line - 1]?.includes('vtd_page_walk_one ');
  return profile?.crossingEvent === 'abort' && isLast === true;
}

function compareVerdict(
  sight: Sight,
  judged: readonly Judged[],
  seen: Observed,
  report: Report,
): void {
  const { session } = seen;
  if (session === null) return;
  const verdict = DEATH_TOLD.test(sight.played.log)
    ? 'crashes'
    : diesCrossing(sight, seen)
      ? 'fails'
      : verdictOf(sight, judged);
  const isUntold = session.reasons.some((reason) => unknownBy(sight, reason) !== null);
  const isTorn = seen.trace.losses.some(({ kind }) => kind === 'torn');
  const isCut = isUntold || isTorn;
  const expected = isCut && verdict === 'clean' ? 'inconclusive' : verdict;
  report.equal('verdict', 'session', expected, session.verdict);
}

function compareExposed(
  { played }: Sight,
  judged: readonly Judged[],
  seen: Observed,
  report: Report,
): void {
  if (seen.session === null) return;
  const untracked = judged.filter(({ isTracked }) => !isTracked);
  const { e2big, lostDirtyPages, staleMappings } = seen.session.exposed;
  report.equal(
    'exposed',
    'session',
    {
      e2big: untracked.some(({ errno }) => errno === -7),
      lostDirtyPages: untracked.some(
        ({ errno, atRisk, hazard }) => errno !== -7 && (atRisk.length > 0 || hazard === 'VTD002'),
      ),
      staleMappings: played.truth.groups.some(
        ({ whatIfDrain }) => whatIfDrain !== null && whatIfDrain.survivors.length > 0,
      ),
    },
    { e2big, lostDirtyPages, staleMappings },
  );
}
