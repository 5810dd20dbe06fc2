import { compareClaims } from './compare-claims.ts';
import { compareDrift } from './compare-drift.ts';
import { compareForgotten } from './compare-forgotten.ts';
import { compareOwners } from './compare-owners.ts';
import { compareResult } from './compare-result.ts';
import { compareSentences } from './compare-sentences.ts';
import { compareMaps, compareStale, compareState } from './compare-state.ts';
import { compareSyncs } from './compare-syncs.ts';
import { compareUnmaps, pairUnmaps } from './compare-unmaps.ts';
import { type Observed, observe } from './observe.ts';
import { type Case, modelFor, type Played, play } from './play.ts';
import { Report } from './report.ts';
import { Sight } from './sight.ts';

/** A case with everything that came of it. */
export interface Compared {
  readonly played: Played;
  readonly seen: Observed;
  readonly sight: Sight;
  readonly report: Report;
}

/** Plays a case, analyses its log, and compares what the analyzer says with what happened. */
export function compare(one: Case): Compared {
  const played = play(one);
  const seen = observe(played.log, modelFor(played));
  const sight = new Sight(played, seen);
  const report = new Report();
  if (sight.dim === null) {
    const pairs = pairUnmaps(sight, seen, report);
    compareUnmaps(sight, pairs, report);
    compareState(sight, seen, report);
    compareMaps(sight, seen, report);
    compareStale(sight, seen, report);
    compareDrift(sight, seen, report);
    compareResult(sight, seen, report);
  } else report.forgive(sight.dim);
  if (sight.dim === 'several-devices') compareOwners(sight, seen, report);
  if (sight.dim === 'left-by-amd') compareForgotten(sight, seen, report);
  compareClaims(sight, seen, report);
  compareSyncs(sight, seen, report);
  compareSentences(seen, report);
  return { played, seen, sight, report };
}
