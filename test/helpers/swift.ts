import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { AwsClient } from 'aws4fetch';
import { onTestFinished } from 'vitest';
import { answers, freePort, isRequired } from './brokers.ts';
import { testFolder } from './folder.ts';

/*
 * OpenStack Swift with its interface of the S3 kind, the one such store that Debian has: one machine, one
 * device, one copy, on ports of its own.
 */

const KINDS = ['account', 'container', 'object'] as const;
const commands = [
  ...KINDS.map((kind) => `swift-${kind}-server`),
  'swift-proxy-server',
  'memcached',
];
const USER = 'test:tester';
const KEY = 'testing';
const REGION = 'eu-test-1';
const FILTERS = ['catch_errors', 'gatekeeper', 'listing_formats', 'bulk', 'copy', 'slo', 'dlo'];

/** Whether this machine has the server. */
export function hasSwift(): boolean {
  const isThere =
    commands.every((name) => existsSync(`/usr/bin/${name}`)) && existsSync('/etc/swift/swift.conf');
  if (!isThere && isRequired) throw new Error(`no ${commands.join(', ')}`);
  return isThere;
}

export interface Swift {
  /** What a program needs to use it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Makes a bucket. */
  makeBucket(name: string): Promise<void>;
  put(path: string, file: string): Promise<void>;
}

/** Starts a store for the running test, after which it is ended. */
export async function startSwift(): Promise<Swift> {
  const folder = testFolder();
  mkdirSync(join(folder, 'srv/d1'), { recursive: true });
  const common = [
    ...['[DEFAULT]', 'bind_ip = 127.0.0.1', `user = ${userInfo().username}`, 'workers = 0'],
    ...[`swift_dir = ${folder}`, `devices = ${folder}/srv`, 'mount_check = false'],
    ...[`recon_cache_path = ${folder}`, 'log_level = ERROR'],
  ];
  const cache = await freePort();
  const starting = [
    start(folder, 'memcached', cache, ['-p', `${cache}`, '-l', '127.0.0.1', '-u', 'nobody']),
  ];
  const ports = await Promise.all(KINDS.map(freePort));
  makeRings(
    folder,
    KINDS.map((kind, index) => `${kind}=${ports[index]}`),
  );
  for (const [index, kind] of KINDS.entries()) {
    const own = [`bind_port = ${ports[index]}`, '[pipeline:main]', `pipeline = ${kind}-server`];
    const use = [`[app:${kind}-server]`, `use = egg:swift#${kind}`, ''];
    const config = join(folder, `${kind}.conf`);
    writeFileSync(config, [...common, ...own, ...use].join('\n'));
    starting.push(start(folder, `swift-${kind}-server`, ports[index] ?? 0, [config]));
  }
  const port = await freePort();
  const config = join(folder, 'proxy.conf');
  const sections = [
    ...[...common, `bind_port = ${port}`, '[pipeline:main]'],
    'pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo dlo proxy-server',
    ...['[app:proxy-server]', 'use = egg:swift#proxy', 'account_autocreate = true'],
    ...['[filter:tempauth]', 'use = egg:swift#tempauth', `user_test_tester = ${KEY} .admin`],
    ...['[filter:cache]', 'use = egg:swift#memcache', `memcache_servers = 127.0.0.1:${cache}`],
    ...['[filter:s3api]', 'use = egg:swift#s3api', `location = ${REGION}`],
    ...FILTERS.flatMap((name) => [`[filter:${name}]`, `use = egg:swift#${name}`]),
  ];
  writeFileSync(config, `${sections.join('\n')}\n`);
  starting.push(start(folder, 'swift-proxy-server', port, [config]));
  await Promise.all(starting);
  const url = `http://127.0.0.1:${port}`;
  const client = new AwsClient({
    ...{ accessKeyId: USER, secretAccessKey: KEY, service: 's3', region: REGION, retries: 0 },
  });
  const put = async (path: string, body: Buffer | null) => {
    const answer = await client.fetch(`${url}${path}`, { method: 'PUT', body });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  return {
    environment: {
      AWS_ACCESS_KEY_ID: USER,
      AWS_SECRET_ACCESS_KEY: KEY,
      AWS_REGION: REGION,
      AWS_ENDPOINT_URL_S3: url,
    },
    makeBucket: (name) => put(`/${name}`, null),
    put: (path, file) => put(path, readFileSync(file)),
  };
}

/** Says where each kind of server is: all that the rings of a cluster of one device hold. */
const RINGS = `
import sys
from swift.common.ring import RingBuilder
folder = sys.argv[1]
for argument in sys.argv[2:]:
    kind, port = argument.split('=')
    builder = RingBuilder(1, 1, 0)
    builder.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'ip': '127.0.0.1',
                     'port': int(port), 'device': 'd1', 'replication_ip': '127.0.0.1',
                     'replication_port': int(port), 'meta': ''})
    builder.rebalance()
    builder.get_ring().save(f'{folder}/{kind}.ring.gz')
`;

function makeRings(folder: string, ports: readonly string[]): void {
  const made = spawnSync('/usr/bin/python3', ['-c', RINGS, folder, ...ports], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`rings: ${made.stderr}`);
}

async function start(
  folder: string,
  command: string,
  port: number,
  args: readonly string[],
): Promise<void> {
  const child = spawn(`/usr/bin/${command}`, args, { stdio: 'ignore', cwd: folder });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (!(await answers(port, child))) throw new Error(`${command} does not start`);
}
