import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, UsageError } from '../../base/errors.ts';
import type { Broker } from './broker.ts';

/** A broker that does not answer for so long is told as that: Prometheus waits for ten seconds. */
const PATIENCE_MILLISECONDS = 5000;
const TEXT = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

/** Where something is listened for. */
export interface ListenAt {
  readonly host: string;
  readonly port: number;
}

/** Metrics that are being served. */
export interface ServedMetrics {
  readonly url: string;
  close(): void;
}

/**
 * Reads `[HOST:]PORT`; without a host, only this machine is listened to.
 *
 * @throws UsageError where it is none.
 */
export function parseListenAt(text: string): ListenAt {
  const [, host, port] = /^(?:(\[[\da-f:.]+\]|[\w.-]+):)?(\d{1,5})$/i.exec(text) ?? [];
  const number = Number(port);
  if (port === undefined || number > 65_535) {
    throw new UsageError(`--metrics: ${text} is no [HOST:]PORT`);
  }
  return { host: host?.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port: number };
}

/**
 * Answers Prometheus at `/metrics` with what a queue holds and has come to.
 *
 * @throws UsageError where nothing can be listened for there.
 */
export async function serveMetrics(
  broker: Broker,
  { host, port }: ListenAt,
): Promise<ServedMetrics> {
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    const text = await Promise.race([
      broker.metrics().catch(() => null),
      sleep(PATIENCE_MILLISECONDS, null, { ref: false }),
    ]);
    response.writeHead(text === null ? 503 : 200, TEXT).end(text ?? 'the queue does not answer\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new UsageError(`--metrics: ${messageOf(error)}`)));
    server.listen(port, host, resolve);
  });
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}/metrics`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
