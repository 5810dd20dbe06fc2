import { createHash } from 'node:crypto';
import { type Answer, Refusal, Trouble } from './exchange.ts';
import { patiently, problemOf, toldAs } from './patience.ts';
import { askStore } from './s3.ts';

const TRIES = 6;
/** Bytes of an object that is read at once: what one text of the program can hold. */
const MOST_BYTES = 2 ** 29 - 24;

/** Kinds of what is written, so that a browser shows it. */
const TYPES: readonly (readonly [RegExp, string])[] = [
  [/\.html?$/, 'text/html; charset=utf-8'],
  [/\.json$/, 'application/json'],
];
const PLAIN_TEXT = 'text/plain; charset=utf-8';

/**
 * Whether a store has an object.
 *
 * @throws TraceError where it does not say.
 */
export function hasObject(uri: string): Promise<boolean> {
  return toldAs(uri, () =>
    patiently(TRIES, async () => {
      const answer = await askStore(uri, { method: 'HEAD' });
      answer.close();
      if (answer.status !== 404 && answer.status !== 200) throw await problemOf(answer);
      return answer.status === 200;
    }),
  );
}

/**
 * An object of a store, all of it; null where there is none.
 *
 * @throws TraceError where it cannot be read.
 */
export function readObject(uri: string): Promise<Buffer | null> {
  return toldAs(uri, () =>
    patiently(TRIES, async () => {
      const answer = await askStore(uri, {});
      if (answer.status === 200) return bytesOf(answer, MOST_BYTES);
      const problem = await problemOf(answer);
      if (answer.status !== 404) throw problem;
      return null;
    }),
  );
}

/**
 * Writes an object, whole or not at all. `keepsOld`: if there is one already, that stays.
 *
 * @throws TraceError where the store does not take it.
 */
export function putObject(
  uri: string,
  bytes: Uint8Array,
  { keepsOld }: { readonly keepsOld: boolean },
): Promise<void> {
  const always = {
    'content-type': TYPES.find(([name]) => name.test(uri))?.[1] ?? PLAIN_TEXT,
    'x-amz-content-sha256': createHash('sha256').update(bytes).digest('hex'),
  };
  let condition: Readonly<Record<string, string>> = keepsOld ? { 'if-none-match': '*' } : {};
  return toldAs(uri, () =>
    patiently(TRIES, async () => {
      const headers = { ...always, ...condition };
      const answer = await askStore(uri, { method: 'PUT', headers, body: bytes });
      answer.close();
      const { status } = answer;
      if (status < 300 || (keepsOld && status === 412)) return;
      if (status === 501 && keepsOld) {
        // Between these two others may write: whole, and what is of one name is the same from all.
        if (await hasObject(uri)) return;
        condition = {};
        throw new Trouble('the server knows no condition for writing (501)', 0);
      }
      // Somebody else writes it just now.
      if (status === 409) throw new Trouble('the server is busy with the same object (409)');
      throw await problemOf(answer);
    }),
  );
}

/** All that comes. @throws Refusal where it is more than `most`. */
export async function bytesOf({ body, close }: Answer, most: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      length += chunk.length;
      if (length > most) throw new Refusal(`more than ${most} bytes`);
      chunks.push(chunk);
    }
  } finally {
    close();
  }
  return Buffer.concat(chunks);
}
