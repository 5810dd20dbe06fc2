/** What came of some seeds. */
export interface SeedsSummary {
  runs: number;
  /** Single things that were compared. */
  checks: number;
  /** Runs by what was simulated. */
  readonly setups: Record<string, number>;
  /** Things that the log cannot tell, by the reason. */
  readonly forgiven: Record<string, number>;
  readonly bad: BadSeed[];
  /** Properties of the model that do not hold, in words. */
  broken: readonly string[];
}

/** A seed on which the analyzer and the simulation disagree. */
export interface BadSeed {
  readonly seed: number;
  readonly kinds: readonly string[];
  /** the first disagreement, in words */
  readonly sentence: string;
}

/** Adds the sums of one to another. */
export function addSummary(to: SeedsSummary, from: SeedsSummary): void {
  to.runs += from.runs;
  to.checks += from.checks;
  to.bad.push(...from.bad);
  to.broken = [...new Set([...to.broken, ...from.broken])];
  for (const key of ['setups', 'forgiven'] as const) {
    for (const [name, times] of Object.entries(from[key])) {
      to[key][name] = (to[key][name] ?? 0) + times;
    }
  }
}
