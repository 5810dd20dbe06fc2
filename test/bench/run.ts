/*
 * Speed and memory of the built program, beside what is wanted of it: see HELP.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { humanSize, parseSize } from '../../src/base/address.ts';
import type { Result } from '../../src/result/types.ts';
import { type Row, tableOf, WANTED, type Wanted } from './goals.ts';
import { Inputs, sizeOf } from './inputs.ts';
import {
  command,
  installed,
  Load,
  piped,
  program,
  type Tool,
  Turns,
  vtdscope,
} from './measured.ts';
import { readerRows } from './readers.ts';

const HELP = `
npm run bench -- [--quick] [--bytes 1g] [--runs 5] [--seed 7] [--live 60000] [--readers 32m]
                 [--inputs FOLDER] [--json FILE]

Each row is a ratio to another tool on the same file in the same run, which took turns, or a size, or a
time; beside it is what is wanted, and whether it is reached. The inputs are made when they are first
needed, and kept in --inputs (~/.cache/vtdscope-bench, some 4 GB); the large log is coherent, and the
analysis must not call it otherwise. What others are compared with is left out where it is not installed
(rg, mawk, python3). The rows are written to --json, too (last.json beside the inputs). Each reader alone
is measured behind the table, on --readers bytes.

All of it takes some fifteen minutes of a quiet machine with two threads, and two more the first time;
--quick two and a half.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
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
  ? { bytes: '64m', runs: '3', readers: '0', files: 200, step: 2, streamed: 4, worstRuns: 2 }
  : { bytes: '1g', runs: '5', readers: '32m', files: 2000, step: 4, streamed: 1, worstRuns: 3 };
if (values.help) {
  process.stdout.write(HELP.trimStart());
  process.exit();
}
const bytes = Number(parseSize(values.bytes ?? usual.bytes));
const runs = Number(values.runs ?? usual.runs);
const seed = Number(values.seed);
const readerBytes = Number(parseSize(values.readers ?? usual.readers));

/** Decompresses a file, and nothing else. */
const GUNZIP =
  "const{createReadStream}=require('fs');const{createGunzip}=require('zlib');createReadStream(process.argv[1],{highWaterMark:2**18}).pipe(createGunzip({chunkSize:2**18})).resume()";
/** Fewer are read in less time than the program starts. */
const LEAST_WORST_BYTES = 2 ** 24;
/** As many as may live without a word, and so many that what one takes shows beside garbage. */
const LIVE_MAPPINGS = [100_000, values.quick ? 300_000 : 600_000] as const;
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
  const turns = new Turns(
    [wc(path), ...others, ...JOBS.map((n) => analyze(n, [path]))],
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
  const others = installed([['gzip -dc', ['gzip', '-dc', packed]]]);
  const tools = [gunzip, ...others, ...JOBS.map((jobs) => analyze(jobs, [packed]))];
  const turns = new Turns(tools, runs, load);
  for (const { name } of others) compare('gzip', turns, [name, gunzip.name], null, size);
  for (const jobs of JOBS) {
    compare('the same with gzip', turns, [analysis(jobs), gunzip.name], WANTED.gzip, size);
  }
  const whatIf = vtdscope('vtdscope whatif', ['whatif', path]);
  const plain = new Turns([...JOBS.map((jobs) => analyze(jobs, [path])), whatIf], 2, load);
  compare(humanSize(size), plain, [whatIf.name, analysis(1)], WANTED.whatIf, size);
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
  const turns = new Turns(tools, Math.min(runs, usual.worstRuns), load);
  compare(`${humanSize(size)}`, turns, [name, WC], null, sizeOf(plain));
  for (const [kind, path] of worst) {
    compare('worst case', turns, [kind, WC], WANTED.worst, sizeOf(path));
  }
}

