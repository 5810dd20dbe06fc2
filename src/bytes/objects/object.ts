import { TraceError } from '../../base/errors.ts';
import { shownUrl } from '../../base/url.ts';
import type { Chunks } from '../chunks.ts';
import type { SourceLoss } from '../loss.ts';
import { rangesOf } from '../ranges.ts';
import type { Fate, Rereadable } from '../trace-file.ts';
import { askFor } from './address.ts';
import { type Answer, Refusal, Trouble } from './exchange.ts';
import { patiently, problemOf, toldAs } from './patience.ts';

/** Attempts until a server has answered for the first time. */
const FIRST_TRIES = 4;
/** Attempts for one range, each going on where the one before was cut. */
const RANGE_TRIES = 8;
/** Bytes of a range: of so many at most an answer is in memory. */
const RANGE_BYTES = 4 * 1024 * 1024;
/** Ranges that are fetched at a time: one connection is slower than the replay. */
const AHEAD = 4;
/** Bytes that are handed on at a time. */
const CHUNK_BYTES = 1024 * 1024;
/** How many servers are asked at a time what they have. */
const LANES = 16;

/** An object as its server describes it. Plain data, so that it can cross threads. */
export interface ObjectState {
  /** As it was named, with whatever gives access to it: not to be printed. */
  readonly url: string;
  /** Null: the server does not say. */
  readonly bytes: number | null;
  readonly etag: string | null;
  /** When it was changed, in the server's words. */
  readonly modified: string | null;
  /** Any part of just this state can be asked for. */
  readonly isResumable: boolean;
}

/**
 * Asks a server what it has.
 *
 * @throws TraceError where it has no such object, does not give it, or does not answer.
 */
export async function describeObject(url: string): Promise<ObjectState> {
  return toldAs(url, () =>
    patiently(FIRST_TRIES, async () => {
      // Not HEAD, which a signature for GET does not allow.
      const part = await askFor(url, { range: 'bytes=0-0' });
      // Of an empty object there is no part.
      const isEmpty = part.status === 416;
      if (isEmpty) part.close();
      const answer = isEmpty ? await askFor(url) : part;
      if (answer.status >= 300) throw await problemOf(answer);
      answer.close();
      return stateOf(url, answer);
    }),
  );
}

function stateOf(url: string, answer: Answer): ObjectState {
  const { headers, status } = answer;
  const etag = headers.etag ?? null;
  const bytes = status === 206 ? totalOf(answer) : lengthOf(answer);
  // Two states of an object may share a weak tag (RFC 9110, 8.8.1).
  const isResumable = status === 206 && bytes !== null && etag !== null && !etag.startsWith('W/');
  return { url, bytes, etag, modified: headers['last-modified'] ?? null, isResumable };
}

