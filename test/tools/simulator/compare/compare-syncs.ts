import type { Finding } from '../../../../src/result/types.ts';
import type { UnsyncedTruth } from '../../../../src/tools/simulator/index.ts';
import type { Observed } from './observe.ts';
import type { Report } from './report.ts';
import { leavesSilently, type Sight } from './sight.ts';

/**
 * Compares dirty syncs that fetched nothing (VTD016) in a log of any kind: none is found that was not, and
 * where each MAP is in the log, they are found as far as MAPs alone tell one from the next.
 */
export function compareSyncs(sight: Sight, seen: Observed, report: Report): void {
  const { unsynced } = sight.played.truth;
  const findings = (seen.session?.findings ?? []).filter(isOfRounds);
  for (const finding of findings.filter((one) => isClaimed(sight, one))) {
    const { count, device, first, last } = finding;
    const rounds = unsynced.filter(
      (round) =>
        (device === null || round.device === device) &&
        round.lastLine >= first.line &&
        round.afterLine < last.line,
    );
    const where = `line ${first.line}`;
    report.holds('claim.syncs', where, count <= rounds.length, String(rounds.length), count);
  }
  if (!areAllTold(sight, seen)) return;
  const count = findings.reduce((sum, finding) => sum + finding.count, 0);
  // Of several devices, some MAPs may be new to one of them.
  if (sight.dim === 'several-devices') {
    report.equal('syncs', 'session', unsynced.length > 0, count > 0);
    return;
  }
  report.equal('syncs', 'session', toldApart(sight.played.log, unsynced), count);
}

/** Lines of virtio-iommu tell what a device may write; of AMD-Vi the guest does. */
function seesPermissions(sight: Sight): boolean {
  return sight.played.options.viommu !== 'virtio' || sight.traced('virtio_iommu_notify_map');
}

/** That a migration ran behind such an IOMMU, without a line of its syncs, tells of no round. */
function isOfRounds({ basis, rule }: Finding): boolean {
  return rule === 'VTD016' && !basis.some((ground) => ground.startsWith('dirty sync: not traced'));
}

/** What is assumed is so where it is what the user has told of the only device; AMD-Vi prints no permissions. */
function isClaimed(sight: Sight, { device, evidence, last }: Finding): boolean {
  const { hidesReadOnly, options, told } = sight.played;
  if (hidesReadOnly || !seesPermissions(sight)) return false;
  if (last.line >= sight.hostLostFrom(device)) return false;
  return evidence !== 'assumed' || (told === 'all' && options.devices === 1);
}

/**
 * The log lacks the lines of syncs, perhaps, or names no device, and neither MAPs nor what the host makes of
 * them: without messages, what AMD-Vi maps again may be what leads elsewhere by now.
 */
function areAllTold(sight: Sight, seen: Observed): boolean {
  const { hidesReadOnly, options } = sight.played;
  if (options.viommu === 'amd' && !options.errorsInLog) return false;
  const isPoor = sight.dim === 'events-off' && options.bootLines && options.devices === 1;
  if (!isPoor && sight.dim !== 'several-devices') return false;
  if (!sight.traced('vfio_iommu_map_notify') || !sight.traced('vfio_listener_region_add_iommu')) {
    return false;
  }
  const isLost = seen.trace.losses.length > 0 || sight.losesHosts || leavesSilently(sight.played);
  return !isLost && !hidesReadOnly && seesPermissions(sight);
}

const MAP = / MAP @ (0x[0-9a-f]+) /;

/** How many rounds MAPs tell apart: one right behind another begins with a mapping that is no higher. */
function toldApart(log: string, rounds: readonly UnsyncedTruth[]): number {
  const lines = log.split('\n');
  let [count, newest, end] = [0, -1n, -1];
  for (const { afterLine, lastLine } of rounds) {
    const maps = lines
      .slice(afterLine, lastLine)
      .flatMap((line) => MAP.exec(line)?.[1] ?? [])
      .map(BigInt);
    const first = maps[0] ?? 0n;
    if (afterLine !== end || first <= newest) count += 1;
    newest = maps.at(-1) ?? -1n;
    end = lastLine;
  }
  return count;
}
