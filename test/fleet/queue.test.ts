import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { ResultFolder } from '../../src/bytes/result-folder.ts';
import { mergeResults } from '../../src/fleet/merge.ts';
import { parseListenAt } from '../../src/fleet/queue/metrics.ts';
import type { Fleet } from '../../src/result/fleet.ts';
import {
  type BrokerKind,
  hasBroker,
  isRequired,
  startBroker,
  type TestBroker,
} from '../helpers/brokers.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { startObjectServer } from '../helpers/object-server.ts';
import { runProgram } from '../helpers/program.ts';
import { startStore, storeEnvironment } from '../helpers/s3-server.ts';

const UNMAP = 'vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff\n';
const TRACKED = 'global_dirty_changed bitmask 0x2\n';
/** A process that is given a trace of this name dies, as it would of a fault of the runtime. */
const DIES = 'kills-its-process.log';
const SABOTAGE = `--import=data:text/javascript,${encodeURIComponent(
  `if (process.argv.some((text) => text.endsWith('${DIES}'))) process.kill(process.pid, 'SIGKILL');`,
)}`;
/** Seconds until a trace of a dead worker is taken by another. */
const LOCK = '3';
const TIMEOUT = 300_000;

const kinds = (['redis', 'postgres'] as const).filter(hasBroker);
const workers: ChildProcess[] = [];

afterEach(() => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
});

function tracesIn(folder: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const path = join(folder, `vm-${index}.log`);
    writeFileSync(path, index % 2 === 0 ? UNMAP : `${TRACKED}${UNMAP}`);
    return path;
  });
}

/** A trace that takes many seconds to analyse. */
function longTrace(folder: string): string {
  const path = join(folder, 'long.log');
  const lines = UNMAP.repeat(10_000);
  const file = openSync(path, 'w');
  for (let written = 0; written < 400e6; written += lines.length) writeSync(file, lines);
  closeSync(file);
  return path;
}

interface Queue {
  readonly broker: TestBroker;
  readonly kind: BrokerKind;
  /** Where the results go. */
  readonly results: string;
  submit(paths: readonly string[]): Promise<string>;
  worker(...more: readonly string[]): Worker;
  collect(...more: readonly string[]): ReturnType<typeof runProgram>;
}

interface Worker {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  /** Lines that say that a trace was done. */
  done(): number;
  /** Where it says that it serves metrics. */
  readonly metrics: Promise<string>;
}

async function queueOn(kind: BrokerKind): Promise<Queue> {
  const broker = await startBroker(kind);
  const results = testFolder();
  const where = ['--queue', broker.url];
  return {
    broker,
    kind,
    results,
    submit: async (paths) => {
      const { status, stderr, stdout } = await runProgram([
        'submit',
        ...where,
        '--results',
        results,
        ...paths,
      ]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      return stdout;
    },
    worker: (...more) => {
      const args = ['worker', ...where, '--results', results, '--lock', LOCK, '-v', ...more];
      const child = spawn(process.execPath, [join(root, 'dist/src/cli.js'), ...args], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, NODE_OPTIONS: SABOTAGE },
      });
      workers.push(child);
      let said = '';
      const metrics = new Promise<string>((resolve) => {
        child.stderr?.setEncoding('utf8').on('data', (text: string) => {
          said += text;
          const url = /metrics: (\S+)/.exec(said)?.[1];
          if (url !== undefined) resolve(url);
        });
      });
      return {
        process: child,
        metrics,
        ended: new Promise((resolve) => child.once('close', resolve)),
        done: () => said.split('\n').filter((line) => line.endsWith(': done')).length,
      };
    },
    collect: (...more) => runProgram(['collect', results, ...where, ...more]),
  };
}

const resultsIn = (folder: string) =>
  readdirSync(folder).filter((name) => /^[0-9a-f]{32}\.json$/.test(name));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20);
}

/** The processes that a process has started. */
function childrenOf(pid: number | undefined): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

