import { type GpaRange, unionOfRanges } from '../../../../src/tools/simulator/addresses.ts';
import type { GroupTruth, UnmapErrno, UnmapTruth } from '../../../../src/tools/simulator/index.ts';
import type { Observed, SeenUnmap } from './observe.ts';
import { type Report, text } from './report.ts';
import type { Sight } from './sight.ts';

/** An unmap that left a line, as it was and as the analyzer has it. */
export interface Pair {
  readonly truth: UnmapTruth & { readonly line: number };
  readonly seen: SeenUnmap;
}

const isTold = (unmap: UnmapTruth): unmap is Pair['truth'] => unmap.line !== null;
const place = ({ line, iova, size }: { line: number; iova: bigint; size: bigint }) =>
  `${line}: 0x${iova.toString(16)}+0x${size.toString(16)}`;

/** Pairs the unmaps of a log; they must be the same, line by line. */
export function pairUnmaps({ played }: Sight, seen: Observed, report: Report): readonly Pair[] {
  const expected = played.truth.unmaps.filter(isTold);
  const isSame = report.equal(
    'unmaps',
    'all',
    expected.map(place).join(', '),
    seen.unmaps.map(place).join(', '),
  );
  if (!isSame) return [];
  return expected.map((truth, index) => ({ truth, seen: seen.unmaps[index] as SeenUnmap }));
}

/** What the guest's memory has to fear from an unmap, for real or if tracking had been on. */
export function riskOf(
  unmap: UnmapTruth,
  groups: readonly GroupTruth[],
  isFirstOfGroup: boolean,
): { readonly errno: UnmapErrno; readonly atRisk: readonly GpaRange[] } {
  if (unmap.tracked) return unmap;
  if (unmap.whatIf !== null) return unmap.whatIf;
  const drain = unmap.group === null ? null : groups[unmap.group]?.whatIfDrain;
  if (!isFirstOfGroup || drain === null || drain === undefined) return { errno: 0, atRisk: [] };
  const errnos = drain.delivered.map(({ errno }) => errno);
  const worst = ([-7, -1, -22] as const).find((errno) => errnos.includes(errno)) ?? 0;
  return { errno: worst, atRisk: drain.atRisk };
}

/** Compares a log of which everything can be known. */
export function compareUnmaps(sight: Sight, pairs: readonly Pair[], report: Report): void {
  const { groups } = sight.played.truth;
  let group: number | null = null;
  for (const { truth, seen } of pairs) {
    const where = `line ${truth.line}`;
    const isFirstOfGroup = truth.group !== group;
    group = truth.group;
    const blindness = sight.blindness(truth);
    const isNamed = blindness !== 'died' && !(sight.isDeviceUntold(truth) && seen.device === null);
    if (isNamed) {
      report.equal('unmap.device', where, truth.device, seen.device);
      // Of several devices a line may leave it open, and a container shows only later whose it is.
      const { devices, viommu } = sight.played.options;
      const isSingle = devices === 1 && viommu === 'intel' && truth.cause !== 'region-del';
      if (isSingle) {
        report.equal('unmap.toldDevice', where, truth.device, seen.toldDevice);
      }
    }
    if (sight.isChangeUnfinished(truth)) report.forgive('died');
    else report.equal('unmap.cause', where, truth.cause, seen.cause);
    if (sight.knowsPageSize) {
      report.equal('unmap.bitmapBytes', where, truth.bitmapBytes, seen.bitmapBytes);
    } else report.forgive('page-size-untold');
    if (blindness !== null) {
      report.forgive(blindness);
      continue;
    }
    report.equal('unmap.carried', where, truth.carriedAddress, seen.carried);
    compareTracking(sight, truth, seen, where, report);
    report.equal('unmap.errno', where, truth.errno, seen.errno);
    const { errno, atRisk } = riskOf(truth, groups, isFirstOfGroup);
    if (!truth.tracked) report.equal('unmap.whatIf.errno', where, errno, seen.trackedErrno);
    const isTold = sight.seesAddresses || truth.cause === 'region-del';
    report.equal(
      'unmap.atRisk',
      where,
      text(unionOfRanges(isTold ? atRisk : [])),
      text(seen.atRisk),
    );
  }
}

function compareTracking(
  { showsRise }: Sight,
  truth: UnmapTruth,
  seen: SeenUnmap,
  where: string,
  report: Report,
): void {
  if (seen.tracked === null && seen.isLeading && !truth.tracked && !showsRise) {
    report.forgive('flag-word-silent');
    report.equal('unmap.query', where, null, seen.query);
    return;
  }
  report.equal('unmap.tracked', where, truth.tracked, seen.tracked);
  report.equal('unmap.query', where, truth.query, seen.query);
}
