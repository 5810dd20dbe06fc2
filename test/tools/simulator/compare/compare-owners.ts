import type { Observed } from './observe.ts';
import type { Report } from './report.ts';
import type { Sight } from './sight.ts';

/**
 * Compares whose whole unmaps were where two devices are behind AMD-Vi: its lines tell that alone. The
 * command for a device names it, and a reset goes by the order of registration.
 */
export function compareOwners(sight: Sight, seen: Observed, report: Report): void {
  const seenAt = new Map(seen.unmaps.map((unmap) => [unmap.line, unmap]));
  for (const unmap of sight.played.truth.unmaps) {
    if (unmap.line === null || unmap.cause !== 'whole-unmap' || sight.cutShort.has(unmap)) continue;
    const found = seenAt.get(unmap.line);
    report.equal('owner', `line ${unmap.line}`, unmap.device, found?.device ?? null);
  }
}
