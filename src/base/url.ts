/** Names of query parameters that give access, or tell when and to whom it was given. */
const SECRET =
  /^x-(?:amz|goog)-|sig|token|secret|passw|credential|auth|access|key|expires|^(?:s[eiprtv]|spr|sks|ske|skoid|sktid|skt|skv)$/i;
const USER = /^([a-z][a-z\d+.-]*:\/\/)[^/?#]*@/i;

/** Whether an input is an object that is read over the network, and no file. */
export function isUrl(word: string): boolean {
  return /^https?:\/\//i.test(word) || word.startsWith('s3://');
}

/**
 * A URL as it may be printed and stored: without a user and a password, and without the parameters of
 * its query that are a signature or a key. Of a text that is no URL only its beginning is left.
 */
export function shownUrl(url: string): string {
  // A key may have any characters, and nothing in it gives access.
  if (/^s3:\/\/[\w.-]+(?:\/|$)/.test(url)) return url;
  if (!URL.canParse(url)) return `${/^[a-z][a-z\d+.-]*:\/\//i.exec(url)?.[0] ?? ''}...`;
  const [whole = ''] = url.split('#', 1);
  const at = whole.indexOf('?');
  const place = (at < 0 ? whole : whole.slice(0, at)).replace(USER, '$1');
  if (at < 0) return place;
  const kept = whole
    .slice(at + 1)
    .split('&')
    .filter((parameter) => !SECRET.test(nameOf(parameter)));
  return kept.length === 0 ? place : `${place}?${kept.join('&')}`;
}

/** An input as it may be printed and stored. */
export function shownInput(word: string): string {
  return isUrl(word) ? shownUrl(word) : word;
}

/** The name of a parameter; where it cannot be decoded, as it is written. */
function nameOf(parameter: string): string {
  const [name = ''] = parameter.split('=', 1);
  return [...new URLSearchParams(`${name}=`).keys()][0] ?? name;
}
