import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { type BrokerKind, startBroker, type TestBroker } from './brokers.ts';
import { testFolder } from './folder.ts';
import { root } from './ground-truth.ts';
import type { Ended } from './program.ts';

export const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff\n';
const TRACKED = 'global_dirty_changed bitmask 0x2\n';
/** A process that is given a trace of this name dies, as it would of a fault of the runtime. */
export const DIES = 'kills-its-process.log';
const SABOTAGE = `--import=data:text/javascript,${encodeURIComponent(
  `if (process.argv.some((text) => text.endsWith('${DIES}'))) process.kill(process.pid, 'SIGKILL');`,
)}`;
/** Seconds until a trace of a dead worker is taken by another. */
export const LOCK = 3;
/** What is waited for takes some seconds on a quiet machine. */
const PATIENCE_MILLISECONDS = 100_000;
/** Milliseconds that a test of a queue may take: its own limits say more. */
export const TIMEOUT = 300_000;

/** A queue on a broker of its own, with all that has been started on it. */
export interface Queue {
  readonly broker: TestBroker;
  readonly kind: BrokerKind;
  /** Where the results go. */
  readonly results: string;
  submit(paths: readonly string[]): Promise<string>;
  worker(...more: readonly string[]): Worker;
  collect(...more: readonly string[]): Started;
  /** Names of the results that are there. */
  resultNames(): readonly string[];
  /** Waits; what does not come fails, and says how far all had come. */
  until(what: string, holds: () => boolean): Promise<void>;
  ended(started: Started): Promise<Ended>;
}

/** A process of the program. */
export interface Started {
  readonly process: ChildProcess;
  readonly result: Promise<Ended>;
  /** What it has said on stderr. */
  said(): string;
}

export interface Worker extends Started {
  /** Lines that say that a trace was done. */
  done(): number;
}

/** Starts a broker for the running test, after which all that was started is ended. */
export async function queueOn(kind: BrokerKind): Promise<Queue> {
  const broker = await startBroker(kind);
  const results = testFolder();
  const where = ['--queue', broker.url];
  const began = performance.now();
  const all: { readonly command: string; readonly started: Started }[] = [];
  const start = (command: string, ...args: readonly string[]): Started => {
    const started = startProgram([command, ...args]);
    all.push({ command, started });
    onTestFinished(() => void started.process.kill('SIGKILL'));
    return started;
  };
  const resultNames = () =>
    readdirSync(results).filter((name) => /^[0-9a-f]{32}\.json$/.test(name));
  const howFar = () => {
    const states = all.map(({ command, started: { process, said } }) => {
      const { exitCode, signalCode } = process;
      const state = signalCode ?? (exitCode === null ? 'runs' : `exit status ${exitCode}`);
      return `${command} (${state}):\n${said()}`;
    });
    const seconds = Math.round((performance.now() - began) / 1000);
    return [`${seconds} s, ${resultNames().length} results`, ...states].join('\n');
  };
  const until = async (what: string, holds: () => boolean) => {
    const end = performance.now() + PATIENCE_MILLISECONDS;
    while (!holds()) {
      if (performance.now() > end) throw new Error(`waited in vain for ${what}\n${howFar()}`);
      await sleep(20);
    }
  };
  return {
    broker,
    kind,
    results,
    resultNames,
    until,
    submit: async (paths) => {
      const { result } = start('submit', ...where, '--results', results, ...paths);
      const { status, stderr, stdout } = await result;
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout;
    },
    worker: (...more) => {
      const args = [...where, '--results', results, '--lock', `${LOCK}`, '-v', ...more];
      const started = start('worker', ...args);
      const done = () => started.said().match(/: done$/gm)?.length ?? 0;
      return { ...started, done };
    },
    collect: (...more) => start('collect', results, ...where, ...more),
    ended: async ({ process, result }) => {
      const isOver = () => process.exitCode !== null || process.signalCode !== null;
      await until(`the end of ${process.spawnargs.slice(2).join(' ')}`, isOver);
      return result;
    },
  };
}

function startProgram(args: readonly string[]): Started {
  const child = spawn(process.execPath, [join(root, 'dist/src/cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: SABOTAGE },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const result = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { process: child, result, said: () => stderr };
}

/** Writes traces, every second of which is tracked, and tells their paths. */
export function tracesIn(folder: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const path = join(folder, `vm-${index}.log`);
    writeFileSync(path, index % 2 === 0 ? UNMAP : `${TRACKED}${UNMAP}`);
    return path;
  });
}

/** A trace that takes many seconds to analyse. */
export function longTrace(folder: string): string {
  const path = join(folder, 'long.log');
  const lines = UNMAP.repeat(10_000);
  const file = openSync(path, 'w');
  for (let written = 0; written < 400e6; written += lines.length) writeSync(file, lines);
  closeSync(file);
  return path;
}

/** The processes that a process has started. */
export function childrenOf(pid: number | undefined): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** Whether there is such a process. */
export function isRunning(pid: number): boolean {
  try {
    // One that has ended, and that nobody has asked about, is a Z.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
