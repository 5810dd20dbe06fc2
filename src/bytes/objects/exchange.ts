import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** How long a server may say nothing before it counts as gone. */
const IDLE_MILLISECONDS = 30_000;
const MOST_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What is asked of a server. */
export interface Request {
  readonly url: URL;
  /** Default: GET. */
  readonly method?: 'GET' | 'HEAD' | 'PUT';
  readonly body?: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Its headers hold for no other server, so that no reference is followed. */
  readonly isSigned?: boolean;
}

/** What it answers. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Fails where the connection is cut, or nothing comes for a while. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the answer, read or not. */
  close(): void;
}

/** Trouble that another attempt does not end. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  /** The store's name for it, `AccessDenied` for one; null where it has none. */
  readonly code: string | null;

  constructor(message: string, code: string | null = null) {
    super(message);
    this.code = code;
  }
}

/** The connection, or the server, was not up to it; the next attempt may find it well. */
export class Trouble extends Error {
  override readonly name = 'Trouble';
  /** How long the server wants to be left alone; null where it does not say. */
  readonly waitMilliseconds: number | null;

  constructor(message: string, waitMilliseconds: number | null = null) {
    super(message);
    this.waitMilliseconds = waitMilliseconds;
  }
}

/**
 * Asks a server, and those that it refers to. What it sends is not decoded: an object that is stored
 * compressed comes as it is stored.
 *
 * @throws Refusal where it refers to nowhere, or to a place that is less safe.
 */
export async function ask(request: Request): Promise<Answer> {
  let { url } = request;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await exchange({ ...request, url });
    const refers = REDIRECTS.has(answer.status) && request.isSigned !== true;
    const to = refers ? answer.headers.location : undefined;
    if (to === undefined) return answer;
    answer.close();
    if (redirects === MOST_REDIRECTS) throw new Refusal('the server refers elsewhere without end');
    url = redirected(url, to);
  }
}

function redirected(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw new Refusal('the server refers to what is no URL');
  const to = new URL(location, from);
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isSafe) throw new Refusal(`the server refers from ${from.protocol} to ${to.protocol}`);
  if (to.origin === from.origin && to.username === '') {
    to.username = from.username;
    to.password = from.password;
  }
  return to;
}

async function exchange({ body, headers, method = 'GET', signal, url }: Request): Promise<Answer> {
  // Most runs need no network.
  const { request } =
    url.protocol === 'https:' ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const options = {
      method,
      headers: { 'accept-encoding': 'identity', 'user-agent': 'vtdscope', ...headers },
      ...(signal !== undefined && { signal }),
    };
    const outgoing = request(url, options, (incoming) => {
      // From here on it is counted only while something is waited for.
      outgoing.setTimeout(0);
      resolve(answerOf(incoming));
    });
    outgoing.setTimeout(IDLE_MILLISECONDS, () => outgoing.destroy(silence()));
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function answerOf(incoming: IncomingMessage): Answer {
  // Of an answer that nobody reads, nobody asks what became of it.
  incoming.on('error', () => {});
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    body: untilSilent(incoming),
    close: () => void incoming.destroy(),
  };
}

async function* untilSilent(incoming: IncomingMessage): AsyncGenerator<Uint8Array> {
  const wait = () => setTimeout(() => incoming.destroy(silence()), IDLE_MILLISECONDS);
  let timer = wait();
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      yield chunk;
      timer = wait();
    }
  } finally {
    clearTimeout(timer);
  }
}

function silence(): Trouble {
  return new Trouble(`nothing came for ${IDLE_MILLISECONDS / 1000} seconds`);
}
