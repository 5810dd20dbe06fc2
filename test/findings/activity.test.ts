import { expect, it } from 'vitest';
import { run } from '../../src/engine/run.ts';
import { root } from '../helpers/ground-truth.ts';

it.each([
  { capture: 'qemu-11.1/linux-nvme-stale-aw48.log.gz', failures: 0, losses: 128, stale: 16 },
  { capture: 'qemu-10.0/blocked-aw48-ts.log.gz', failures: 4, losses: 6, stale: 0 },
  { capture: 'qemu-7.2/blocked-aw48.log.gz', failures: 0, losses: 0, stale: 0 },
])('the steps of $capture add up to what happened', async ({ capture, ...expected }) => {
  const { traces } = await run({ inputs: [`${root}traces/${capture}`], jobs: 1 });
  const steps = traces.flatMap(({ sessions }) =>
    sessions.flatMap(({ activity }) => activity.steps),
  );
  const sum = (key: 'failures' | 'losses' | 'stale') =>
    steps.reduce((all, step) => all + (step[key] ?? 0), 0);
  expect({ failures: sum('failures'), losses: sum('losses'), stale: sum('stale') }).toEqual(
    expected,
  );
  // Absent where nothing is lost.
  expect(steps.filter(({ losses, stale }) => losses === 0 || stale === 0)).toEqual([]);
});
