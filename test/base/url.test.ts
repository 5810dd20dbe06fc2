import { describe, expect, it } from 'vitest';
import { isUrl, shownUrl } from '../../src/base/url.ts';

describe('a URL as it may be shown', () => {
  it.each([
    ['https://host/a.log', 'https://host/a.log'],
    ['https://host:8443/a%20b?id=5&page=2', 'https://host:8443/a%20b?id=5&page=2'],
    ['https://user:secret@host/a', 'https://host/a'],
    ['https://user:se@cret@host/a@b', 'https://host/a@b'],
    ['https://host/a?x=user@host', 'https://host/a?x=user@host'],
    ['https://host/a?id=5&X-Amz-Signature=secret&X-Amz-Credential=secret', 'https://host/a?id=5'],
    ['https://host/a?X%2DAmz-Signature=secret', 'https://host/a'],
    ['https://host/a?sv=2024&sp=r&sig=secret', 'https://host/a'],
    ['https://host/a?X-Goog-Signature=secret', 'https://host/a'],
    ['https://host/a?access_token=secret', 'https://host/a'],
    ['https://host/a?AWSAccessKeyId=secret&Signature=secret&Expires=9', 'https://host/a'],
    ['https://host/a#secret', 'https://host/a'],
    ['https://user:sec/ret@host/a', 'https://...'],
  ])('%s is %s', (url, shown) => {
    expect(shownUrl(url)).toBe(shown);
  });

  it('is told from a path', () => {
    const words = ['https://a/b', 'HTTP://a/b', 'a/http://b', 'https:/a', 'ftp://a', '-', '@a'];
    expect(words.map(isUrl)).toEqual([true, true, false, false, false, false, false]);
  });
});
