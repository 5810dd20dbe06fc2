import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openSource } from '../../../src/bytes/source.ts';
import {
  type Fault,
  type ObjectServerOptions,
  startObjectServer,
} from '../../helpers/object-server.ts';
import { readSource, someLog } from '../read-source.ts';

/** More than several ranges. */
const log = someLog(11_000_000);
const BUSY: Fault = {
  status: 503,
  headers: { 'retry-after': '0' },
  body: '<Error><Code>SlowDown</Code></Error>',
};
const isRange = (header: string | undefined) => header !== undefined && header !== 'bytes=0-0';

async function serving(bytes: Uint8Array, options: ObjectServerOptions = {}) {
  const server = await startObjectServer(options);
  server.put('/qemu.log', bytes);
  return { ...server, trace: `${server.url}/qemu.log` };
}

/** Why it cannot be read; a long text is not to be printed where it can. */
const failureOf = (url: string) =>
  readSource(url).then(
    () => 'it is read',
    (thrown: Error) => thrown.message,
  );

/** A fault for each of the first `times` requests of a part. */
function early(times: number, fault: Fault): Pick<ObjectServerOptions, 'fault'> {
  let left = times;
  return {
    fault: ({ headers }) => {
      if (!isRange(headers.range) || left === 0) return null;
      left -= 1;
      return fault;
    },
  };
}

describe('an object', () => {
  it('is read by ranges, all of one state', async () => {
    const { asked, trace } = await serving(log);
    const { bytes, losses } = await readSource(trace);
    expect([bytes.equals(log), losses]).toEqual([true, []]);
    const [first, ...parts] = asked;
    expect(first?.headers.range).toBe('bytes=0-0');
    expect(parts.length).toBeGreaterThan(4);
    expect(new Set(parts.map(({ headers }) => headers['if-match'])).size).toBe(1);
    expect(parts.filter(({ headers }) => headers['if-match'] === undefined)).toEqual([]);
  });

  it('of which little is wanted is not fetched', async () => {
    const { asked, trace } = await serving(log);
    (await openSource(trace)).close();
    expect(asked.map(({ headers }) => headers.range)).toEqual(['bytes=0-0', 'bytes=0-65535']);
  });

  it.each([
    ['plain', log],
    ['compressed', gzipSync(log, { level: 1 })],
  ])('%s, whose connection is cut three times, goes on where it was', async (_, stored) => {
    const { asked, trace } = await serving(stored, early(3, { cutAfter: 50_000 }));
    const { bytes, losses } = await readSource(trace);
    expect([bytes.equals(log), losses]).toEqual([true, []]);
    expect(asked.map(({ headers }) => headers.range)).toContain('bytes=50000-65535');
  });

  it('that is cut again and again is an error', async () => {
    const { trace } = await serving(log, early(100, { cutAfter: 0 }));
    expect(await failureOf(trace)).toContain(`${trace}: cannot be read beyond 0 bytes: `);
  });

  it('of a busy server is asked for again, but not for ever', async () => {
    const patient = await serving(log, early(3, BUSY));
    expect((await readSource(patient.trace)).bytes.equals(log)).toBe(true);
    const dead = await serving(log, { fault: () => BUSY });
    const error = `${dead.trace}: the server is not able to (503 SlowDown)`;
    expect(await failureOf(dead.trace)).toBe(error);
    expect(dead.asked.length).toBe(4);
  });

  it('that changes while it is read is an error, and no mixture', async () => {
    const { put, trace } = await serving(log);
    const source = await openSource(trace);
    const reading = (async () => {
      for await (const chunk of source.chunks()) {
        expect(chunk[0]).toBe(log[0]);
        put('/qemu.log', log.subarray(1));
      }
    })();
    await expect(reading).rejects.toThrow('has changed since it was found');
  });

  it.each([
    ['another tag', { etag: '"other"' }],
    ['another length', { 'content-range': 'bytes 0-65535/99999999' }],
    ['another part', { 'content-range': `bytes 10-65545/${log.length}` }],
  ])('for which the server gives %s is an error', async (_, headers) => {
    const { trace } = await serving(log, { ...early(1, { headers }) });
    expect(await failureOf(trace)).toMatch(/has changed since|another part than/);
  });

  it.each([
    ['parts', { ranges: false }],
    ['tags', { etags: false }],
    ['lengths', { ranges: false, lengths: false }],
  ])('of a server without %s is read once, as a whole', async (_, options) => {
    const { asked, trace } = await serving(log, options);
    const { bytes, losses } = await readSource(trace);
    expect([bytes.equals(log), losses]).toEqual([true, []]);
    expect(asked.length).toBe(2);
    const cut = await serving(log, {
      ...options,
      fault: ({ number }) => (number === 1 ? null : { cutAfter: 5_000_000 }),
    });
    expect(await failureOf(cut.trace)).toMatch(
      /qemu.log: cut after \d+ bytes, and cannot be resumed: aborted/,
    );
  });

  it('that is empty is empty', async () => {
    const { trace } = await serving(Buffer.alloc(0));
    expect((await readSource(trace)).bytes.length).toBe(0);
  });

  it.each([
    [404, 'no such object (404)'],
    [403, 'permission denied (403 AccessDenied)'],
    [500, 'the server is not able to (500)'],
    [418, 'the server answers 418'],
  ])('with status %i is an error', async (status, why) => {
    const body = status === 403 ? '<Error><Code>AccessDenied</Code></Error>' : '';
    const { trace } = await serving(log, {
      fault: () => ({ status, body, headers: { 'retry-after': '0' } }),
    });
    await expect(openSource(trace)).rejects.toThrow(`${trace}: ${why}`);
  });

  it('is found where the server refers to', async () => {
    const there = await serving(log);
    const here = await startObjectServer({
      fault: () => ({ status: 307, headers: { location: there.trace } }),
    });
    expect((await readSource(`${here.url}/old`)).bytes.equals(log)).toBe(true);
    const round = await startObjectServer({
      fault: () => ({ status: 302, headers: { location: '/again' } }),
    });
    await expect(openSource(`${round.url}/x`)).rejects.toThrow('refers elsewhere without end');
    const out = await startObjectServer({
      fault: () => ({ status: 302, headers: { location: 'file:///etc/passwd' } }),
    });
    await expect(openSource(`${out.url}/x`)).rejects.toThrow('refers from http: to file:');
  });

  it('of a server that is not there is an error', async () => {
    await expect(openSource('http://127.0.0.1:1/x')).rejects.toThrow('connect ECONNREFUSED');
    await expect(openSource('http://name.invalid/x')).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/);
    await expect(openSource('http://user:secret:x@/')).rejects.toThrow(
      /^http:\/\/\.\.\.: is no URL$/,
    );
  });

  it('is asked for with the password that its URL has, which no other server is sent', async () => {
    const there = await serving(log);
    const here = await serving(log, {
      fault: ({ path }) =>
        path === '/away' ? { status: 307, headers: { location: there.trace } } : null,
    });
    const withPassword = (url: string) => url.replace('//', '//user:secret@');
    const source = await openSource(withPassword(here.trace));
    expect(source.path).toBe(here.trace);
    await openSource(withPassword(`${here.url}/away`));
    const sent = (server: typeof here) => server.asked.map(({ headers }) => headers.authorization);
    expect(new Set(sent(here))).toEqual(new Set(['Basic dXNlcjpzZWNyZXQ=']));
    expect(new Set(sent(there))).toEqual(new Set([undefined]));
  });
});
