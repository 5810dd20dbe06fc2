import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasBroker, startBroker } from '../../helpers/brokers.ts';
import { testFolder } from '../../helpers/folder.ts';
import { startObjectServer } from '../../helpers/object-server.ts';
import { runProgram } from '../../helpers/program.ts';
import { TIMEOUT, UNMAP } from '../../helpers/queue.ts';
import { startStore, storeEnvironment } from '../../helpers/s3-server.ts';
import { describeQueueOn } from './on-broker.ts';

describeQueueOn('redis');

describe.runIf(hasBroker('redis'))('a queue with results in a store', () => {
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
