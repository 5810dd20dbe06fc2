import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Result } from '../../src/result/types.ts';
import { testFolder } from '../helpers/folder.ts';
import { root } from '../helpers/ground-truth.ts';
import { runProgram } from '../helpers/program.ts';
import { type StoreOptions, startStore, storeEnvironment } from '../helpers/s3-server.ts';

const COMPRESSED = readFileSync(`${root}traces/qemu-7.2/blocked-aw48.log.gz`);
const SHORT = readFileSync(`${root}traces/qemu-10.0/blocked-aw48-minimal.log`);

async function storeWith(keys: readonly string[], options: StoreOptions = {}) {
  const store = await startStore(options);
  for (const key of keys) store.put(`/logs/${key}`, key.endsWith('.gz') ? COMPRESSED : SHORT);
  const environment = storeEnvironment(store.url);
  const run = async (...args: readonly string[]) => {
    const ended = await runProgram([...args, '-f', 'json'], { environment });
    const isJson = ended.stdout.startsWith('{');
    return { ...ended, result: isJson ? (JSON.parse(ended.stdout) as Result) : null };
  };
  return { ...store, run };
}

const pathsOf = (result: Result | null) => result?.traces.map(({ path }) => path);
const errorsOf = (result: Result | null) => result?.traces.flatMap(({ error }) => error ?? []);

