import type { Hazards, Totals } from './types.ts';

function addHazards(a: Hazards, b: Hazards): Hazards {
  return {
    unmaps: a.unmaps + b.unmaps,
    e2big: a.e2big + b.e2big,
    zeroAddress: a.zeroAddress + b.zeroAddress,
    harmfulZeroAddress: a.harmfulZeroAddress + b.harmfulZeroAddress,
    wrongAddress: a.wrongAddress + b.wrongAddress,
    noQuery: a.noQuery + b.noQuery,
    // Guest memory of two VMs, or of two boots, has no union.
    atRiskBytes: a.atRiskBytes + b.atRiskBytes,
  };
}

const NO_HAZARDS: Hazards = {
  unmaps: 0,
  e2big: 0,
  zeroAddress: 0,
  harmfulZeroAddress: 0,
  wrongAddress: 0,
  noQuery: 0,
  atRiskBytes: 0,
};

/** The totals of nothing. */
export const NO_TOTALS: Totals = {
  unmaps: 0,
  wholeUnmaps: 0,
  walkUnmaps: 0,
  withoutDevice: 0,
  tracked: NO_HAZARDS,
  untracked: NO_HAZARDS,
  unknownTracking: NO_HAZARDS,
  observed: { failures: 0, e2big: 0 },
  hostMappings: { now: 0, peak: 0 },
  shadowMappings: { now: 0, peak: 0 },
};

/** Totals of two sessions or traces; peaks are the higher of both. Associative. */
export function addTotals(a: Totals, b: Totals): Totals {
  return {
    unmaps: a.unmaps + b.unmaps,
    wholeUnmaps: a.wholeUnmaps + b.wholeUnmaps,
    walkUnmaps: a.walkUnmaps + b.walkUnmaps,
    withoutDevice: a.withoutDevice + b.withoutDevice,
    tracked: addHazards(a.tracked, b.tracked),
    untracked: addHazards(a.untracked, b.untracked),
    unknownTracking: addHazards(a.unknownTracking, b.unknownTracking),
    observed: {
      failures: a.observed.failures + b.observed.failures,
      e2big: a.observed.e2big + b.observed.e2big,
    },
    hostMappings: {
      now: a.hostMappings.now + b.hostMappings.now,
      peak: Math.max(a.hostMappings.peak, b.hostMappings.peak),
    },
    shadowMappings: {
      now: a.shadowMappings.now + b.shadowMappings.now,
      peak: Math.max(a.shadowMappings.peak, b.shadowMappings.peak),
    },
  };
}