/** Whether a byte of a long stream costs what it costs in a short one: of the processor, since the pipe shares it. */
function measureStream(shortest: number, step: number, passes: number): void {
  const { head, body } = inputs.endless();
  const sizeOfSome = (times: number): Stream => {
    const repeats = Math.ceil((shortest * times) / sizeOf(body));
    const bytes = sizeOf(head) + repeats * sizeOf(body);
    return { name: `${humanSize(bytes)} from a pipe`, repeats, bytes };
  };
  const least = sizeOfSome(1);
  const middle = sizeOfSome(step);
  const most = sizeOfSome(step ** 2);
  const tools = [least, middle, most].map(({ name, repeats }) =>
    piped(name, [head, body, repeats], ['--format', 'json', '--jobs', '1'], json),
  );
  const turns = new Turns(tools, passes, load, 'counts');
  const cost = (from: Stream, to: Stream) =>
    ((turns.cpu(to.name) ?? 0) - (turns.cpu(from.name) ?? 0)) / (to.bytes - from.bytes);
  const timing = {
    seconds: turns.seconds(most.name),
    cpu: turns.cpu(most.name),
    megabytesPerSecond: most.bytes / 1e6 / turns.seconds(most.name),
  };
  rows.push({
    what: `each byte of ${most.name}`,
    value: cost(middle, most) / cost(least, middle),
    unit: `x one of ${humanSize(middle.bytes)}`,
    wanted: WANTED.stream,
    ...timing,
  });
  rows.push({
    what: `most memory, ${most.name}`,
    value: (turns.peak(most.name) ?? 0) / 1e6,
    unit: 'MB',
    wanted: WANTED.peak,
    ...timing,
    megabytesPerSecond: null,
  });
}

interface Stream {
  readonly name: string;
  readonly repeats: number;
  readonly bytes: number;
}

/** What is held of mappings that live; of the least of some runs, as garbage comes on top. */
function measureMemory(): void {
  const paths = LIVE_MAPPINGS.map((count) => inputs.mapped(count));
  const names = LIVE_MAPPINGS.map((count) => `${count} live mappings`);
  // Else the host would refuse those behind the 65,535th one, and nothing be kept of them but that.
  const limit = ['--dma-entry-limit', String(2 ** 20)];
  const tools = paths.map((path, index) => analyze(1, [path, ...limit], names[index]));
  const turns = new Turns(tools, values.quick ? 1 : 3, load, 'counts');
  const peak = (name: string) => Math.min(...turns.of(name).map((run) => run.peak ?? 0));
  const [few = '', many = ''] = names;
  const timing = (name: string) => ({
    seconds: turns.seconds(name),
    cpu: turns.cpu(name),
    megabytesPerSecond: null,
  });
  rows.push({
    what: `most memory, ${few}`,
    value: (turns.peak(few) ?? 0) / 1e6,
    unit: 'MB',
    wanted: WANTED.peak,
    ...timing(few),
  });
  rows.push({
    what: `a live mapping, of ${many}`,
    value: (peak(many) - peak(few)) / (LIVE_MAPPINGS[1] - LIVE_MAPPINGS[0]),
    unit: 'B',
    wanted: WANTED.liveMapping,
    ...timing(many),
  });
}

try {
  const live = Number(values.live);
  const coherent = inputs.coherent(bytes, seed, live);
  measureCoherent(coherent);
  measureStorm(inputs.storm(bytes));
  measureQuarter(inputs.coherent(bytes / 4, seed, live));
  measureStream(bytes * usual.streamed, usual.step, values.quick ? Math.min(runs, 2) : 1);
  measureMemory();
  measureStart();
  measureSmallFiles(usual.files);
  measureWorst(Math.max(bytes / 32, LEAST_WORST_BYTES));
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
      `${most < 1 ? '' : ': not a quiet machine'}\n${tableOf(rows)}\n`,
  );
  const all = { machine, bytes, runs, seed, live, rows };
  const file = values.json ?? join(inputs.folder, 'last.json');
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
  if (readerBytes > 0) {
    const readers = await readerRows(readerBytes, runs);
    process.stdout.write(`\n${readers.join('\n')}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
