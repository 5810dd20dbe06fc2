import type { Finding, Verdict } from '../../../../src/result/types.ts';
import { type GpaRange, hex } from '../../../../src/tools/simulator/addresses.ts';
import type { UnmapTruth, ViommuKind } from '../../../../src/tools/simulator/index.ts';
import { type Judged, judgedUnmaps, type UnmapRule } from './judged.ts';
import type { Observed, SeenUnmap } from './observe.ts';
import { type Report, text } from './report.ts';
import { isUntoldRom, leavesSilently, type Sight } from './sight.ts';

/** Rules of which each hazard is an unmap of the truth. */
const OF_UNMAPS: ReadonlySet<string> = new Set<UnmapRule>([
  'VTD001',
  'VTD002',
  'VTD003',
  'VTD004',
  'VTD010',
]);

/**
 * What the analyzer claims of any log, be it as poor as it may: nothing is called clean that is not,
 * each unmap is as it was or not known, and a finding on more than an assumption is true.
 */
export function compareClaims(sight: Sight, seen: Observed, report: Report): void {
  const judged = judgedUnmaps(sight);
  compareClean(sight, judged, seen, report);
  compareViommu(sight, seen, report);
  compareKnown(sight, judged, seen, report);
  // Such a guest breaks the rules by which anybody can tell whose a walk is.
  if (sight.played.movesSilently) return;
  const claims = new Claims(sight, judged, seen, report);
  for (const finding of seen.session?.findings ?? []) claims.compare(finding);
}

/**
 * The worst that really happened, whether or not the log tells it; but for what only messages tell
 * that are not in it, and limits of the host that nobody has told.
 */
function worstOf(sight: Sight, judged: readonly Judged[]): Verdict {
  const { stale, pastRam, unsynced } = sight.played.truth;
  const tracked = judged.filter(
    ({ isTracked, unmap }) => isTracked && !mayBeTakenFor(sight, unmap),
  );
  if (tracked.some(({ errno }) => errno !== 0)) return 'fails';
  const isSeen = pastRam.some(({ line }) => line !== null);
  if (tracked.some(({ hazard }) => hazard !== null) || isSeen || unsynced.length > 0) {
    return 'loses-dirty-pages';
  }
  const left = stale.filter(({ device, since }) => since < sight.hostLostFrom(device));
  return left.length > 0 ? 'leaves-mappings' : 'clean';
}

function compareClean(
  sight: Sight,
  judged: readonly Judged[],
  seen: Observed,
  report: Report,
): void {
  if (seen.session?.verdict !== 'clean') return;
  report.equal('claim.clean', 'session', worstOf(sight, judged), 'clean');
}

const NAMES: Readonly<Record<ViommuKind, string>> = {
  intel: 'intel-iommu',
  amd: 'amd-iommu',
  virtio: 'virtio-iommu',
};

/** What the IOMMU is said to be, it is; a complete log has lines of its own. */
function compareViommu(sight: Sight, { session }: Observed, report: Report): void {
  const found = session?.model.vIommu;
  if (found === undefined) return;
  const name = NAMES[sight.played.options.viommu];
  if (found.source !== 'assumed') report.equal('claim.viommu', 'session', name, found.value);
  if (sight.dim === null) report.equal('claim.viommu', 'source', 'trace', found.source);
}

/** What is said of each unmap is what it was; unknown is no claim. */
function compareKnown(
  sight: Sight,
  judged: readonly Judged[],
  { session, unmaps }: Observed,
  report: Report,
): void {
  const byLine = new Map(judged.map(({ unmap }) => [unmap.line, unmap]));
  // An assumed container is taken for one that can track; that it is assumed is said of it.
  const known = (session?.containers ?? []).filter(({ backend }) => backend.source !== 'assumed');
  const ids = new Set<string | null>(known.map(({ id }) => id));
  for (const seen of unmaps) {
    const unmap = byLine.get(seen.line);
    if (unmap !== undefined) compareUnmap(sight, unmap, seen, ids.has(seen.container), report);
    else report.holds('claim.unmap', `line ${seen.line}`, false, 'no unmap', hex(seen.iova));
  }
}

