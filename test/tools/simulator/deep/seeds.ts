import { compare } from '../compare/compare.ts';
import { caseAt } from './corners.ts';
import type { Seeds } from './processes.ts';
import { brokenProperties } from './properties.ts';
import type { SeedsSummary } from './summary.ts';
import { watchSeeds } from './watch.ts';

/*
 * Compares seeds and prints one line of JSON: what came of them. Runs as a process of its own, so that several run
 * side by side, and that a broken model can be compared, too.
 *
 *   node --import tsx test/tools/simulator/deep/seeds.ts '{"from":1,"to":9,"step":1,"viommu":"intel","first":null}'
 */

const { from, to, step, viommu, first } = JSON.parse(process.argv[2] ?? '') as Seeds;
const summary: SeedsSummary = {
  runs: 0,
  checks: 0,
  setups: {},
  forgiven: {},
  bad: [],
  broken: brokenProperties(),
};
const count = (table: Record<string, number>, key: string, by = 1) => {
  table[key] = (table[key] ?? 0) + by;
};
const begin = watchSeeds();

const seeds = new Set(first ?? []);
for (let seed = from; seed <= to; seed += step) seeds.add(seed);
const isNoticed = first !== null && summary.broken.length > 0;
for (const seed of isNoticed ? [] : seeds) {
  begin(seed);
  const one = caseAt(seed, viommu);
  try {
    const { played, report } = compare(one);
    const { qemu, backend, awBits, hostPageSize } = played.options;
    const behind = viommu === 'intel' ? backend : `${backend}, behind ${viommu}`;
    count(summary.setups, `QEMU ${qemu}, ${behind}`);
    count(summary.setups, `aw-bits ${awBits}`);
    count(summary.setups, `host pages of ${hostPageSize / 1024} KiB`);
    summary.checks += report.checks;
    for (const [reason, times] of report.forgiven) count(summary.forgiven, reason, times);
    const kinds = [...new Set(report.disagreements.map(({ kind }) => kind))];
    const [worst] = report.disagreements;
    if (worst !== undefined) {
      const { kind, where, expected, found } = worst;
      const sentence = `${kind} of ${where}: ${found}, expected ${expected}`;
      summary.bad.push({ seed, kinds, sentence });
    }
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    summary.bad.push({ seed, kinds: ['thrown'], sentence: String(thrown) });
  }
  summary.runs += 1;
  if (first !== null && summary.bad.length > 0) break;
}
process.stdout.write(`${JSON.stringify(summary)}\n`);
