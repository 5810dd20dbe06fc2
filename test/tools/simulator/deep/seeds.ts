import { VIOMMU_KINDS } from '../../../../src/tools/simulator/index.ts';
import { compare } from '../compare/compare.ts';
import { caseAt } from './corners.ts';
import type { SeedsSummary } from './summary.ts';

/*
 * Compares the seeds `from, from + step, ... to` and prints one line of JSON: what came of them. Runs as a
 * process of its own, so that several run side by side, and that a broken model can be compared, too.
 *
 *   node --import tsx test/tools/simulator/deep/seeds.ts FROM TO STEP VIOMMU [stop]
 */

const [from = 1, to = 1, step = 1] = process.argv.slice(2, 5).map(Number);
const viommu = VIOMMU_KINDS.find((kind) => kind === process.argv[5]) ?? 'intel';
const stopsAtFirst = process.argv[6] === 'stop';

const summary: SeedsSummary = { runs: 0, checks: 0, setups: {}, forgiven: {}, bad: [] };
const count = (table: Record<string, number>, key: string, by = 1) => {
  table[key] = (table[key] ?? 0) + by;
};

for (let seed = from; seed <= to; seed += step) {
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
    if (kinds.length > 0) summary.bad.push({ seed, kinds });
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown;
    summary.bad.push({ seed, kinds: ['thrown'] });
  }
  summary.runs += 1;
  if (stopsAtFirst && summary.bad.length > 0) break;
}
process.stdout.write(`${JSON.stringify(summary)}\n`);
