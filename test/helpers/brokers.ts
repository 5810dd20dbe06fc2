import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { testFolder } from './folder.ts';

/** A real broker on a port of its own. */
export interface TestBroker {
  readonly url: string;
  /** Its first process. */
  readonly pid: number;
  /** Ends it like a crash of the machine, and starts it again with what it had kept, after what is done meanwhile. */
  crash(whileAway: () => Promise<void>): Promise<void>;
}

interface Server {
  readonly command: string;
  readonly args: (folder: string, port: number) => readonly string[];
  readonly prepare: (folder: string) => void;
  /** Whether it does what it is asked, when it takes connections. */
  readonly isReady: (port: number) => boolean;
  readonly url: (port: number) => string;
  readonly user: string | null;
}

const redis: Server = {
  command: '/usr/bin/redis-server',
  args: (folder, port) => [
    ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder],
    ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
  ],
  prepare: () => {},
  isReady: () => true,
  url: (port) => `redis://127.0.0.1:${port}`,
  user: null,
};

const POSTGRES = '/usr/lib/postgresql';
const postgresTool = (name: string) =>
  join(POSTGRES, existsSync(POSTGRES) ? (readdirSync(POSTGRES)[0] as string) : '', 'bin', name);

const postgres: Server = {
  command: postgresTool('postgres'),
  args: (folder, port) => [
    ...['-D', join(folder, 'data'), '-p', `${port}`, '-k', folder],
    ...['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
  ],
  prepare: (folder) => {
    const made = runAs(postgres.user, postgresTool('initdb'), [
      ...['-D', join(folder, 'data'), '-U', 'test', '-A', 'trust', '--no-sync'],
    ]);
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  },
  isReady: (port) =>
    spawnSync(postgresTool('pg_isready'), ['-q', '-h', '127.0.0.1', '-p', `${port}`]).status === 0,
  url: (port) => `postgres://test@127.0.0.1:${port}/postgres`,
  // It refuses to run as root.
  user: process.getuid?.() === 0 ? 'postgres' : null,
};

const servers = { redis, postgres };
export type BrokerKind = keyof typeof servers;

const { VTDSCOPE_REQUIRE_BROKERS } = process.env;
/** Whether a machine without the servers fails, as in CI. */
export const isRequired = VTDSCOPE_REQUIRE_BROKERS === '1';

/** Whether this machine has the server. */
export function hasBroker(kind: BrokerKind): boolean {
  const isThere = existsSync(servers[kind].command);
  if (!isThere && isRequired) {
    throw new Error(`${kind}: no ${servers[kind].command}`);
  }
  return isThere;
}

/** Starts a broker for the running test, after which it is ended. */
export async function startBroker(kind: BrokerKind): Promise<TestBroker> {
  const server = servers[kind];
  const folder = testFolder();
  const port = await freePort();
  if (server.user !== null) giveTo(server.user, folder);
  server.prepare(folder);
  let running = await start(server, folder, port);
  const end = async () => {
    const ended = new Promise((resolve) => running.once('close', resolve));
    running.kill('SIGKILL');
    await ended;
  };
  onTestFinished(end);
  return {
    url: server.url(port),
    get pid() {
      return running.pid as number;
    },
    crash: async (whileAway) => {
      await end();
      await whileAway();
      running = await start(server, folder, port);
    },
  };
}

async function start(server: Server, folder: string, port: number): Promise<ChildProcess> {
  const ids = server.user === null ? {} : idsOf(server.user);
  for (let tries = 0; ; tries += 1) {
    const child = spawn(server.command, server.args(folder, port), {
      stdio: 'ignore',
      cwd: folder,
      ...ids,
    });
    if (await serves(server, port, child)) return child;
    // What a crash left behind may still be going.
    if (tries > 20) throw new Error(`${server.command} does not start`);
    await sleep(500);
  }
}

/** Whether a server has started, once it has, or has ended. */
async function serves(server: Server, port: number, child: ChildProcess): Promise<boolean> {
  while (await answers(port, child)) {
    if (server.isReady(port)) return true;
    await sleep(50);
  }
  return false;
}

/** Whether a server takes connections, once it does, or has ended. */
export async function answers(port: number, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isOpen) return true;
    await sleep(50);
  }
  return false;
}

/** A port that nobody listens at. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

function runAs(user: string | null, command: string, args: readonly string[]) {
  return spawnSync(command, args, {
    encoding: 'utf8',
    cwd: '/',
    ...(user !== null && idsOf(user)),
  });
}

function idsOf(user: string): { readonly uid: number; readonly gid: number } {
  const id = (flag: string) => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

function giveTo(user: string, folder: string): void {
  const { gid, uid } = idsOf(user);
  mkdirSync(folder, { recursive: true });
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o755);
}