describe('a trace in a store', () => {
  it('is read like a file, whatever characters its key has', async () => {
    const keys = ['a.log', "day 1/é+&=?#%41(1)!*'.log", 'b//c.log.gz'];
    const { result, stderr, status } = await (await storeWith(keys)).run(
      ...keys.map((key) => `s3://logs/${key}`),
    );
    expect([status, stderr]).toEqual([1, '']);
    expect(pathsOf(result)).toEqual(keys.map((key) => `s3://logs/${key}`));
    expect(errorsOf(result)).toEqual([]);
    expect(result?.traces[2]?.compression).toBe('gzip');
  });

  it('is found below a name, without what is no trace', async () => {
    const keys = ['vm/1.log', 'vm/sub dir/2.log', 'vm+3.log', 'vm/empty.log', 'vm/a.txt'];
    const { put, run } = await storeWith(keys);
    put('/logs/vm/empty.log', Buffer.alloc(0));
    put('/logs/vm/a.txt', Buffer.from('some other text\n'));
    const { result, status } = await run('s3://logs/vm/');
    expect([status, pathsOf(result)]).toEqual([
      1,
      ['s3://logs/vm/1.log', 's3://logs/vm/sub dir/2.log'],
    ]);
    expect(pathsOf((await run('s3://logs')).result)).toContain('s3://logs/vm+3.log');
    const none = await run('s3://logs/none/');
    expect([none.status, errorsOf(none.result)]).toEqual([
      2,
      ['s3://logs/none/: a directory without traces'],
    ]);
  });

  it('is found among more than a thousand', async () => {
    const keys = Array.from({ length: 1003 }, (_, index) => `many/${1000 + index}.txt`);
    const { asked, put, run } = await storeWith(keys, { pageKeys: 100 });
    for (const key of keys.slice(1)) put(`/logs/${key}`, Buffer.from('some other text\n'));
    put('/logs/many/last.log', SHORT);
    const { result } = await run('s3://logs/many/');
    expect(pathsOf(result)).toEqual(['s3://logs/many/1000.txt', 's3://logs/many/last.log']);
    expect(asked.filter(({ path }) => path.includes('list-type')).length).toBe(11);
  });

  it('that is refused says why', async () => {
    const { run, url } = await storeWith(['a.log']);
    const wrong = { ...storeEnvironment(url), AWS_SECRET_ACCESS_KEY: 'wrong' };
    const none = { ...storeEnvironment(url), AWS_SECRET_ACCESS_KEY: '' };
    for (const [environment, why] of [
      [wrong, 'permission denied (403 SignatureDoesNotMatch)'],
      [none, 'permission denied (403 SignatureDoesNotMatch); no AWS credentials were found'],
    ] as const) {
      const { status, stderr } = await runProgram(['s3://logs/a.log'], { environment });
      expect([status, stderr]).toEqual([2, `vtdscope: s3://logs/a.log: ${why}\n`]);
    }
    const { result } = await run('s3://logs/none.log', 's3://log@s/x', 's3://logs/a/../b');
    expect(errorsOf(result)).toEqual([
      's3://logs/none.log: no such object (404)',
      's3://s/x: is no s3://BUCKET/KEY',
      's3://logs/a/../b: its key has a part . or .., which no URL can have',
    ]);
  });

  it('in another region is an error that says which', async () => {
    const headers = { 'x-amz-bucket-region': 'eu-other-2', location: 'http://127.0.0.1:1/' };
    const { run } = await storeWith(['a.log'], { fault: () => ({ status: 301, headers }) });
    expect((await run('s3://logs/a.log', 's3://../x')).stderr.split('\n')).toEqual([
      'vtdscope: s3://logs/a.log: the bucket is in another region: set AWS_REGION=eu-other-2',
      'vtdscope: s3://../x: is no s3://BUCKET/KEY',
      '',
    ]);
  });

  it('is read on with a new token where the old one expires', async () => {
    let isExpired = false;
    const { asked, url } = await storeWith(['big.log.gz'], {
      isValidToken: (token) => token === 'second' || (token === 'first' && !isExpired),
      fault: ({ headers }) => {
        isExpired ||= headers.range !== undefined && headers.range !== 'bytes=0-0';
        return null;
      },
    });
    const granted: string[] = [];
    const provider = createServer((_, response) => {
      granted.push(granted.length === 0 ? 'first' : 'second');
      const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = storeEnvironment('');
      response.end(
        JSON.stringify({
          AccessKeyId: AWS_ACCESS_KEY_ID,
          SecretAccessKey: AWS_SECRET_ACCESS_KEY,
          Token: granted.at(-1),
          Expiration: '2099-01-01T00:00:00Z',
        }),
      );
    });
    provider.listen(0, '127.0.0.1');
    await once(provider, 'listening');
    onTestFinished(() => void provider.close());
    const { port } = provider.address() as AddressInfo;
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...others } = storeEnvironment(url);
    const { status, stderr } = await runProgram(['s3://logs/big.log.gz'], {
      environment: {
        ...others,
        AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/`,
      },
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(granted).toEqual(['first', 'second']);
    expect(asked.map(({ headers }) => headers['x-amz-security-token'])).toContain('first');
    expect(asked.at(-1)?.headers['x-amz-security-token']).toBe('second');
  });

  it('is an error where its token expires for good', async () => {
    const { run } = await storeWith(['a.log'], { isValidToken: () => false });
    const { result, status } = await run('s3://logs/a.log');
    expect([status, errorsOf(result)]).toEqual([
      2,
      ['s3://logs/a.log: permission denied (403 ExpiredToken)'],
    ]);
  });
});

describe('results in a store', () => {
  it('are those of a folder, whatever shares there are, and none is made twice', async () => {
    const { asked, objects, run } = await storeWith(['1.log', '2.log', '3.log.gz']);
    const store = 's3://runs/one';
    const leave = async (shard: string) => {
      const { stdout } = await run('s3://logs/', '--results', store, '--shard', shard);
      return Number(/(\d+) analysed now/.exec(stdout)?.[1]);
    };
    const first = await leave('1/2');
    expect(await leave('1/1')).toBe(3 - first);
    expect(await leave('2/2')).toBe(0);
    const results = [...objects.keys()].filter((key) => /^\/runs\/one\/[0-9a-f]{32}\./.test(key));
    expect(results.length).toBe(3);
    const puts = asked.filter(({ method }) => method === 'PUT');
    expect(puts.filter(({ headers }) => headers['if-none-match'] !== '*')).toEqual([]);

    const folder = testFolder();
    await run('s3://logs/', '--results', folder);
    const [far, near] = [await run('merge', store), await run('merge', `${folder}`)];
    expect(far.status).toBe(1);
    expect(far.stdout).toBe(near.stdout);
  });

  it('have reports beside them, never in the place of a trace', async () => {
    const { objects, run } = await storeWith(['1.log']);
    await run('s3://logs/', '--results', 's3://runs/one');
    const html = 's3://runs/report.html';
    await run('merge', 's3://runs/one', '-o', `html=${html}`, '-o', `csv=s3://runs/fleet.csv`);
    expect(objects.get('/runs/report.html')?.toString()).toContain('1 of 1: do not migrate');
    expect(objects.get('/runs/fleet.csv')?.toString()).toContain('s3://logs/1.log');
    const over = await run('s3://logs/1.log', '-o', 'html=s3://logs/1.log');
    expect([over.status, over.stderr]).toEqual([
      2,
      'vtdscope: s3://logs/1.log: an input, which an output would overwrite\n',
    ]);
    const other = await run('merge', 's3://runs/one', '-o', 'html=s3://logs/1.log');
    expect(other.stderr).toContain('a trace, which an output would overwrite');
    expect(objects.get('/logs/1.log')).toBe(SHORT);
    const wrong = await run('s3://logs/1.log', '-o', 'html=https://me:SECRET@host/x');
    expect(wrong.stderr).toBe('vtdscope: https://host/x: reports go to files or to s3://\n');
  });

  it('that the store does not take are an error, once it was asked again', async () => {
    let left = 2;
    const busy = await storeWith(['1.log'], {
      fault: ({ method }) => {
        if (method !== 'PUT' || left === 0) return null;
        left -= 1;
        return { status: 503, headers: { 'retry-after': '0' } };
      },
    });
    expect((await busy.run('s3://logs/1.log', '--results', 's3://runs/one')).status).toBe(0);
    const refused = await storeWith(['1.log'], {
      fault: ({ method }) => (method === 'PUT' ? { status: 403 } : null),
    });
    const { status, stderr } = await refused.run('s3://logs/1.log', '--results', 's3://runs/one');
    expect([status, stderr]).toEqual([
      2,
      expect.stringMatching(/^vtdscope: s3:\/\/runs\/one\/manifest-\w+.json: permission denied/),
    ]);
  });
});
