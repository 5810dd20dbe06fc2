import { type Answer, ask, Refusal } from './exchange.ts';
import { askStore, isStore } from './s3.ts';

/**
 * Asks the server of an object for it.
 *
 * @throws Refusal where the URL is none.
 */
export async function askFor(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const request = { headers, ...(signal !== undefined && { signal }) };
  if (isStore(url)) return askStore(url, request);
  if (!URL.canParse(url)) throw new Refusal('is no URL');
  return ask({ ...request, url: new URL(url) });
}