function compareUnmap(
  sight: Sight,
  unmap: UnmapTruth,
  seen: SeenUnmap,
  isContainerKnown: boolean,
  report: Report,
): void {
  const { options, log, movesSilently } = sight.played;
  const claim = (what: string, expected: unknown, found: unknown, isClaimed: boolean) => {
    if (isClaimed) report.equal(`claim.${what}`, `line ${seen.line}`, expected, found);
  };
  claim('iova', unmap.iova, seen.iova, true);
  claim('size', unmap.size, seen.size, true);
  claim('device', unmap.device, seen.toldDevice, seen.toldDevice !== null && !movesSilently);
  const isCauseKnown = seen.cause !== 'unknown' && !sight.isChangeUnfinished(unmap);
  claim('cause', unmap.cause, seen.cause, isCauseKnown);
  const isVersionKnown =
    sight.dim !== 'version-unknown' && sight.blindness(unmap) !== 'version-late';
  // Whether the host's IOMMU tracks at all; where it does not, nothing of iommufd is tracked.
  const isHostKnown = options.backend !== 'iommufd' || log.includes('iommufd_backend_alloc_hwpt ');
  const isTrackedKnown = seen.tracked !== null && isContainerKnown && isVersionKnown && isHostKnown;
  claim('tracked', unmap.tracked, seen.tracked, isTrackedKnown);
  if (sight.showsMigration(unmap)) {
    report.equal('claim.migrates', `line ${seen.line}`, true, seen.tracked);
  }
  // What is taken for RAM gets an address in 11.x.
  const isCarriedKnown = seen.carried !== null && !isUntoldRom(options, unmap);
  claim('carried', unmap.carriedAddress, seen.carried, isCarriedKnown);
}

/**
 * Constants of the platform count as derived, and so does that an operation did what QEMU's messages,
 * which may be elsewhere, do not deny.
 */
function mayBeTakenFor(sight: Sight, unmap: UnmapTruth): boolean {
  return sight.misjudgedSizes(unmap) !== null || sight.blindness(unmap) === 'failure-unseen';
}

/** The findings of a log against the truth. */
class Claims {
  readonly #sight: Sight;
  readonly #judged: readonly Judged[];
  readonly #report: Report;
  /** Lines of unmaps of which it is not told whether they were tracked. */
  readonly #silent: ReadonlySet<number>;

  constructor(sight: Sight, judged: readonly Judged[], seen: Observed, report: Report) {
    this.#sight = sight;
    this.#judged = judged;
    this.#report = report;
    const untold = seen.unmaps.filter(({ tracked }) => tracked === null);
    this.#silent = new Set(untold.map(({ line }) => line));
  }

  /** A finding on more than an assumption is true. */
  compare(finding: Finding): void {
    const { evidence, mode, rule, worst } = finding;
    if (evidence === 'assumed' || mode === null) return;
    const { played } = this.#sight;
    // What can only be read has no dirty bits to lose.
    if (played.hidesReadOnly && rule === 'VTD002') return;
    // What a dirty sync has forgotten shows, and nothing else of that.
    const isOfSync = rule === 'VTD005' && finding.cause === 'unknown';
    if (leavesSilently(played) && (rule === 'VTD002' || (rule === 'VTD005' && !isOfSync))) return;
    const isOfUnmaps = OF_UNMAPS.has(rule) || (rule === 'VTD009' && worst !== null);
    if (isOfUnmaps) this.#compareUnmaps(finding);
    else if (rule === 'VTD005') this.#compareStale(finding);
    else if (rule === 'VTD006' && mode !== 'what-if') this.#comparePastRam(finding);
    else if (rule === 'VTD008' || rule === 'VTD009') this.#compareMap(finding);
  }

