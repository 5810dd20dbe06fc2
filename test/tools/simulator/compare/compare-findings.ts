import type { Evidence, Finding } from '../../../../src/result/types.ts';
import { type GpaRange, hex, unionOfRanges } from '../../../../src/tools/simulator/addresses.ts';
import type { Judged } from './judged.ts';
import type { Observed } from './observe.ts';
import { type Report, text } from './report.ts';
import type { Sight } from './sight.ts';

/** Bitmaps from here on are reported for their memory alone. */
const LARGE_BITMAP = 0x800_0000n;
/** Rules whose verdict on an unmap rests on where guest memory lies. */
const OF_RAM: ReadonlySet<string> = new Set(['VTD002', 'VTD003', 'VTD006']);

/** Compares the findings of a rule about unmaps with the unmaps that it has to find. */
export function compareFindings(
  sight: Sight,
  rule: string,
  where: string,
  ofRule: readonly Judged[],
  findings: readonly Finding[],
  report: Report,
): void {
  const count = findings.reduce((sum, finding) => sum + finding.count, 0);
  report.equal('findings.count', where, ofRule.length, count);
  const union = unionOfRanges(ofRule.flatMap(({ atRisk }) => atRisk));
  report.equal('findings.atRisk', where, text(union), text(unionOfFindings(findings)));
  if (ofRule.length !== count || count === 0) return;
  const sizes = ofRule.map(({ unmap }) => unmap.size);
  const largest = findings.map(({ worst }) => BigInt(worst?.size ?? 0));
  report.equal('findings.worst', where, highest(sizes), highest(largest));
  for (const finding of findings) compareFirst(sight, rule, where, ofRule, finding, report);
}

/** What a finding says of its first unmap, and how well it is known. */
function compareFirst(
  sight: Sight,
  rule: string,
  where: string,
  ofRule: readonly Judged[],
  finding: Finding,
  report: Report,
): void {
  const { played, knowsPageSize } = sight;
  const { device, cause, mode, evidence } = finding;
  // That QEMU died in the middle of a change of translation makes an unmap of the page of it.
  const isCause = (unmap: Judged['unmap']) =>
    unmap.cause === cause || sight.isChangeUnfinished(unmap);
  const mine = ofRule.filter(
    ({ unmap }) => (device === null || unmap.device === device) && isCause(unmap),
  );
  const first = mine.find(({ unmap }) => unmap.line === finding.first.line);
  const isThere = report.equal(
    'findings.first',
    where,
    true,
    first !== undefined && mine.some(({ unmap }) => unmap.line === finding.last.line),
  );
  if (!isThere || first === undefined) return;
  const { unmap, errno } = first;
  const { carriedAddress } = unmap;
  report.equal(
    'findings.describes',
    `${where} at ${unmap.line}`,
    text([
      hex(unmap.iova),
      hex(unmap.size),
      carriedAddress === null ? null : hex(carriedAddress),
      knowsPageSize ? hex(unmap.bitmapBytes) : '',
      unmap.errno === 0 && !unmap.tracked ? errno : unmap.errno,
    ]),
    text([
      finding.iova,
      finding.size,
      finding.carriedAddress,
      knowsPageSize ? finding.bitmapBytes : '',
      finding.errno,
    ]),
  );
  const best = bestEvidence(rule, mode, played.told);
  const order: readonly Evidence[] = ['observed', 'derived', 'assumed'];
  report.holds(
    'findings.evidence',
    `${where} at ${unmap.line}`,
    order.indexOf(evidence) >= order.indexOf(best),
    `${best} at best`,
    evidence,
  );
}

/**
 * The best that can be said of a finding without a message of QEMU's: what the user has told is assumed, and
 * where guest memory lies and how large a bitmap may be is never printed as such.
 */
function bestEvidence(rule: string, mode: Finding['mode'], told: string): Evidence {
  if (mode === 'observed') return 'observed';
  const restsOnHost = rule === 'VTD001' || OF_RAM.has(rule);
  if (told === 'all' || (told === 'host' && restsOnHost)) return 'assumed';
  return restsOnHost ? 'derived' : 'observed';
}

