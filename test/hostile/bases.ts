import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { Simulation, simulationOptions } from '../../src/tools/simulator/index.ts';
import { QEMU_VERSIONS } from '../../src/tools/simulator/qemu-profile.ts';
import type { Random } from '../../src/tools/simulator/random.ts';
import { bytesOf, root } from '../helpers/ground-truth.ts';
import { firstLines, sample } from '../helpers/samples.ts';
import { tarOf } from '../helpers/tar.ts';

const REAL = [
  'qemu-10.0/blocked-aw48-minimal.log',
  'qemu-11.1/blocked-aw48-minimal-ts.log',
  'qemu-10.0/blocked-aw48-vfio-only.log',
];
/** A round is to take seconds. */
const MOST_BYTES = 200_000;

/** A trace to be damaged. */
export interface Base {
  readonly bytes: Buffer;
  /** It is whole lines, each with an LF; false for what is binary, or one document. */
  readonly isLines: boolean;
}

/** A trace of any of the kinds that are read. */
export function baseOf(random: Random): Base {
  if (random.chance(0.6)) {
    return { bytes: random.pick(Object.values(carriers))(logOf(random)), isLines: true };
  }
  if (random.chance(0.4)) {
    const lines = firstLines(sample(random.pick(LINES_OF_OTHERS)), random.between(50, 800));
    return { bytes: lines, isLines: true };
  }
  return { bytes: random.pick(Object.values(whole))(random), isLines: false };
}

/** Real lines of other tools than QEMU. */
const LINES_OF_OTHERS = [
  'usdt-10.2.2.bpftrace.txt.gz',
  'usdt-10.2.2.bpftrace.ndjson.gz',
  'usdt-10.2.2.perf-script.head4000.txt.gz',
  'all-10.2.2.simpletrace-py.head3000.txt.gz',
  'all-10.2.2.babeltrace2.head3000.txt.gz',
  'all-10.2.2.babeltrace2-details.head1500.txt.gz',
  'ftrace-trace_pipe-lost.txt.gz',
  'handmade-systemtap-log.txt.gz',
  'handmade-events.ndjson.gz',
] as const;

const compressed = (name: string) => readFileSync(`${root}test/bytes/compressed/${name}`);

/** What is not made of lines. */
const whole = {
  simple: (random: Random) =>
    sample('all-10.2.2.simple.bin.gz').subarray(0, random.between(230_000, 500_000)),
  'simple with a loss': () => sample('simple-10.2.2-dropped.bin.gz').subarray(0, 400_000),
  tar: (random: Random) =>
    tarOf(
      { name: 'var/log/a.log', content: logOf(random) },
      { name: 'var/log/b.log.gz', content: gzipSync(logOf(random)) },
    ),
  'tar, gzip': (random: Random) => gzipSync(tarOf({ name: 'a.log', content: logOf(random) })),
  zstd: () => compressed('iso.log.zst'),
  xz: () => compressed('iso.log.xz'),
  bzip2: () => compressed('iso.log.bz2'),
  Loki: (random: Random) => {
    const lines = logOf(random).toString('latin1').split('\n').slice(0, -1);
    const values = lines.map((line, index) => [String(1_795_332_947_000_000_000 + index), line]);
    const stream = { stream: { host: 'a' }, values };
    return Buffer.from(JSON.stringify({ data: { resultType: 'streams', result: [stream] } }));
  },
  'JSON array': () => sample('handmade-events-array.json.gz'),
} as const satisfies Readonly<Record<string, (random: Random) => Buffer>>;

/** Whole lines of a real or a random guest, from the start. */
function logOf(random: Random): Buffer {
  const log = random.chance(0.1) ? bytesOf(`traces/${random.pick(REAL)}`) : simulatedLog(random);
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
const carriers = {
  plain: (log: Buffer) => log,
  syslog: (log: Buffer) =>
    eachLine(log, (line) => `Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ${line}\n`),
  docker: (log: Buffer) =>
    eachLine(
      log,
      (line) =>
        `${JSON.stringify({ log: `${line}\n`, stream: 'stderr', time: '2026-11-22T07:35:47.1Z' })}\n`,
    ),
  CRI: (log: Buffer) =>
    eachLine(log, (line) => `2026-11-22T07:35:47.123456789Z stderr F ${line}\n`),
  ftrace: (log: Buffer) =>
    eachLine(
      log,
      (line) => `  qemu-7329    [001] ...1.  1915.246562: tracing_mark_write: ${line}\n`,
    ),
  journal: (log: Buffer) =>
    eachLine(
      log,
      (line) =>
        `${JSON.stringify({ MESSAGE: line, _PID: '7329', __REALTIME_TIMESTAMP: '1795332947000000' })}\n`,
    ),
  'with CR': (log: Buffer) => eachLine(log, (line) => `${line}\r\n`),
} as const;

function eachLine(log: Buffer, put: (line: string) => string): Buffer {
  const lines = log.toString('latin1').split('\n').slice(0, -1);
  return Buffer.from(lines.map(put).join(''), 'latin1');
}
