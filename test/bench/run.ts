/*
 * Speed and memory of the built program, beside what is wanted of it.
 *
 *   npm run bench -- [--quick] [--bytes 1g] [--runs 5] [--seed 7] [--live 60000] [--readers 32m]
 *                    [--inputs FOLDER] [--json FILE]
 *
 * Each row is a ratio to another tool on the same file in the same run, or a size, or a time. The
 * inputs are made when they are first needed, and kept in `--inputs` (~/.cache/vtdscope-bench); the
 * large log is coherent, and the analysis must not call it otherwise. Each reader alone is measured
 * last, on so many bytes (`readers.ts`). `--quick` is small enough for two minutes of a quiet machine.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { humanSize, parseSize } from '../../src/base/address.ts';
import type { Result } from '../../src/result/types.ts';
import { Inputs, sizeOf } from './inputs.ts';
import { command, installed, Load, program, type Tool, Turns, vtdscope } from './measured.ts';
import { readerRows } from './readers.ts';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    bytes: { type: 'string' },
    runs: { type: 'string' },
    seed: { type: 'string', default: '7' },
    live: { type: 'string', default: '60000' },
    inputs: { type: 'string' },
    readers: { type: 'string' },
    json: { type: 'string' },
  },
});

const usual = values.quick
  ? { bytes: '64m', runs: '3', readers: '0', files: 200 }
  : { bytes: '1g', runs: '5', readers: '32m', files: 2000 };
const bytes = Number(parseSize(values.bytes ?? usual.bytes));
const runs = Number(values.runs ?? usual.runs);
const seed = Number(values.seed);
const readerBytes = Number(parseSize(values.readers ?? usual.readers));

/** What is wanted: met where a value is no higher. */
interface Wanted {
  readonly must: number;
  readonly aim: number;
}

/** A line of the table. */
interface Row {
  readonly what: string;
  readonly value: number;
  /** `x wc -l`, `ms`, `MB` ... */
  readonly unit: string;
  readonly wanted: Wanted | null;
  readonly seconds: number;
  /** Seconds of the processor, all threads together; null of other tools. */
  readonly cpu: number | null;
  /** Of the input; null where it is nothing of that kind. */
  readonly megabytesPerSecond: number | null;
}

const WANTED = {
  coherent: [
    { must: 14, aim: 11 },
    { must: 9, aim: 7 },
  ],
  storm: [
    { must: 6, aim: 5 },
    { must: 5, aim: 3.5 },
  ],
  whatIf: { must: 2, aim: 2 },
  gzip: { must: 2.5, aim: 1.6 },
  peak: { must: 250, aim: 200 },
  version: { must: 110, aim: 75 },
  smallTrace: { must: 180, aim: 130 },
  smallFiles: { must: 0.65, aim: 0.55 },
  /** 60 % of what one thread did with a coherent log before the kernel, 27.5 times `wc -l`; and all of it. */
  worst: { must: 46, aim: 27.5 },
} as const;

/** Decompresses a file, and nothing else. */
const GUNZIP =
  "const{createReadStream}=require('fs');const{createGunzip}=require('zlib');createReadStream(process.argv[1],{highWaterMark:2**18}).pipe(createGunzip({chunkSize:2**18})).resume()";
/** Fewer are read in less time than the program starts. */
const LEAST_WORST_BYTES = 2 ** 24;
const JOBS = [1, 2] as const;
const WC = 'wc -l';
const analysis = (jobs: number) => `vtdscope, ${jobs} ${jobs === 1 ? 'job' : 'jobs'}`;

const load = new Load();
const rows: Row[] = [];
const inputs = new Inputs(values.inputs);
const folder = mkdtempSync(join(tmpdir(), 'vtdscope-bench-'));
const json = join(folder, 'result.json');

const analyze = (jobs: number, paths: readonly string[], name = analysis(jobs)): Tool =>
  vtdscope(name, [...paths, '--format', 'json', '--jobs', String(jobs)], json);
const wc = (path: string) => command(WC, ['wc', '-l', path]);

