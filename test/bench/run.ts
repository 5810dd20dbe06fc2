/*
 * Speed and memory of the built program, as ratios to `wc -l` on the same file in the same run.
 *
 *   npm run bench -- [--bytes 1g] [--runs 5] [--jobs 1,2] [--seed 7] [--live 60000] [--keep FILE]
 *                    [--readers 32m]
 *
 * The log is made by the simulator: walks and their notifications, whole unmaps in pieces, tracking
 * windows, failures, all coherent, so that the analysis must find no line missing; that is checked.
 * Each reader alone is measured after that, on so many bytes (`readers.ts`).
 * Tools take turns, so that each ratio is of runs beside each other.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { humanSize, parseSize } from '../../src/base/address.ts';
import type { Result } from '../../src/result/types.ts';
import { Simulation } from '../../src/tools/simulator/index.ts';
import { root } from '../helpers/ground-truth.ts';
import { readerRows } from './readers.ts';

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '1g' },
    runs: { type: 'string', default: '5' },
    jobs: { type: 'string', default: '1,2' },
    seed: { type: 'string', default: '7' },
    live: { type: 'string', default: '60000' },
    keep: { type: 'string' },
    readers: { type: 'string', default: '32m' },
  },
});

const program = `${root}dist/src/cli.js`;
/** Tells the peak of the whole process on its last line of stderr. */
const PEAK =
  "import{isMainThread}from'node:worker_threads';isMainThread&&process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS+'\\n'))";

interface Measured {
  readonly seconds: number;
  /** Bytes, or null where it was not asked for. */
  readonly peak: number | null;
}

/**
 * Bytes that are written at a time. A log grows by lines, and the page cache holds a file in units in
 * which it was written: `wc -l` reads one that was written by the megabyte almost twice as fast.
 */
const WRITE_BYTES = 4096;

function generate(path: string, bytes: number): void {
  const file = openSync(path, 'w');
  const write = (text: string) => {
    const all = Buffer.from(text);
    for (let at = 0; at < all.length; ) {
      at += writeSync(file, all, at, Math.min(WRITE_BYTES, all.length - at));
    }
  };
  const simulation = new Simulation({
    seed: Number(values.seed),
    qemu: '10.2',
    mix: 'bulk',
    events: 'no-skips',
    prefix: 'iso',
    sparseTables: false,
    liveMappings: Number(values.live),
    keepRecords: false,
    steps: Number.MAX_SAFE_INTEGER,
    bytes,
  });
  let pieces: string[] = [];
  let length = 0;
  for (let text = simulation.step(); text !== ''; text = simulation.step()) {
    pieces.push(text);
    length += text.length;
    if (length < 2 ** 22) continue;
    write(pieces.join(''));
    pieces = [];
    length = 0;
  }
  write(pieces.join(''));
  closeSync(file);
}

function timed(command: string, args: readonly string[], output: string | null): Measured {
  const out = output === null ? 'ignore' : openSync(output, 'w');
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync(command, args, {
    stdio: ['ignore', out, 'pipe'],
    encoding: 'utf8',
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (typeof out === 'number') closeSync(out);
  if (status === null || status > 1) throw new Error(`${command} ended with ${status}: ${stderr}`);
  const peak = /^peak (\d+)$/m.exec(stderr)?.[1];
  return { seconds, peak: peak === undefined ? null : Number(peak) * 1024 };
}

const median = (numbers: readonly number[]) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;

/** A coherent log, without anything lost, must not be called otherwise. */
function check(result: Result): void {
  for (const { reasons, losses, error } of result.traces) {
    if (error !== undefined) throw new Error(error);
    if (reasons.length + losses.length > 0)
      throw new Error(`the log is coherent, but: ${JSON.stringify([...reasons, ...losses])}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'vtdscope-bench-'));
try {
  const path = values.keep ?? join(folder, 'bench.log');
  const bytes = Number(parseSize(values.bytes));
  if (statSync(path, { throwIfNoEntry: false }) === undefined) generate(path, bytes);
  const json = join(folder, 'result.json');
  const analyze = (jobs: string) => () =>
    timed(
      process.execPath,
      [
        '--import',
        `data:text/javascript,${PEAK}`,
        program,
        path,
        '--format',
        'json',
        '--jobs',
        jobs,
      ],
      json,
    );
  // All machines in one reading, beside one analysis.
  const whatIf = () =>
    timed(
      process.execPath,
      ['--import', `data:text/javascript,${PEAK}`, program, 'whatif', path],
      null,
    );
  const tools: readonly (readonly [name: string, run: () => Measured])[] = [
    ['wc -l', () => timed('wc', ['-l', path], null)],
    ...values.jobs.split(',').map((jobs) => [`vtdscope --jobs ${jobs}`, analyze(jobs)] as const),
    ['vtdscope whatif', whatIf],
  ];
  const runs = tools.map((): Measured[] => []);
  timed('wc', ['-l', path], null);
  for (let run = 0; run < Number(values.runs); run += 1) {
    for (const [index, [, measure]] of tools.entries()) runs[index]?.push(measure());
  }
  const result = JSON.parse(readFileSync(json, 'utf8')) as Result;
  const events = result.traces[0]?.events ?? 0;
  const size = statSync(path).size;
  const lines = [
    `${humanSize(size)}, ${events} events; ${cpus()[0]?.model ?? 'unknown processor'}, ` +
      `${availableParallelism()} threads, ${humanSize(totalmem())}, Node ${process.version}`,
    `${'tool'.padEnd(20)} ${'median s'.padStart(9)} ${'MB/s'.padStart(7)} ${'x wc -l'.padStart(8)} ${'peak'.padStart(9)}`,
  ];
  const baseline = runs[0] as readonly Measured[];
  for (const [index, [name]] of tools.entries()) {
    const own = runs[index] as readonly Measured[];
    const seconds = median(own.map((run) => run.seconds));
    // Of each pair of neighbours, so that what else the machine does weighs on both.
    const ratio = median(own.map((run, at) => run.seconds / (baseline[at] as Measured).seconds));
    const peak = Math.max(...own.map((run) => run.peak ?? 0));
    lines.push(
      `${name.padEnd(20)} ${seconds.toFixed(3).padStart(9)} ${(size / 1e6 / seconds).toFixed(0).padStart(7)} ` +
        `${ratio.toFixed(1).padStart(8)} ${(peak === 0 ? '' : humanSize(Math.round(peak))).padStart(9)}`,
    );
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  check(result);
  const rows = await readerRows(Number(parseSize(values.readers)), Number(values.runs));
  process.stdout.write(`\n${rows.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
