import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, messageOf, TraceError } from '../../base/errors.ts';
import { shownUrl } from '../../base/url.ts';
import { type Answer, Refusal, Trouble } from './exchange.ts';

const FIRST_WAIT_MILLISECONDS = 250;
const LONGEST_WAIT_MILLISECONDS = 4000;
/** As long as a server may ask to be left alone. */
const LONGEST_ASKED_MILLISECONDS = 30_000;
/** Answers of servers that may be well soon. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Bytes of an answer that says what is wrong. */
const MOST_ERROR_BYTES = 16 * 1024;

/**
 * Does something that the network may spoil, `tries` times at most, with longer and longer waits
 * between them.
 *
 * @throws What the last attempt failed with; what no attempt mends, at once.
 */
export async function patiently<Value>(
  tries: number,
  attempt: () => Promise<Value>,
  signal?: AbortSignal,
): Promise<Value> {
  let wait = FIRST_WAIT_MILLISECONDS;
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (thrown) {
      if (signal?.aborted === true || !isPassing(thrown) || number >= tries) throw thrown;
      const asked = thrown instanceof Trouble ? thrown.waitMilliseconds : null;
      await sleep(asked ?? wait, undefined, signal === undefined ? {} : { signal });
      wait = Math.min(2 * wait, LONGEST_WAIT_MILLISECONDS);
    }
  }
}

/**
 * Does something with an object over the network. `where`: what to say before what goes wrong.
 *
 * @throws TraceError for whatever goes wrong with it: it names the object.
 */
export async function toldAs<Value>(
  url: string,
  act: () => Promise<Value>,
  where = () => '',
): Promise<Value> {
  try {
    return await act();
  } catch (thrown) {
    const isRefusal = thrown instanceof Refusal;
    const isOfNetwork = thrown instanceof Trouble || typeof codeOf(thrown) === 'string';
    if (!isRefusal && !isOfNetwork) throw thrown;
    throw new TraceError(
      { path: shownUrl(url) },
      `${isRefusal ? '' : where()}${messageOf(thrown)}`,
    );
  }
}

/** The network's own errors have codes; so has what Node.js says of a request that is none. */
function isPassing(thrown: unknown): boolean {
  if (thrown instanceof Trouble) return true;
  const code = codeOf(thrown);
  return typeof code === 'string' && !code.startsWith('ERR_INVALID') && code !== 'ENOTFOUND';
}

/** What is wrong, by an answer that is no success. It is read and let go of. */
export async function problemOf(answer: Answer): Promise<Refusal | Trouble> {
  const { headers, status } = answer;
  const code = await codeIn(answer);
  const shown = code === null ? `${status}` : `${status} ${code}`;
  if (PASSING.has(status)) {
    return new Trouble(`the server is not able to (${shown})`, askedWait(headers['retry-after']));
  }
  if (status === 404 || status === 410) return new Refusal(`no such object (${shown})`, code);
  if (status === 401 || status === 403) return new Refusal(`permission denied (${shown})`, code);
  return new Refusal(`the server answers ${shown}`, code);
}

/** The name that a store gives to an error, `AccessDenied` for one; null where there is none. */
async function codeIn(answer: Answer): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MOST_ERROR_BYTES) break;
    }
  } catch {
    // The status says enough.
    return null;
  } finally {
    answer.close();
  }
  return /<Code>(\w{1,60})<\/Code>/.exec(Buffer.concat(chunks).toString('latin1'))?.[1] ?? null;
}

/** `Retry-After`: seconds, or a time. */
function askedWait(header: string | undefined): number | null {
  if (header === undefined) return null;
  const asked = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(asked) ? null : Math.min(Math.max(0, asked), LONGEST_ASKED_MILLISECONDS);
}