/** A row of how many times as long as another tool one takes. */
function compare(
  what: string,
  turns: Turns,
  [name, other]: readonly [name: string, other: string],
  wanted: Wanted | null,
  size: number | null,
): void {
  const seconds = turns.seconds(name);
  rows.push({
    what: `${what}: ${name}`,
    value: turns.ratio(name, other),
    unit: `x ${other}`,
    wanted,
    seconds,
    cpu: turns.cpu(name),
    megabytesPerSecond: size === null ? null : size / 1e6 / seconds,
  });
}

/** A coherent log, without anything lost, must not be called otherwise. */
function check(result: Result): void {
  for (const { reasons, losses, error } of result.traces) {
    if (error !== undefined) throw new Error(error);
    if (reasons.length + losses.length > 0)
      throw new Error(`the log is coherent, but: ${JSON.stringify([...reasons, ...losses])}`);
  }
}

function measureCoherent(path: string): void {
  const others = installed([
    ['cat', ['cat', path]],
    ['rg -c, a rare event', ['rg', '-c', 'vtd_as_unmap_whole', path]],
    ['mawk, one field', ['mawk', '/page_walk_one/{n+=$10}END{print n}', path]],
    ['python3, one event', ['python3', '-c', PYTHON, path]],
  ]);
  const whatIf = vtdscope('vtdscope whatif', ['whatif', path]);
  const turns = new Turns(
    [wc(path), ...others, ...JOBS.map((n) => analyze(n, [path])), whatIf],
    runs,
    load,
  );
  check(JSON.parse(readFileSync(json, 'utf8')) as Result);
  const size = sizeOf(path);
  compare('coherent log', turns, [WC, WC], null, size);
  for (const { name } of others) compare('coherent log', turns, [name, WC], null, size);
  for (const [index, jobs] of JOBS.entries()) {
    compare('coherent log', turns, [analysis(jobs), WC], WANTED.coherent[index] as Wanted, size);
  }
  compare('coherent log', turns, [whatIf.name, analysis(1)], WANTED.whatIf, size);
  for (const jobs of JOBS) rows.push(peakRow(turns, jobs, path));
}

const PYTHON =
  "import re,sys\nfind=re.compile(r'page_walk_one domain (\\\\S+) iova (\\\\S+)').search\nprint(sum(1 for line in open(sys.argv[1]) if find(line)))";

function peakRow(turns: Turns, jobs: number, path: string): Row {
  const name = analysis(jobs);
  return {
    what: `most memory, ${humanSize(sizeOf(path))}: ${name}`,
    value: (turns.peak(name) ?? 0) / 1e6,
    unit: 'MB',
    wanted: WANTED.peak,
    seconds: turns.seconds(name),
    cpu: turns.cpu(name),
    megabytesPerSecond: null,
  };
}

function measureQuarter(path: string): void {
  const size = sizeOf(path);
  const packed = inputs.gzipped(path);
  const gunzip = command('gunzip in Node', [process.execPath, '-e', GUNZIP, packed]);
  const tools = [gunzip, ...JOBS.map((jobs) => analyze(jobs, [packed]))];
  const turns = new Turns(tools, runs, load);
  for (const jobs of JOBS) {
    compare('the same with gzip', turns, [analysis(jobs), gunzip.name], WANTED.gzip, size);
  }
  const plain = new Turns(
    JOBS.map((jobs) => analyze(jobs, [path])),
    1,
    load,
  );
  for (const jobs of JOBS) rows.push(peakRow(plain, jobs, path));
}

function measureStorm(path: string): void {
  const turns = new Turns([wc(path), ...JOBS.map((jobs) => analyze(jobs, [path]))], runs, load);
  for (const [index, jobs] of JOBS.entries()) {
    const wanted = WANTED.storm[index] as Wanted;
    compare('the real mix', turns, [analysis(jobs), WC], wanted, sizeOf(path));
  }
}

