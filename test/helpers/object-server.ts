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
  readonly method: string;
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
  /** What is answered in the place of an object. */
  readonly special?: (asked: Asked, objects: ReadonlyMap<string, Uint8Array>) => Fault | null;
}

/** A server of objects on a port of its own, which does as its standard says, or as it is told. */
export interface ObjectServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** By their decoded paths. */
  readonly objects: ReadonlyMap<string, Uint8Array>;
  put(path: string, bytes: Uint8Array): void;
}

/** Starts a server for the running test, after which it is ended. */
export async function startObjectServer(options: ObjectServerOptions = {}): Promise<ObjectServer> {
  const objects = new Map<string, Uint8Array>();
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const { headers, method = '', url = '' } = request;
    const one = { number: asked.length + 1, method, path: url, headers };
    asked.push(one);
    const fault = options.fault?.(one) ?? options.special?.(one, objects) ?? null;
    const path = decodeURIComponent(url.split('?', 1)[0] as string);
    if (method === 'PUT') void store(objects, path, request, response, fault);
    else answer(objects.get(path), request, response, options, fault);
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
    objects,
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
  const etag = etagOf(bytes);
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

export function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** Keeps what is sent, if nothing is there or that does not matter. */
async function store(
  objects: Map<string, Uint8Array>,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  fault: Fault | null,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const hash = createHash('sha256').update(body).digest('hex');
  const claimed = request.headers['x-amz-content-sha256'] ?? hash;
  const isThere = request.headers['if-none-match'] === '*' && objects.has(path);
  const status = fault?.status ?? (isThere ? 412 : claimed === hash ? 200 : 400);
  if (status === 200) objects.set(path, body);
  response.writeHead(status, { ...fault?.headers }).end(fault?.body);
}

const LONG_AGO = new Date(1e12).toUTCString();
