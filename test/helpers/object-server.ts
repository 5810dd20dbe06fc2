import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** What is to go wrong with an answer. */
export interface Fault {
  /** The connection is cut behind so many bytes of the body. */
  readonly cutAfter?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request, as the server has seen it. */
export interface Asked {
  /** From 1. */
  readonly number: number;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface ObjectServerOptions {
  /** Gives parts of an object; default: yes. */
  readonly ranges?: boolean;
  /** Gives tags to objects; default: yes. */
  readonly etags?: boolean;
  /** Says how long an object is; default: yes. */
  readonly lengths?: boolean;
  readonly fault?: (asked: Asked) => Fault | null;
}

/** A server of objects on a port of its own, which does as its standard says, or as it is told. */
export interface ObjectServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  put(path: string, bytes: Uint8Array): void;
}

/** Starts a server for the running test, after which it is ended. */
export async function startObjectServer(options: ObjectServerOptions = {}): Promise<ObjectServer> {
  const objects = new Map<string, Uint8Array>();
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] as string;
    const one = { number: asked.length + 1, path: request.url ?? '', headers: request.headers };
    asked.push(one);
    answer(objects.get(path), request, response, options, options.fault?.(one) ?? null);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    put: (path, bytes) => void objects.set(path, bytes),
  };
}

function answer(
  bytes: Uint8Array | undefined,
  { headers }: IncomingMessage,
  response: ServerResponse,
  { etags = true, lengths = true, ranges = true }: ObjectServerOptions,
  fault: Fault | null,
): void {
  if (fault?.status !== undefined) {
    response.writeHead(fault.status, { ...fault.headers }).end(fault.body);
    return;
  }
  if (bytes === undefined) return void response.writeHead(404).end();
  const etag = `"${createHash('md5').update(bytes).digest('hex')}"`;
  const match = headers['if-match'];
  if (match !== undefined && match !== etag) return void response.writeHead(412).end();
  const [, from, to] = (ranges && /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')) || [];
  const [start, end] = [Number(from ?? 0), Math.min(Number(to ?? Infinity) + 1, bytes.length)];
  const common = { 'last-modified': LONG_AGO, ...(etags && { etag }) };
  if (from !== undefined && start >= bytes.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  }
  const range = { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` };
  const body = bytes.subarray(start, end);
  response.writeHead(from === undefined ? 200 : 206, {
    ...common,
    ...(lengths && { 'content-length': body.length }),
    ...(from !== undefined && range),
    ...fault?.headers,
  });
  if (fault?.cutAfter === undefined) return void response.end(body);
  response.write(body.subarray(0, fault.cutAfter), () => response.destroy());
}

const LONG_AGO = new Date(1e12).toUTCString();
