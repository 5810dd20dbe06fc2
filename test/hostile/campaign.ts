import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { run as runOf } from '../../src/index.ts';
import type { Result, Verdict } from '../../src/result/types.ts';
import { Random } from '../../src/tools/simulator/random.ts';
import { root } from '../helpers/ground-truth.ts';
import { baseOf } from './bases.ts';
import { type Damaged, damages } from './damages.ts';

/*
 * One round: a log, and what damage of every kind makes of it, analysed by the built program as a
 * folder, with one thread and with two.
 */

/** What is wrong with what the program made of a trace; `trace`: null where it is of them all. */
export interface Problem {
  readonly seed: number;
  readonly trace: string | null;
  readonly what: string;
}

/** What a round came to. */
export interface Round {
  readonly traces: number;
  readonly problems: readonly Problem[];
}

/** Statuses that mean something: clean, findings, unusable, inconclusive. */
const STATUSES = [0, 1, 2, 3];
/** A run that takes longer hangs; one takes some seconds. */
const MOST_MILLISECONDS = 300_000;
const BAD: readonly Verdict[] = ['crashes', 'fails', 'loses-dirty-pages', 'leaves-mappings'];

/** Whether a result is as the damage lets it be; null where it is. */
export function contradiction(
  { expected }: Damaged,
  whole: Verdict,
  verdict: Verdict,
): string | null {
  const isWrong = {
    any: false,
    same: verdict !== whole,
    'not-clean': verdict === 'clean',
    'as-bad': BAD.includes(whole) && verdict === 'clean',
  }[expected];
  return isWrong
    ? `${verdict}, where the whole log is ${whole}, and expected was ${expected}`
    : null;
}

/** Plays the round of a seed in a folder of its own, which stays where there are problems. */
export async function playRound(seed: number): Promise<Round> {
  const random = new Random(seed);
  const { bytes: log, isLines } = baseOf(random);
  const fitting = damages.filter(({ isOfBytes }) => isLines || isOfBytes === true);
  const cases = fitting.map(({ name, apply }) => ({ name, ...apply(log, random) }));
  const folder = mkdtempSync(join(tmpdir(), `vtdscope-hostile-${seed}-`));
  const traces = join(folder, 'traces');
  mkdirSync(traces);
  for (const [index, { bytes }] of cases.entries()) writeFileSync(join(traces, `${index}`), bytes);
  const problems: Problem[] = [];
  const report = (trace: string | null, what: string) => problems.push({ seed, trace, what });
  const [one, two] = [await analysed(folder, 1), await analysed(folder, 2)];
  for (const { problem } of [one, two]) if (problem !== null) report(null, problem);
  if (one.output !== two.output) report(null, 'not the same with one thread and with two');
  if (one.result !== null) {
    const verdicts = new Map(one.result.traces.map((trace) => [trace.path, trace]));
    const whole = verdicts.get(join(traces, '0'))?.verdict;
    for (const [index, damaged] of cases.entries()) {
      const trace = verdicts.get(join(traces, `${index}`));
      if (trace === undefined || whole === undefined) continue;
      if (trace.error?.includes('internal error') === true) report(damaged.name, trace.error);
      // Of what is one document or binary, any damage may make something else.
      if (trace.error !== undefined || !isLines) continue;
      const wrong = contradiction(damaged, whole, trace.verdict);
      if (wrong !== null) report(damaged.name, wrong);
    }
  }
  for (const jobs of [1, 2]) {
    const wrong = await whileItChanges(folder, log, jobs, random);
    if (wrong !== null) report(`changed while it was read, ${jobs} jobs`, wrong);
  }
  if (problems.length === 0) rmSync(folder, { recursive: true });
  else report(null, `kept in ${folder}`);
  return { traces: 2 * cases.length + 2, problems };
}

/** The program's answer about all traces of a round. */
async function analysed(folder: string, jobs: number) {
  const [out, temporary] = [join(folder, `out-${jobs}`), join(folder, `tmp-${jobs}`)];
  mkdirSync(out);
  mkdirSync(temporary);
  const names = ['report.json', 'unmaps.ndjson', 'report.txt'];
  const [json = '', unmaps = '', text = ''] = names.map((name) => join(out, name));
  const args = [
    ...[join(folder, 'traces'), '--jobs', `${jobs}`],
    ...['-o', `json=${json}`, '-o', `text=${text}`, '--unmaps', unmaps],
  ];
  const { status, stderr } = await program(args, temporary);
  const litter = [...readdirSync(out), ...readdirSync(temporary)].filter(
    (name) => !names.includes(name),
  );
  if (!STATUSES.includes(status ?? -1) || stderr.includes('internal error')) {
    return { problem: `exit status ${status}: ${stderr.slice(0, 2000)}`, result: null, output: '' };
  }
  if (litter.length > 0) {
    return { problem: `leaves ${litter.join(', ')}`, result: null, output: '' };
  }
  if (readdirSync(out).length < names.length) {
    return { problem: null, result: null, output: `${status} ${stderr}` };
  }
  const [result, ...others] = [json, unmaps, text].map((path) => readFileSync(path, 'utf8'));
  const shown = [result, ...others].join('');
  const problem = /(?!\n)[\p{Cc}\p{Cf}]/u.test(shown) ? 'writes a control character' : null;
  return { problem, result: JSON.parse(result ?? '') as Result, output: `${status}\n${shown}` };
}

async function program(args: readonly string[], temporary: string) {
  const child = spawn(process.execPath, [`${root}dist/src/cli.js`, ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: MOST_MILLISECONDS,
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return new Promise<{ status: number | null; stderr: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stderr }));
  });
}

/** Cuts a log short, or writes over it, while it is read; what is wrong then, or null. */
async function whileItChanges(
  folder: string,
  log: Buffer,
  jobs: number,
  random: Random,
): Promise<string | null> {
  const path = join(folder, `changing-${jobs}`);
  writeFileSync(path, log);
  const left = random.below(log.length);
  const grows = random.chance(0.5);
  let isFirst = true;
  const { run } = (await import(`${root}dist/src/index.js`)) as { run: typeof runOf };
  const { verdict } = await run({
    inputs: [path],
    jobs,
    ...(jobs > 1 && { rangeBytes: 16 * 1024 }),
    onProgress() {
      if (!isFirst) return;
      isFirst = false;
      truncateSync(path, left);
      if (grows) appendFileSync(path, Buffer.alloc(log.length, 'vtd_reset_exit \n'));
    },
  });
  return verdict === 'clean' ? 'clean, although it was changed' : null;
}