function measureStart(): void {
  const trace = inputs.coherent(100_000, seed, 100);
  const bare = 'node -e 0';
  const version = 'vtdscope --version';
  const small = 'a trace of 100 KB';
  const tools = [
    command(bare, [process.execPath, '-e', '0']),
    // Nothing is imported to tell what they use.
    command(version, [process.execPath, program, '--version']),
    command(small, [process.execPath, program, trace, '--format', 'json'], json),
  ];
  const turns = new Turns(tools, runs * 4, load);
  for (const [name, wanted] of [
    [bare, null],
    [version, WANTED.version],
    [small, WANTED.smallTrace],
  ] as const) {
    const seconds = turns.seconds(name);
    rows.push({
      what: `start: ${name}`,
      value: seconds * 1000,
      unit: 'ms',
      wanted,
      seconds,
      cpu: turns.cpu(name),
      megabytesPerSecond: null,
    });
  }
}

function measureSmallFiles(count: number): void {
  const files = inputs.smallFiles(count, seed);
  const turns = new Turns(
    JOBS.map((jobs) => analyze(jobs, [files])),
    runs,
    load,
  );
  const [one, two] = [analysis(1), analysis(2)];
  compare(`${count} small files`, turns, [two, one], WANTED.smallFiles, null);
}

function measureWorst(size: number): void {
  const plain = inputs.coherent(size, seed, Number(values.live));
  const worst = [...inputs.worst(size)];
  const name = analysis(1);
  const tools = [
    wc(plain),
    analyze(1, [plain]),
    ...worst.map(([kind, path]) => analyze(1, [path], kind)),
  ];
  const turns = new Turns(tools, runs, load);
  compare(`${humanSize(size)}`, turns, [name, WC], null, sizeOf(plain));
  for (const [kind, path] of worst) {
    compare('worst case', turns, [kind, WC], WANTED.worst, sizeOf(path));
  }
}

function table(): string {
  const verdict = ({ value, wanted }: Row) =>
    wanted === null ? '' : value <= wanted.aim ? 'aim' : value <= wanted.must ? 'must' : 'missed';
  const cells = rows.map((row) => [
    row.what,
    row.value.toFixed(row.unit === 'ms' || row.unit === 'MB' ? 0 : 2),
    row.unit,
    row.wanted === null ? '' : String(row.wanted.must),
    row.wanted === null ? '' : String(row.wanted.aim),
    verdict(row),
    row.seconds.toFixed(3),
    row.cpu?.toFixed(2) ?? '',
    row.megabytesPerSecond?.toFixed(0) ?? '',
  ]);
  const all = [['', '', '', 'must', 'aim', '', 's', 'cpu s', 'MB/s'], ...cells];
  const widths = all[0]?.map((_, column) =>
    Math.max(...all.map((line) => line[column]?.length ?? 0)),
  );
  return all
    .map((line) =>
      line
        .map((cell, column) => {
          const width = widths?.[column] ?? 0;
          return column === 0 || column === 2 || column === 5
            ? cell.padEnd(width)
            : cell.padStart(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

try {
  const live = Number(values.live);
  const coherent = inputs.coherent(bytes, seed, live);
  measureCoherent(coherent);
  measureStorm(inputs.storm(bytes));
  measureQuarter(inputs.coherent(bytes / 4, seed, live));
  measureStart();
  measureSmallFiles(usual.files);
  measureWorst(Math.max(bytes / 16, LEAST_WORST_BYTES));
  const [least, most] = load.range;
  const machine = {
    processor: cpus()[0]?.model ?? 'unknown',
    threads: availableParallelism(),
    memory: totalmem(),
    node: process.version,
    load: { least, most },
  };
  process.stdout.write(
    `${humanSize(sizeOf(coherent))}; ${machine.processor}, ${machine.threads} threads, ` +
      `${humanSize(machine.memory)}, Node ${machine.node}; load ${least.toFixed(1)} to ${most.toFixed(1)}` +
      `${most < 1 ? '' : ': not a quiet machine'}\n${table()}\n`,
  );
  if (values.json !== undefined) {
    const all = { machine, bytes, runs, seed, live, rows };
    writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
  }
  if (readerBytes > 0) {
    const readers = await readerRows(readerBytes, runs);
    process.stdout.write(`\n${readers.join('\n')}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
