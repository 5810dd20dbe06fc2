import { readFileSync } from 'node:fs';
import { Simulation, simulationOptions } from '../../src/tools/simulator/index.ts';
import { QEMU_VERSIONS } from '../../src/tools/simulator/qemu-profile.ts';
import type { Random } from '../../src/tools/simulator/random.ts';
import { root } from '../helpers/ground-truth.ts';

const REAL = [
  'qemu-10.0/blocked-aw48-minimal.log',
  'qemu-10.0/blocked-aw48-minimal-ts.log',
  'qemu-10.0/blocked-aw48-vfio-only.log',
];
/** A round is to take seconds. */
const MOST_BYTES = 200_000;

/** Whole lines of a real or a random guest, from the start. */
export function logOf(random: Random): Buffer {
  const log = random.chance(0.1)
    ? readFileSync(`${root}traces/${random.pick(REAL)}`)
    : simulatedLog(random);
  return log.length <= MOST_BYTES ? log : log.subarray(0, log.lastIndexOf('\n', MOST_BYTES) + 1);
}

function simulatedLog(random: Random): Buffer {
  const simulation = new Simulation({
    ...simulationOptions({
      seed: random.below(2 ** 31),
      qemu: random.pick(QEMU_VERSIONS),
      backend: random.pick(['legacy', 'iommufd', 'vfio-user']),
      // Lines of mappings that were there already are most of a log, and mean the least.
      events: random.pick(['no-skips', 'no-skips', 'vtd-vfio', 'minimal']),
    }),
    steps: random.between(20, 120),
  });
  let text = '';
  for (let part = simulation.step(); part !== ''; part = simulation.step()) text += part;
  return Buffer.from(text, 'latin1');
}

/** The lines behind what others put before them; `null`: as QEMU writes them. */
export const carriers = {
  plain: (log: Buffer) => log,
  syslog: (log: Buffer) =>
    eachLine(log, (line) => `Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ${line}\n`),
  docker: (log: Buffer) =>
    eachLine(
      log,
      (line) =>
        `${JSON.stringify({ log: `${line}\n`, stream: 'stderr', time: '2026-11-22T07:35:47.1Z' })}\n`,
    ),
  'with CR': (log: Buffer) => eachLine(log, (line) => `${line}\r\n`),
} as const;

function eachLine(log: Buffer, put: (line: string) => string): Buffer {
  const lines = log.toString('latin1').split('\n').slice(0, -1);
  return Buffer.from(lines.map(put).join(''), 'latin1');
}
