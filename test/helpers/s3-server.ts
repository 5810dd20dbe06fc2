import { createHash, createHmac } from 'node:crypto';
import {
  type Asked,
  etagOf,
  type Fault,
  type ObjectServer,
  type ObjectServerOptions,
  startObjectServer,
} from './object-server.ts';

/*
 * A store of the S3 kind that checks signatures by its own reckoning of "Signature Version 4", lists by
 * pages, and does wrong when it is told to, as no real one can be made to: cuts, 503, tokens that expire.
 */

const ACCESS_KEY = 'AKTEST';
const SECRET_KEY = 'secret/key';
const REGION = 'eu-test-1';
/** What a program needs to use the store. */
export const storeEnvironment = (url: string): Readonly<Record<string, string>> => ({
  AWS_ACCESS_KEY_ID: ACCESS_KEY,
  AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  AWS_REGION: REGION,
  AWS_ENDPOINT_URL: url,
  // Nobody is to be asked for others.
  AWS_EC2_METADATA_DISABLED: 'true',
});

export interface StoreOptions extends ObjectServerOptions {
  /** Keys of a page of a list. */
  readonly pageKeys?: number;
  /** Whether a session's token is still good; absent: there is none. */
  readonly isValidToken?: (token: string) => boolean;
}

/** Starts a store for the running test. Objects are put as `/BUCKET/KEY`. */
export function startStore(options: StoreOptions = {}): Promise<ObjectServer> {
  const { isValidToken, pageKeys = 1000 } = options;
  return startObjectServer({
    ...options,
    special: (asked, objects) => {
      const token = asked.headers['x-amz-security-token'];
      if (!isSigned(asked)) return refusal('SignatureDoesNotMatch');
      if (isValidToken?.(String(token)) === false) return refusal('ExpiredToken');
      const query = new URL(asked.path, 'http://store').searchParams;
      return query.get('list-type') === '2' ? listing(asked, objects, query, pageKeys) : null;
    },
  });
}

function refusal(code: string): Fault {
  return { status: 403, body: `<Error><Code>${code}</Code></Error>` };
}

/** Whether a request has the signature that belongs to it (AWS General Reference, SigV4). */
function isSigned({ headers, method, path }: Asked): boolean {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, key, day = '', region = '', names = '', signature] =
    form.exec(headers.authorization ?? '') ?? [];
  if (key !== ACCESS_KEY || region !== REGION) return false;
  const signed = names.split(';');
  // Whoever could change these could have another object for it.
  for (const name of ['host', 'if-match', 'if-none-match', 'x-amz-security-token']) {
    if (headers[name] !== undefined && !signed.includes(name)) return false;
  }
  const { pathname, searchParams } = new URL(path, 'http://store');
  const query = [...searchParams].map((pair) => pair.map(strict).join('=')).sort();
  const canonical = [
    method,
    decodeURIComponent(pathname).split('/').map(strict).join('/'),
    query.join('&'),
    ...signed.map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    names,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash].join('\n');
  const mac = (with_: string | Buffer, of: string) => createHmac('sha256', with_).update(of);
  let derived: string | Buffer = `AWS4${SECRET_KEY}`;
  for (const part of scope.split('/')) derived = mac(derived, part).digest();
  return mac(derived, text).digest('hex') === signature;
}

function strict(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function listing(
  { path }: Asked,
  objects: ReadonlyMap<string, Uint8Array>,
  query: URLSearchParams,
  pageKeys: number,
): Fault {
  const bucket = `${path.split(/[/?]/, 2).join('/')}/`;
  const start = `${bucket}${query.get('prefix') ?? ''}`;
  const token = query.get('continuation-token') ?? '';
  const keys = [...objects.keys()].filter((key) => key.startsWith(start) && key > token).sort();
  const page = keys.slice(0, pageKeys);
  const last = page.at(-1) ?? '';
  const entries = page.map((key) => {
    const bytes = objects.get(key) as Uint8Array;
    const name = strict(key.slice(bucket.length)).replaceAll('%20', '+');
    const etag = etagOf(bytes).replaceAll('"', '&quot;');
    return `<Contents><Key>${name}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>${etag}</ETag><Size>${bytes.length}</Size></Contents>`;
  });
  const isTruncated = keys.length > page.length;
  const more = isTruncated ? `<NextContinuationToken>${last}</NextContinuationToken>` : '';
  return {
    status: 200,
    body: `<?xml version="1.0"?><ListBucketResult><IsTruncated>${isTruncated}</IsTruncated>${more}${entries.join('')}</ListBucketResult>`,
  };
}
