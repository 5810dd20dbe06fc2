import { relative } from 'node:path';
import { run } from '../../src/engine/run.ts';
import { reports } from '../../src/reports/index.ts';
import type { Result } from '../../src/result/types.ts';
import { root } from './ground-truth.ts';

/** Folder of `test/golden` and the real capture that it is about. */
export const goldenCaptures: Readonly<Record<string, string>> = {
  '10.0-fails': 'traces/qemu-10.0/blocked-aw48.log.gz',
  '10.0-unsure': 'traces/qemu-10.0/blocked-aw48-vfio-only.log',
  '11.1-leaves-mappings': 'traces/qemu-11.1/linux-nvme-stale-aw48.log.gz',
};

/** Every so many steps of a session's course are kept: charts need no more to be looked at. */
const STEPS = 8;

/** What the program gives for a capture, with fewer steps of its course. */
export async function goldenResult(capture: string): Promise<Result> {
  const result = await run({ inputs: [`${root}${capture}`], jobs: 1 });
  const traces = result.traces.map((trace) => ({
    ...trace,
    path: relative(root, trace.path),
    sessions: trace.sessions.map(({ activity, ...session }) => ({
      ...session,
      activity: { ...activity, steps: activity.steps.filter((_, index) => index % STEPS === 0) },
    })),
  }));
  return { ...result, traces };
}

/** A result as `result.json` has it. */
export function jsonOf(result: Result): string {
  const report = reports.find(({ name }) => name === 'json');
  if (report === undefined) throw new Error('no json report');
  return [...report.render(result, { color: false, width: 80, verbosity: 0 })].join('');
}
