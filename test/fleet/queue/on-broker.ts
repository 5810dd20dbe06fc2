import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ResultFolder } from '../../../src/bytes/result-folder.ts';
import { mergeResults } from '../../../src/fleet/merge.ts';
import { Broker, type QueuedTrace } from '../../../src/fleet/queue/broker.ts';
import type { Fleet } from '../../../src/result/fleet.ts';
import { type BrokerKind, hasBroker } from '../../helpers/brokers.ts';
import { testFolder } from '../../helpers/folder.ts';
import { runProgram } from '../../helpers/program.ts';
import {
  childrenOf,
  DIES,
  isRunning,
  LOCK,
  longTrace,
  type Queue,
  queueOn,
  TIMEOUT,
  tracesIn,
  UNMAP,
} from '../../helpers/queue.ts';

/** Longer than what ends with a queue waits until it looks again. */
const AWAY_MILLISECONDS = 2000;

/** Takes away all that a broker knows. */
function wipe({ broker, kind }: Queue): void {
  const [command, ...args] =
    kind === 'redis'
      ? ['redis-cli', '-u', broker.url, 'flushall']
      : ['psql', broker.url, '-qc', 'drop schema bullmq cascade'];
  expect(spawnSync(command as string, args, { encoding: 'utf8' })).toMatchObject({ status: 0 });
}

/** What holds of a queue on every kind of broker. */
export function describeQueueOn(kind: BrokerKind): void {
  describe.runIf(hasBroker(kind))(`a queue on ${kind}`, () => {
    it(
      'loses nothing when a worker and the broker are killed',
      async () => {
        const queue = await queueOn(kind);
        const folder = testFolder();
        const count = 30;
        const good = tracesIn(folder, count);
        const noTrace = join(folder, 'no-trace.log');
        writeFileSync(noTrace, 'no trace at all\n');
        const dies = join(folder, DIES);
        writeFileSync(dies, UNMAP);
        await queue.submit([folder, noTrace]);
        const three = [1, 2, 3].map(() => queue.worker('--until-empty'));
        const [first] = three;
        const isBusy = () => childrenOf(first?.process.pid).length > 0;
        await queue.until('a worker at work', () => queue.resultNames().length > 2 && isBusy());
        first?.process.kill('SIGKILL');
        const collect = queue.collect('--wait', '--format', 'json');
        await queue.until('some results', () => queue.resultNames().length > 8);
        await queue.broker.crash(() => sleep(AWAY_MILLISECONDS));
        for (const { stderr } of await Promise.all(three.map(queue.ended))) {
          expect(stderr).not.toContain('internal error');
        }

        const { status, stdout } = await queue.ended(collect);
        const fleet = JSON.parse(stdout) as Fleet;
        expect(status).toBe(2);
        expect(fleet.counts).toMatchObject({ traces: count + 2, missing: 0, failed: 2 });
        const failed = fleet.traces.filter(({ state }) => state === 'failed');
        expect(failed.map(({ trace }) => trace).sort()).toEqual([dies, noTrace].sort());
        expect(queue.resultNames().length).toBe(count);

        // The same bytes as on one machine, the failures apart.
        const alone = testFolder();
        await runProgram([...good, '--results', alone]);
        expect(fleet.traces.filter(({ state }) => state === 'analysed')).toEqual(
          (await mergeResults(new ResultFolder(alone))).traces,
        );

        // Put back, what has failed is done, where nothing kills it now.
        const again = queue.collect('--retry-failed', '--wait', '--format', 'json');
        await queue.until('traces put back', () => again.said().includes('2 traces put back'));
        const args = ['worker', '--queue', queue.broker.url, '--results', queue.results];
        const worker = await runProgram([...args, '--until-empty']);
        expect(worker.stderr).toContain('no-trace.log');
        const { counts } = JSON.parse((await queue.ended(again)).stdout) as typeof fleet;
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
        await queue.until('some results', () => queue.resultNames().length > 3);
        first.process.kill('SIGTERM');
        expect((await queue.ended(first)).status).toBe(130);
        wipe(queue);
        const there = queue.resultNames().length;
        expect(there).toBeLessThan(12);
        expect((await queue.ended(queue.collect('--wait'))).status).toBe(2);

        const said = await queue.submit([folder]);
        expect(said).toBe(`12 traces: ${12 - there} in the queue, ${there} had a result\n`);
        const second = queue.worker('--until-empty', '--metrics', '0');
        const metricsUrl = () => /metrics: (\S+)/.exec(second.said())?.[1] ?? '';
        await queue.until('metrics', () => metricsUrl() !== '');
        let metrics = '';
        while (!/^bullmq_job_completed_total\{.*\} [1-9]\d*$/m.test(metrics)) {
          metrics = await (await fetch(metricsUrl())).text();
          await sleep(20);
        }
        await queue.ended(second);
        expect(second.done()).toBe(12 - there);
        expect(metrics).toMatch(
          /^bullmq_job_count\{queue="vtdscope-[^"]*", state="wait(?:ing)?"\} \d+$/m,
        );
        expect(
          JSON.parse((await queue.ended(queue.collect('-f', 'json'))).stdout).counts.missing,
        ).toBe(0);
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
        await queue.until('a result', () => queue.resultNames().length > 0);
        const stopped = [queue.broker.pid, ...childrenOf(queue.broker.pid)];
        for (const pid of stopped) process.kill(pid, 'SIGSTOP');
        await sleep((LOCK + 1) * 1000);
        for (const pid of stopped) if (isRunning(pid)) process.kill(pid, 'SIGCONT');
        await Promise.all(two.map(queue.ended));
        const { counts } = JSON.parse((await queue.ended(queue.collect('-f', 'json'))).stdout);
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
          await queue.until('an analysis', () => childrenOf(worker.process.pid).length > 0);
          worker.process.kill('SIGTERM');
          expect((await queue.ended(worker)).status).toBe(130);
        }
        const { stdout } = await queue.ended(queue.collect('-f', 'json'));
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
        await queue.until('an analysis', () => childrenOf(worker.process.pid).length > 0);
        const [child = 0] = childrenOf(worker.process.pid);
        await sleep(1000);
        expect(isRunning(child)).toBe(true);
        worker.process.kill('SIGKILL');
        await queue.until('the end of the analysis', () => !isRunning(child));
        expect(queue.resultNames()).toEqual([]);
      },
      TIMEOUT,
    );

    it(
      'is asked again until it answers, and taken from, when it was away at first',
      async () => {
        const queue = await queueOn(kind);
        const [path = ''] = tracesIn(testFolder(), 1);
        await queue.submit([path]);
        const name = 'vtdscope';
        const broker = await Broker.open({ url: queue.broker.url, name, onTrouble: () => {} });
        const taken: string[] = [];
        const asked: Promise<unknown>[] = [];
        try {
          await queue.broker.crash(async () => {
            asked.push(broker.unfinished(), broker.failed());
            const take = async ({ data }: QueuedTrace) => void taken.push(data.uri);
            asked.push(broker.take(take, { jobs: 1, lockMilliseconds: LOCK * 1000 }));
            await sleep(AWAY_MILLISECONDS);
          });
          await queue.until('the trace', () => taken.length > 0);
          expect(taken).toEqual([path]);
          await Promise.all(asked);
        } finally {
          await broker.stopTaking();
          await broker.close();
        }
      },
      TIMEOUT,
    );
  });
}
