import type { ObjectState } from './object.ts';
import { patiently, problemOf, toldAs } from './patience.ts';
import { askStore } from './s3.ts';
import { bytesOf } from './whole.ts';

/** Attempts for one page of a list. */
const TRIES = 5;
/** Bytes of a page at most: a thousand of the longest names are far less. */
const MOST_BYTES = 16 * 2 ** 20;

/** Whether a name is that of all objects below it, as that of a folder is. */
export function isPrefix(url: string): boolean {
  return /^s3:\/\/[^/]*(?:\/|\/.*\/)?$/s.test(url);
}

/**
 * The objects whose names begin with that of `s3://BUCKET/PREFIX/`, in the store's order.
 *
 * @throws TraceError where the store does not give the list.
 */
export async function* objectsBelow(prefix: string): AsyncGenerator<ObjectState> {
  const [, bucket = '', start = ''] = /^(s3:\/\/[^/]*)\/?(.*)$/s.exec(prefix) ?? [];
  let token: string | null = null;
  do {
    const query: Readonly<Record<string, string>> = {
      'list-type': '2',
      'encoding-type': 'url',
      prefix: start,
      ...(token !== null && { 'continuation-token': token }),
    };
    const page = await toldAs(prefix, () => patiently(TRIES, () => pageOf(bucket, query)));
    for (const [, entry = ''] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      yield stateOf(bucket, entry);
    }
    token = textIn(page, 'IsTruncated') === 'true' ? textIn(page, 'NextContinuationToken') : null;
  } while (token !== null);
}

async function pageOf(bucket: string, query: Readonly<Record<string, string>>): Promise<string> {
  const answer = await askStore(bucket, { query });
  if (answer.status !== 200) throw await problemOf(answer);
  return (await bytesOf(answer, MOST_BYTES)).toString('utf8');
}

function stateOf(bucket: string, entry: string): ObjectState {
  const key = textIn(entry, 'Key') ?? '';
  const etag = textIn(entry, 'ETag');
  const bytes = Number(textIn(entry, 'Size') ?? Number.NaN);
  return {
    url: `${bucket}/${decodeURIComponent(key.replaceAll('+', ' '))}`,
    bytes: Number.isNaN(bytes) ? null : bytes,
    etag,
    modified: textIn(entry, 'LastModified'),
    isResumable: etag !== null && !Number.isNaN(bytes),
  };
}

/** The text of the first element of a name; null where there is none. */
function textIn(xml: string, name: string): string | null {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return (
    text?.replace(/&(\w+|#\d+|#x[\da-f]+);/gi, (_, entity: string) => character(entity)) ?? null
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  gt: '>',
  lt: '<',
  quot: '"',
};

function character(entity: string): string {
  if (!entity.startsWith('#')) return ENTITIES[entity] ?? `&${entity};`;
  const code = /^#x/i.test(entity) ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1));
  return String.fromCodePoint(Math.min(code, 0x10ffff));
}
