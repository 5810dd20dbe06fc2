import {
  type WhatIfAdvice,
  type WhatIfGoal,
  type WhatIfHazards,
  type WhatIfMachineResult,
  whatIfGoals,
} from '../result/what-if.ts';

/** What a machine has to be without, for each goal. */
const HARMS: Readonly<Record<WhatIfGoal, (hazards: WhatIfHazards) => number>> = {
  failures: ({ failures }) => failures,
  'stale-mappings': ({ stale }) => stale,
  'lost-dirty-pages': ({ losing }) => losing,
  all: ({ failures, losing, stale }) => failures + losing + stale,
};

/**
 * What each change costs, in an order of magnitude: an option of the VM, another object on its command
 * line, a release, and so on up to another host and a patch that nobody ships.
 */
const COSTS = { awBits: 1, backend: 10, newer: 100, older: 1000, pageSize: 10_000, patch: 100_000 };

/** The machine that wrote the trace, as far as it is known. */
export type Traced = Pick<WhatIfMachineResult, 'awBits' | 'backend' | 'hostPageSize'> & {
  /** The number of its version: 1002 of 10.2. */
  readonly version: number;
};

/** A machine as the table has it, with the number of its oldest and its newest version. */
export interface Listed {
  readonly result: WhatIfMachineResult;
  readonly from: number;
  readonly to: number;
}

/**
 * The cheapest change for each goal; where none reaches it, that is said. Where it is not known what is
 * mapped, nothing is said but of failures.
 */
export function adviceFor(
  machines: readonly Listed[],
  traced: Traced,
  areMappingsKnown: boolean,
): readonly WhatIfAdvice[] {
  const goals = whatIfGoals.filter((goal) => areMappingsKnown || goal === 'failures');
  return goals.map((goal) => {
    const harm = HARMS[goal];
    let best: number | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const [index, { result, ...versions }] of machines.entries()) {
      const { aborts, tracked, untracked } = result;
      if (harm(tracked) + harm(untracked) + aborts > 0) continue;
      const cost = costOf({ result, ...versions }, traced);
      if (cost >= least) continue;
      best = index;
      least = cost;
    }
    const chosen = best === null ? undefined : machines[best];
    return {
      goal,
      machine: best,
      changes: chosen === undefined ? [] : changesTo(chosen, traced),
    };
  });
}

function costOf({ from, result, to }: Listed, traced: Traced): number {
  let cost = 0;
  if (result.awBits !== traced.awBits) cost += COSTS.awBits;
  if (result.backend !== traced.backend) cost += COSTS.backend;
  if (result.hostPageSize !== traced.hostPageSize) cost += COSTS.pageSize;
  if (!result.isReleased) cost += COSTS.patch;
  // The nearer version is the better one.
  else if (traced.version < from) cost += COSTS.newer + (from - traced.version) / 1000;
  else if (traced.version > to) cost += COSTS.older + (traced.version - to) / 1000;
  return cost;
}

function changesTo({ from, result, to }: Listed, traced: Traced): readonly string[] {
  const { awBits, backend, hostPageSize, isReleased, qemu } = result;
  const changes: string[] = [];
  if (awBits !== traced.awBits) changes.push(`aw-bits=${awBits}`);
  if (backend !== traced.backend) changes.push(`an ${backend} container`);
  if (!isReleased) changes.push(`QEMU with ${qemu.from}`);
  else if (traced.version < from) changes.push(`QEMU ${qemu.from}`);
  else if (traced.version > to) changes.push(`QEMU ${qemu.to}`);
  if (hostPageSize !== traced.hostPageSize) changes.push(`host pages of ${hostPageSize >> 10} KiB`);
  return changes;
}
