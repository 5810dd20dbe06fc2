import { once } from '../../base/once.ts';
import { CredentialChain, type Credentials } from './credentials.ts';
import { type Answer, ask, Refusal } from './exchange.ts';
import { problemOf } from './patience.ts';

/** What is asked of a store of the S3 kind. */
export interface StoreRequest {
  /** Default: GET. */
  readonly method?: 'GET' | 'HEAD' | 'PUT';
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Where an object is, or objects are. */
interface Place {
  readonly bucket: string;
  /** As it is, and not as a URL has it. */
  readonly key: string;
}

/** Whether a name is that of an object in such a store, or of objects below it. */
export function isStore(url: string): boolean {
  return url.startsWith('s3://');
}

const credentials = once(() => new CredentialChain());
/** With these, a signature is refused that another one may replace. */
const EXPIRED: ReadonlySet<string | null> = new Set(['ExpiredToken', 'TokenRefreshRequired']);

/**
 * Asks a store for `s3://BUCKET/KEY`, signed with the credentials of this process, which are renewed once
 * where the store says that they have expired.
 *
 * @throws Refusal where the store refuses them, or the name is none.
 */
export async function askStore(uri: string, request: StoreRequest): Promise<Answer> {
  const chain = credentials();
  const used = chain.current();
  const first = await askWith(await used, uri, request);
  if (first instanceof Refusal && EXPIRED.has(first.code)) {
    const renewed = await chain.renewed(used);
    const second = await askWith(renewed, uri, request);
    if (second instanceof Refusal) throw second;
    return second;
  }
  if (first instanceof Refusal) throw first;
  return first;
}

/** What the store answers, or why it does not take these credentials. */
async function askWith(
  signing: Credentials | null,
  uri: string,
  { body, headers = {}, method = 'GET', query = {}, signal }: StoreRequest,
): Promise<Answer | Refusal> {
  const url = addressOf(placeOf(uri), new URLSearchParams(query));
  const signed = signing === null ? headers : await signedHeaders(method, url, headers, signing);
  const answer = await ask({
    url,
    method,
    headers: signed,
    isSigned: true,
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
  });
  const { status } = answer;
  const region = String(answer.headers['x-amz-bucket-region'] ?? regionIn(process.env));
  if ((status === 301 || status === 307 || status === 400) && region !== regionIn(process.env)) {
    answer.close();
    return new Refusal(`the bucket is in another region: set AWS_REGION=${region}`);
  }
  if (status !== 400 && status !== 403) return answer;
  const problem = await problemOf(answer);
  if (!(problem instanceof Refusal)) throw problem;
  if (signing !== null) return problem;
  return new Refusal(`${problem.message}; no AWS credentials were found`, problem.code);
}

async function signedHeaders(
  method: string,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signing: Credentials,
): Promise<Readonly<Record<string, string>>> {
  const { AwsV4Signer } = await import('aws4fetch');
  const signer = new AwsV4Signer({
    ...signing,
    method,
    url: url.href,
    headers: { ...headers },
    service: 's3',
    region: regionIn(process.env),
  });
  return Object.fromEntries((await signer.sign()).headers);
}

function placeOf(uri: string): Place {
  const [, bucket = '', key = ''] = /^s3:\/\/(\w[\w.-]*)(?:\/(.*))?$/s.exec(uri) ?? [];
  if (bucket === '') throw new Refusal('is no s3://BUCKET/KEY');
  if (key.split('/').some((part) => part === '.' || part === '..')) {
    throw new Refusal('its key has a part . or .., which no URL can have');
  }
  return { bucket, key };
}

/** The URL of an object: where the environment names a store, there; else at Amazon. */
function addressOf({ bucket, key }: Place, query: URLSearchParams): URL {
  const { AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 = AWS_ENDPOINT_URL } = process.env;
  const region = regionIn(process.env);
  const domain = `s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  const path = key.split('/').map(encoded).join('/');
  // A certificate for all buckets holds for none with a dot.
  const inPath = AWS_ENDPOINT_URL_S3 ?? (bucket.includes('.') ? `https://${domain}` : null);
  const base =
    inPath === null ? `https://${bucket}.${domain}` : `${inPath.replace(/\/$/, '')}/${bucket}`;
  if (!URL.canParse(base)) throw new Refusal('AWS_ENDPOINT_URL is no URL');
  const url = new URL(`${base}/${path}`);
  // As a signature has them: a space is %20.
  url.search = [...query].map(([name, value]) => `${name}=${encoded(value)}`).join('&');
  return url;
}

function regionIn({ AWS_DEFAULT_REGION, AWS_REGION }: NodeJS.ProcessEnv): string {
  return AWS_REGION || AWS_DEFAULT_REGION || 'us-east-1';
}

/** Everything but what RFC 3986 calls unreserved is encoded. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