/** What each of these objects is, or why that is not known, by its URL. */
export async function describeObjects(
  urls: Iterable<string>,
): Promise<ReadonlyMap<string, ObjectState | TraceError>> {
  const found = new Map<string, ObjectState | TraceError>();
  const left = new Set(urls).values();
  const lane = async () => {
    for (const url of left) {
      try {
        found.set(url, await describeObject(url));
      } catch (thrown) {
        if (!(thrown instanceof TraceError)) throw thrown;
        found.set(url, thrown);
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return found;
}

/** What an object is read from: any part of it, or all of it once. */
export function openObject(state: ObjectState): Rereadable | Chunks {
  const { bytes, isResumable } = state;
  return isResumable && bytes !== null ? new ObjectRanges(state, bytes) : wholeOf(state);
}

/**
 * An object that is read by ranges. A connection that is cut is taken up where it ended, and all that is
 * read is of one state of the object: if it changes, that is an error, and never a mixture.
 */
class ObjectRanges implements Rereadable {
  readonly path: string;
  readonly bytes: number;
  readonly ranges = null;
  readonly #state: ObjectState;

  constructor(state: ObjectState, bytes: number) {
    this.path = shownUrl(state.url);
    this.bytes = bytes;
    this.#state = state;
  }

  /** A first range of `chunkBytes`, and larger and larger ones, several of which are on their way. */
  async *chunks(chunkBytes: number): AsyncGenerator<Uint8Array> {
    const ranges = rangesOf(this.bytes, RANGE_BYTES, chunkBytes);
    const ended = new AbortController();
    const ahead: Promise<Uint8Array>[] = [];
    const fetchNext = () => {
      const { done, value } = ranges.next();
      if (done === true) return;
      const part = this.#read(value.start, value.end, ended.signal);
      // Whoever takes no more chunks hears of no error, either.
      part.catch(() => {});
      ahead.push(part);
    };
    try {
      fetchNext();
      for (let part = ahead.shift(); part !== undefined; part = ahead.shift()) {
        const bytes = await part;
        for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
          yield bytes.subarray(at, at + CHUNK_BYTES);
        }
        // Not before somebody wants more than the first.
        for (let more = ahead.length; more < AHEAD; more += 1) fetchNext();
      }
    } finally {
      ended.abort();
    }
  }

  #read(start: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(end - start);
    let length = 0;
    const goOn = async () => {
      const answer = await this.#ask(start + length, end, signal);
      for await (const chunk of answer.body) {
        if (length + chunk.length > buffer.length)
          throw new Refusal('more came than was asked for');
        buffer.set(chunk, length);
        length += chunk.length;
      }
      if (length < buffer.length) throw new Trouble('less came than was asked for');
      return buffer;
    };
    const where = () => `cannot be read beyond ${start + length} bytes: `;
    return toldAs(this.#state.url, () => patiently(RANGE_TRIES, goOn, signal), where);
  }

  async #ask(start: number, end: number, signal: AbortSignal): Promise<Answer> {
    const { etag, url } = this.#state;
    const range = `bytes=${start}-${end - 1}`;
    const headers = { range, ...(etag !== null && { 'if-match': etag }) };
    const answer = await askFor(url, headers, signal);
    const { status } = answer;
    const isChanged = status === 412 || status === 416;
    if (status >= 300 && !isChanged) throw await problemOf(answer);
    const isSame =
      answer.headers.etag === etag && (status !== 206 || totalOf(answer) === this.bytes);
    if (isSame && status === 206 && startOf(answer) === start) return answer;
    answer.close();
    throw new Refusal(
      isChanged || !isSame ? CHANGED : 'the server gives another part than it was asked for',
    );
  }

  /** What cannot be read is an error. */
  lossAt(bytes: number): SourceLoss {
    return { kind: 'truncated', detail: `${bytes} of ${this.bytes} bytes were read` };
  }

  fate(): Fate {
    return 'unchanged';
  }

  close(): void {}
}

const CHANGED = 'the object has changed since it was found';

/** The bytes of an object that can only be read as a whole. */
async function* wholeOf(state: ObjectState): AsyncGenerator<Uint8Array> {
  const { bytes, etag, url } = state;
  let length = 0;
  const begin = async () => {
    const answer = await askFor(url);
    if (answer.status !== 200) throw await problemOf(answer);
    return answer;
  };
  const where = () => (length === 0 ? '' : `cut after ${length} bytes, and cannot be resumed: `);
  const answer = await toldAs(url, () => patiently(FIRST_TRIES, begin), where);
  try {
    if (lengthOf(answer) !== bytes || (answer.headers.etag ?? null) !== etag) {
      throw new TraceError({ path: shownUrl(url) }, CHANGED);
    }
    // An end would look like a cut.
    if (bytes === null && answer.headers['transfer-encoding'] === undefined) {
      throw new TraceError({ path: shownUrl(url) }, 'the server does not say where it ends');
    }
    const body = answer.body[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await toldAs(url, () => body.next(), where);
      if (done === true) return;
      length += value.length;
      yield value;
    }
  } finally {
    answer.close();
  }
}

/** The size of the whole object, of which an answer has a part. */
function totalOf({ headers }: Answer): number | null {
  const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1];
  return total === undefined ? null : Number(total);
}

function startOf({ headers }: Answer): number {
  return Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1] ?? Number.NaN);
}

function lengthOf({ headers }: Answer): number | null {
  const length = headers['content-length'];
  return length === undefined ? null : Number(length);
}
