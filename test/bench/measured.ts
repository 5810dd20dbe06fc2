/*
 * Runs of whole processes, in turns, so that each ratio is of runs beside each other.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { loadavg } from 'node:os';
import { exitStatus } from '../../src/cli/exit-status.ts';
import { root } from '../helpers/ground-truth.ts';

export const program = `${root}dist/src/cli.js`;
/**
 * Tells peak and processor time of the whole process on its last line of stderr. The peak is the kernel's
 * VmHWM: `maxRSS` is never less than what this process had when it started the other one.
 */
const USAGE =
  "import{isMainThread}from'node:worker_threads';import{readFileSync}from'node:fs';isMainThread&&process.on('exit',()=>{const{maxRSS,userCPUTime,systemCPUTime}=process.resourceUsage();let peak=maxRSS;try{peak=/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status','latin1'))[1]}catch{}process.stderr.write('used '+peak+' '+(userCPUTime+systemCPUTime)+'\\n')})";

export interface Measured {
  readonly seconds: number;
  /** Bytes, and seconds of the processor; null of what is no run of `vtdscope`. */
  readonly peak: number | null;
  readonly cpu: number | null;
}

/** Something that is run. */
export interface Tool {
  readonly name: string;
  readonly run: () => Measured;
}

/** A command; `output`: a file for what it prints. */
export function command(
  name: string,
  [file = '', ...args]: readonly string[],
  output?: string,
): Tool {
  return { name, run: () => timed(file, args, output) };
}

/** `vtdscope` with these arguments. */
export function vtdscope(name: string, args: readonly string[], output?: string): Tool {
  const usage = ['--import', `data:text/javascript,${USAGE}`];
  return command(name, [process.execPath, ...usage, program, ...args], output);
}

/** `vtdscope` that reads a file, and another one so many times behind it, from a pipe. */
export function piped(
  name: string,
  [first, again, times]: readonly [first: string, again: string, times: number],
  args: readonly string[],
  output: string,
): Tool {
  const script =
    'first=$1 again=$2 n=$3; shift 3; { cat "$first"; while [ "$n" -gt 0 ]; do cat "$again"; n=$((n-1)); done; } | "$@"';
  const usage = ['--import', `data:text/javascript,${USAGE}`];
  const analysis = [process.execPath, ...usage, program, '-', ...args];
  return command(
    name,
    ['sh', '-c', script, 'sh', first, again, String(times), ...analysis],
    output,
  );
}

/** Of some commands those that are installed here. */
export function installed(tools: readonly (readonly [name: string, args: readonly string[]])[]) {
  return tools
    .filter(([, [file = '']]) => spawnSync(file, ['--version']).error === undefined)
    .map(([name, args]) => command(name, args));
}

function timed(file: string, args: readonly string[], output?: string): Measured {
  const out = output === undefined ? 'ignore' : openSync(output, 'w');
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync(file, args, {
    stdio: ['ignore', out, 'pipe'],
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (typeof out === 'number') closeSync(out);
  if (status === null || status === exitStatus.unusable || status > exitStatus.inconclusive)
    throw new Error(`${file} ended with ${status}: ${stderr}`);
  const [, peak, cpu] = /^used (\d+) (\d+)$/m.exec(stderr) ?? [];
  return {
    seconds,
    peak: peak === undefined ? null : Number(peak) * 1024,
    cpu: cpu === undefined ? null : Number(cpu) / 1e6,
  };
}

/** The load of the machine while something was measured. */
export class Load {
  #least = Number.POSITIVE_INFINITY;
  #most = 0;

  look(): void {
    const [now = 0] = loadavg();
    this.#least = Math.min(this.#least, now);
    this.#most = Math.max(this.#most, now);
  }

  get range(): readonly [least: number, most: number] {
    return [this.#least, this.#most];
  }
}

/** Runs of some tools, which took turns; before them each ran once, unless there is to be no such run. */
export class Turns {
  readonly #runs = new Map<string, Measured[]>();

  constructor(
    tools: readonly Tool[],
    runs: number,
    load: Load,
    first: 'warm up' | 'counts' = 'warm up',
  ) {
    for (const { name } of tools) this.#runs.set(name, []);
    for (let run = first === 'counts' ? 1 : 0; run <= runs; run += 1) {
      for (const { name, run: once } of tools) {
        load.look();
        const measured = once();
        if (run > 0) this.#runs.get(name)?.push(measured);
      }
    }
    load.look();
  }

  of(name: string): readonly Measured[] {
    return this.#runs.get(name) ?? [];
  }

  seconds(name: string): number {
    return median(this.of(name).map(({ seconds }) => seconds));
  }

  cpu(name: string): number | null {
    const all = this.of(name).flatMap(({ cpu }) => cpu ?? []);
    return all.length === 0 ? null : median(all);
  }

  peak(name: string): number | null {
    const all = this.of(name).flatMap(({ peak }) => peak ?? []);
    return all.length === 0 ? null : Math.max(...all);
  }

  /** How many times as long as another: of each pair of neighbours, so that what else runs weighs on both. */
  ratio(name: string, other: string): number {
    const others = this.of(other);
    return median(
      this.of(name).map(({ seconds }, at) => seconds / (others[at] as Measured).seconds),
    );
  }
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}