function isRunning(pid: number): boolean {
  try {
    // One that has ended, and that nobody has asked about, is a Z.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Takes away all that a broker knows. */
function wipe({ broker, kind }: Queue): void {
  const [command, ...args] =
    kind === 'redis'
      ? ['redis-cli', '-u', broker.url, 'flushall']
      : ['psql', broker.url, '-qc', 'drop schema bullmq cascade'];
  expect(spawnSync(command as string, args, { encoding: 'utf8' })).toMatchObject({ status: 0 });
}

it('has brokers to be tried on', () => {
  expect(kinds).toEqual(isRequired ? ['redis', 'postgres'] : expect.anything());
});

describe.each(kinds)('a queue on %s', (kind) => {
  it(
    'loses nothing when a worker and the broker are killed',
    async () => {
      const queue = await queueOn(kind);
      const folder = testFolder();
      // The young one is slower.
      const count = kind === 'redis' ? 200 : 60;
      const good = tracesIn(folder, count);
      const noTrace = join(folder, 'no-trace.log');
      writeFileSync(noTrace, 'no trace at all\n');
      const dies = join(folder, DIES);
      writeFileSync(dies, UNMAP);
      await queue.submit([folder, noTrace]);
      const three = [1, 2, 3].map(() => queue.worker('--until-empty'));
      await until(() => resultsIn(queue.results).length > 10);
      three[0]?.process.kill('SIGKILL');
      await until(() => resultsIn(queue.results).length > 25);
      await queue.broker.crash();
      await Promise.all(three.map(({ ended }) => ended));

      const { status, stdout } = await queue.collect('--wait', '--format', 'json');
      const fleet = JSON.parse(stdout) as Fleet;
      expect(status).toBe(2);
      expect(fleet.counts).toMatchObject({ traces: count + 2, missing: 0, failed: 2 });
      const failed = fleet.traces.filter(({ state }) => state === 'failed');
      expect(failed.map(({ trace }) => trace).sort()).toEqual([dies, noTrace].sort());
      expect(resultsIn(queue.results).length).toBe(count);

      // The same bytes as on one machine, the failures apart.
      const alone = testFolder();
      await runProgram([...good, '--results', alone]);
      expect(fleet.traces.filter(({ state }) => state === 'analysed')).toEqual(
        (await mergeResults(new ResultFolder(alone))).traces,
      );

      // Put back, what has failed is done, where nothing kills it now.
      const again = queue.collect('--retry-failed', '--wait', '--format', 'json');
      const args = ['worker', '--queue', queue.broker.url, '--results', queue.results];
      await sleep(1000);
      const worker = await runProgram([...args, '--until-empty']);
      expect(worker.stderr).toContain('no-trace.log');
      const { counts } = JSON.parse((await again).stdout) as typeof fleet;
      expect(counts).toMatchObject({ missing: 0, failed: 1 });
    },
    TIMEOUT,
  );

  it(
    'that is wiped takes only what is missing when it is submitted again',
    async () => {
      const queue = await queueOn(kind);
      const folder = testFolder();
      tracesIn(folder, 12);
      await queue.submit([folder]);
      const first = queue.worker();
      await until(() => resultsIn(queue.results).length > 3);
      first.process.kill('SIGTERM');
      expect(await first.ended).toBe(130);
      wipe(queue);
      const there = resultsIn(queue.results).length;
      expect(there).toBeLessThan(12);
      expect((await queue.collect('--wait')).status).toBe(2);

      const said = await queue.submit([folder]);
      expect(said).toBe(`12 traces: ${12 - there} in the queue, ${there} had a result\n`);
      const second = queue.worker('--until-empty', '--metrics', '0');
      const url = await second.metrics;
      let metrics = '';
      while (!/^bullmq_job_completed_total\{.*\} [1-9]\d*$/m.test(metrics)) {
        metrics = await (await fetch(url)).text();
        await sleep(20);
      }
      await second.ended;
      expect(second.done()).toBe(12 - there);
      expect(metrics).toMatch(
        /^bullmq_job_count\{queue="vtdscope-[^"]*", state="wait(?:ing)?"\} \d+$/m,
      );
      expect(JSON.parse((await queue.collect('-f', 'json')).stdout).counts.missing).toBe(0);
    },
    TIMEOUT,
  );

  it(
    'that answers nothing for longer than the lock loses nothing',
    async () => {
      const queue = await queueOn(kind);
      const folder = testFolder();
      tracesIn(folder, 8);
      await queue.submit([folder]);
      const two = [queue.worker('--until-empty'), queue.worker('--until-empty')];
      await until(() => resultsIn(queue.results).length > 0);
      const stopped = [queue.broker.pid, ...childrenOf(queue.broker.pid)];
      for (const pid of stopped) process.kill(pid, 'SIGSTOP');
      await sleep((Number(LOCK) + 1) * 1000);
      for (const pid of stopped) if (isRunning(pid)) process.kill(pid, 'SIGCONT');
      await Promise.all(two.map(({ ended }) => ended));
      const { counts } = JSON.parse((await queue.collect('-f', 'json')).stdout);
      expect(counts).toMatchObject({ traces: 8, missing: 0, failed: 0 });
    },
    TIMEOUT,
  );

  it(
    'gets a trace back from a worker that is told to end, and the attempt does not count',
    async () => {
      const queue = await queueOn(kind);
      const folder = testFolder();
      await queue.submit([longTrace(folder)]);
      // More often than a trace may be tried.
      for (let round = 0; round < 4; round += 1) {
        const worker = queue.worker();
        await until(() => childrenOf(worker.process.pid).length > 0);
        worker.process.kill('SIGTERM');
        expect(await worker.ended).toBe(130);
      }
      const { stdout } = await queue.collect('-f', 'json');
      expect(JSON.parse(stdout).counts).toMatchObject({ missing: 1, failed: 0 });
    },
    TIMEOUT,
  );

  it(
    'leaves no analysis behind when its worker is killed',
    async () => {
      const queue = await queueOn(kind);
      const folder = testFolder();
      await queue.submit([longTrace(folder)]);
      const worker = queue.worker();
      await until(() => childrenOf(worker.process.pid).length > 0);
      const [child = 0] = childrenOf(worker.process.pid);
      await sleep(1000);
      expect(isRunning(child)).toBe(true);
      worker.process.kill('SIGKILL');
      await until(() => !isRunning(child));
      expect(resultsIn(queue.results)).toEqual([]);
    },
    TIMEOUT,
  );
});

describe.runIf(kinds.includes('redis'))('a queue with results in a store', () => {
  it(
    'hands out objects, and options that say where a file is',
    async () => {
      const store = await startStore();
      for (const number of [1, 2, 3]) store.put(`/logs/${number}.log`, Buffer.from(UNMAP));
      const { url } = await startBroker('redis');
      const folder = testFolder();
      const events = join(folder, 'trace-events-all');
      writeFileSync(events, 'vtd_inv_desc(const char *type, uint64_t hi) "%s 0x%"PRIx64\n');
      const environment = { ...storeEnvironment(store.url), VTDSCOPE_QUEUE: url };
      const results = ['--results', 's3://runs/one'];
      const submit = [...results, '--trace-events-all', 'trace-events-all', 's3://logs/'];
      const submitted = await runProgram(['submit', ...submit], { environment, folder });
      expect(submitted).toMatchObject({ status: 0, stderr: '' });
      expect(submitted.stdout).toBe('3 traces: 3 in the queue, 0 had a result\n');
      await runProgram(['worker', ...results, '--until-empty'], { environment });
      const collect = ['collect', 's3://runs/one', '--wait', '-f', 'json'];
      const { stdout } = await runProgram(collect, { environment });
      expect(JSON.parse(stdout).counts).toMatchObject({ traces: 3, missing: 0, failed: 0 });
      const web = await startObjectServer();
      web.put('/x', Buffer.from(UNMAP));
      const signed = `${web.url.replace('//', '//me:SECRET@')}/x`;
      const refused = await runProgram(['submit', ...results, signed], { environment });
      expect(refused).toMatchObject({
        status: 2,
        stderr: `vtdscope: ${web.url}/x: a queue takes no URL with a password or a signature\n`,
      });
    },
    TIMEOUT,
  );
});

describe('the place where metrics are served', () => {
  it('is on this machine, unless it is told', () => {
    expect(parseListenAt('9100')).toEqual({ host: '127.0.0.1', port: 9100 });
    expect(parseListenAt('0.0.0.0:9100')).toEqual({ host: '0.0.0.0', port: 9100 });
    expect(parseListenAt('[::1]:9100')).toEqual({ host: '::1', port: 9100 });
    for (const text of ['', 'host', '99999', 'a b:1', ':1']) {
      expect(() => parseListenAt(text)).toThrow(`--metrics: ${text} is no [HOST:]PORT`);
    }
  });
});

describe('a queue', () => {
  it('that cannot be reached, or is of no known kind, is a sentence', async () => {
    for (const [url, why] of [
      ['redis://u:secret@127.0.0.1:1', 'redis://127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1'],
      ['postgres://127.0.0.1:1/x', 'postgres://127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1'],
      ['amqp://here', 'amqp://here is no redis:// or postgres:// URL'],
    ] as const) {
      const folder = testFolder();
      const { status, stderr } = await runProgram([
        ...['worker', '--queue', url, '--results', folder, '--until-empty'],
      ]);
      expect({ status, stderr }).toEqual({ status: 2, stderr: `vtdscope: --queue: ${why}\n` });
    }
  });
});
