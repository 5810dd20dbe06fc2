import { hex } from '../../../../src/tools/simulator/addresses.ts';
import type { Observed } from './observe.ts';
import type { Report } from './report.ts';
import type { Sight } from './sight.ts';

/**
 * Compares what dirty syncs of AMD-Vi forgot while they mapped other pages again: that much of what is left
 * in the host the log tells. The device's first loss of that kind is looked for, as later ones may meet
 * what the log does not tell.
 */
export function compareForgotten(sight: Sight, seen: Observed, report: Report): void {
  const { log, truth } = sight.played;
  const { stale, unsynced } = truth;
  const first = stale[0];
  if (first === undefined || first.how !== 'forgotten' || seen.trace.losses.length > 0) return;
  const { device, iova, since } = first;
  if (since >= sight.hostLostFrom(device)) return;
  const round = unsynced.find((one) => one.device === device && one.lastLine === since);
  if (round === undefined) return;
  // It leads elsewhere by now, which AMD-Vi does not print.
  const lines = log.split('\n').slice(round.afterLine, round.lastLine);
  if (lines.some((line) => line.includes(` MAP @ ${hex(iova)} `))) return;
  const isFound = seen.stale.some(
    (one) => one.why === 'forgotten' && one.device === device && one.iova === iova,
  );
  report.holds('forgotten', `line ${since}`, isFound, hex(iova), 'nothing');
}