  #compareUnmaps(finding: Finding): void {
    const { rule, mode, device, cause, first, last, count, atRisk } = finding;
    const where = placeOf(finding);
    const same = this.#judged.flatMap((one) => {
      const { unmap, isReal } = one;
      const line = unmap.line ?? 0;
      if (line < first.line || line > last.line) return [];
      const isMode = isReal === (mode !== 'what-if');
      const isSilent = mode === 'what-if' && this.#silent.has(line);
      // Without tracking, that a migration has completed does not show either: what if another one ran?
      const { hazard, atRisk: lost } = (isSilent && one.ifWanted) || one;
      const isCause = cause === 'unknown' || this.#sight.isChangeUnfinished(unmap);
      const isSame =
        (hazard === rule || mayBeTakenFor(this.#sight, unmap)) &&
        (isMode || isSilent) &&
        (isCause || unmap.cause === cause) &&
        (device === null || unmap.device === device);
      return isSame ? [{ unmap, atRisk: lost }] : [];
    });
    const lines = same.map(({ unmap }) => unmap.line);
    this.#holds('first', where, lines.includes(first.line), lines, first.line);
    this.#holds('last', where, lines.includes(last.line), lines, last.line);
    this.#holds('count', where, count <= lines.length, lines.length, count);
    const memory = same.flatMap((one) => one.atRisk);
    for (const { gpa, size } of atRisk) {
      const isTrue = isWithin([BigInt(gpa), BigInt(size)], memory);
      this.#holds('atRisk', where, isTrue, memory, `${gpa}+${size}`);
    }
    const described = same.find(({ unmap }) => unmap.line === first.line)?.unmap;
    const { carriedAddress } = finding;
    if (described === undefined || carriedAddress === null) return;
    const real = described.carriedAddress;
    const isTrue = real !== null && hex(real) === carriedAddress;
    // What is taken for RAM gets an address in 11.x.
    const isRom = isUntoldRom(this.#sight.played.options, described);
    this.#holds('carriedAddress', where, isTrue || isRom, real, carriedAddress);
  }

  #compareStale(finding: Finding): void {
    const { mode, device, iova, first, last, count } = finding;
    const lostFrom = this.#sight.hostLostFrom(device);
    if (first.line >= lostFrom) return;
    const { groups, stale } = this.#sight.played.truth;
    const survivors = groups.flatMap((group) =>
      (group.whatIfDrain?.survivors ?? []).map((one) => ({ ...one, device: group.device })),
    );
    const real = mode === 'what-if' ? survivors : stale;
    const same = real.filter((one) => device === null || one.device === device);
    const isTrue = same.some((one) => hex(one.iova) === iova);
    this.#holds('stale', placeOf(finding), isTrue, same, iova);
    const isCounted = last.line >= lostFrom || count <= same.length;
    this.#holds('stale.count', placeOf(finding), isCounted, same.length, count);
  }

  #comparePastRam(finding: Finding): void {
    const { device, first, last, count } = finding;
    if (last.line >= this.#sight.hostLostFrom(device)) return;
    const marks = this.#sight.played.truth.pastRam.filter(
      (one) => device === null || one.device === device,
    );
    const lines = [...new Set(marks.map(({ line }) => line))];
    this.#holds('pastRam', placeOf(finding), lines.includes(first.line), lines, first.line);
    this.#holds('pastRam', placeOf(finding), lines.includes(last.line), lines, last.line);
    this.#holds('pastRam.count', placeOf(finding), count <= lines.length, lines.length, count);
  }

  /** MAPs that failed, and an event of which QEMU died. */
  #compareMap(finding: Finding): void {
    const { device, errno, first, iova, mode } = finding;
    const { ending, failedMaps } = this.#sight.played.truth;
    if (errno === null) {
      this.#holds('abort', placeOf(finding), ending.kind === 'abort', ending.kind, 'abort');
      return;
    }
    if (mode !== 'observed' && first.line >= this.#sight.hostLostFrom(device)) return;
    const same = failedMaps.filter(
      (one) => (device === null || one.device === device) && hex(one.iova) === iova,
    );
    const isTrue = same.some(({ reason }) =>
      errno === -22 ? reason === 'granularity' : reason === errno,
    );
    this.#holds('map', placeOf(finding), isTrue, same, errno);
  }

  #holds(what: string, where: string, isTrue: boolean, real: unknown, found: unknown): void {
    this.#report.holds(`claim.${what}`, where, isTrue, text(real), found);
  }
}

function placeOf({ rule, mode, evidence, first }: Finding): string {
  return `${rule} ${mode} ${evidence} at ${first.line}`;
}

/** Whether a range is covered by others. */
function isWithin([gpa, size]: GpaRange, ranges: readonly GpaRange[]): boolean {
  let at = gpa;
  for (const [start, length] of [...ranges].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (start > at) break;
    if (start + length > at) at = start + length;
  }
  return at >= gpa + size;
}