/** Compares the findings that are not about dirty bits of single unmaps. */
export function compareOtherFindings(
  sight: Sight,
  judged: readonly Judged[],
  seen: Observed,
  report: Report,
): void {
  const { truth, options } = sight.played;
  const found = (rule: string, is: (finding: Finding) => boolean) =>
    (seen.session?.findings ?? []).filter((finding) => finding.rule === rule && is(finding));
  const count = (rule: string, is: (finding: Finding) => boolean) =>
    found(rule, is).reduce((sum, finding) => sum + finding.count, 0);
  const isReal = ({ mode }: Finding) => mode !== 'what-if';

  const pastRam = new Set(truth.pastRam.map(({ line }) => line));
  report.equal('findings.count', 'VTD006', pastRam.size, count('VTD006', isReal));
  const largeOnes = judged.filter(({ unmap }) => {
    const query = unmap.tracked ? unmap.query : unmap.whatIf?.query;
    const isTold = unmap.errno === -12 && options.errorsInLog;
    return query === 'bitmap' && (isTold || unmap.bitmapBytes >= LARGE_BITMAP);
  });
  if (sight.knowsPageSize) {
    report.equal(
      'findings.count',
      'VTD007',
      largeOnes.length,
      count('VTD007', () => true),
    );
  }
  const failing = (errno: number) => truth.failedMaps.filter(({ reason }) => reason === errno);
  const ofMaps = (errno: number) => (finding: Finding) => finding.errno === errno;
  const isMap = (finding: Finding) => finding.worst === null;
  report.equal('findings.count', 'VTD008', failing(-28).length, count('VTD008', ofMaps(-28)));
  report.equal(
    'findings.count',
    'VTD009 of MAPs',
    failing(-17).length,
    count('VTD009', (finding) => isMap(finding) && finding.errno === -17),
  );
  compareSyncs(sight, found('VTD016', isReal), report);
  const harmful = found(
    'VTD009',
    (finding) => isMap(finding) && finding.errno === -17 && finding.severity === 'error',
  );
  const repeated = truth.failedMaps.filter(({ isRepeated }) => isRepeated);
  const calledHarmful = harmful.reduce((sum, finding) => sum + finding.count, 0);
  // What was skipped without a line may look as if it were gone.
  if (sight.seesSkips) {
    report.holds(
      'findings.harmless',
      'VTD009 of MAPs',
      calledHarmful <= failing(-17).length - repeated.length,
      text(repeated.map(({ line }) => line)),
      calledHarmful,
    );
  }
  const refused = judged.filter(
    ({ errno, hazard, unmap }) => errno === -12 && unmap.errno === -12 && hazard === 'VTD015',
  );
  const isUnmap = (finding: Finding) => finding.worst !== null;
  if (options.errorsInLog) {
    report.equal('findings.count', 'VTD015', refused.length, count('VTD015', isUnmap));
  }
  // What was skipped without a line may be found left behind later, for another reason.
  if (!sight.seesSkips && truth.stale.some(({ how }) => how === 'skipped')) return;
  report.equal('findings.count', 'VTD005', truth.stale.length, count('VTD005', isReal));
  if (!sight.seesAddresses) return;
  const memory = (ranges: readonly GpaRange[]) => text(unionOfRanges(ranges));
  report.equal(
    'findings.atRisk',
    'VTD005',
    memory(truth.stale.map(({ gpa, size }): GpaRange => [gpa, size])),
    text(unionOfFindings(found('VTD005', isReal))),
  );
}

/** Dirty syncs that fetched nothing: one of each device is a round. AMD-Vi prints no guest addresses. */
function compareSyncs(
  { played, seesAddresses }: Sight,
  findings: readonly Finding[],
  report: Report,
): void {
  const { unsynced } = played.truth;
  const count = findings.reduce((sum, finding) => sum + finding.count, 0);
  report.equal('findings.count', 'VTD016', unsynced.length, count);
  if (!seesAddresses) return;
  const union = unionOfRanges(unsynced.flatMap(({ atRisk }) => atRisk));
  report.equal('findings.atRisk', 'VTD016', text(union), text(unionOfFindings(findings)));
}

/** What tracking would have left, had it been on. */
export function compareSurvivors({ played }: Sight, seen: Observed, report: Report): void {
  const survivors = played.truth.groups.flatMap(({ whatIfDrain }) => whatIfDrain?.survivors ?? []);
  const findings = (seen.session?.findings ?? []).filter(
    ({ rule, mode }) => rule === 'VTD005' && mode === 'what-if',
  );
  const count = findings.reduce((sum, finding) => sum + finding.count, 0);
  report.equal('findings.count', 'VTD005 what-if', survivors.length, count);
}

export function unionOfFindings(findings: readonly Finding[]): GpaRange[] {
  return unionOfRanges(
    findings.flatMap(({ atRisk }) =>
      atRisk.map(({ gpa, size }): GpaRange => [BigInt(gpa), BigInt(size)]),
    ),
  );
}

function highest(values: readonly bigint[]): bigint {
  return values.reduce((best, value) => (value > best ? value : best), 0n);
}
