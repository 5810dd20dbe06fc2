import { describe, expect, it } from 'vitest';
import { recognise } from '../../src/decoding/index.ts';
import { type DecodedEvent, decode } from '../helpers/decoded.ts';
import { bytesOf } from '../helpers/ground-truth.ts';

const capture = bytesOf('traces/qemu-11.1/blocked-aw48-minimal-ts.log');
const lines = capture.toString().trimEnd().split('\n');

/** What shippers find before the lines in the files that they follow. */
const HEADERS: Readonly<Record<string, (line: string) => string>> = {
  syslog: (line) => `Nov 22 07:35:47 host-a qemu-system-x86_64[7329]: ${line}`,
  'syslog of RFC 5424': (line) => `<30>1 2026-11-22T07:35:47.1Z host-a qemu 7329 - - ${line}`,
  CRI: (line) => `2026-11-22T07:35:47.845867123Z stderr F ${line}`,
  'kubectl logs --prefix': (line) => `[pod/virt-launcher-vm-a-x7k2p/compute] ${line}`,
  ftrace: (line) => ` qemu-7329  [001] ...1.  1915.246562: tracing_mark_write: ${line}`,
};

/** What shippers make of them. */
const OBJECTS: Readonly<Record<string, (line: string) => object>> = {
  docker: (line) => ({ log: `${line}\n`, stream: 'stderr', time: '2026-11-22T08:00:00Z' }),
  'a journal': (line) => ({ MESSAGE: line, __REALTIME_TIMESTAMP: '1795332947000000' }),
  'Fluent Bit': (line) => ({ date: 1_795_332_947.5, log: line }),
};

/** What events say, wherever they stood. */
function told(events: readonly DecodedEvent[]) {
  return events.map(({ name, args, line, time }) => ({ name, args, line, time }));
}

describe.each(Object.entries(HEADERS))('lines behind a header in objects: %s', (_, header) => {
  it.each(Object.entries(OBJECTS))('in those of %s are read', async (_name, object) => {
    const of = (all: readonly string[]) =>
      all.map((line) => `${JSON.stringify(object(line))}\n`).join('');
    const text = of(lines.map(header));
    const head = Buffer.from(text).subarray(0, 65_536);
    expect(recognise({ path: 'x', compression: 'none', head }).name).toBe('json-lines');
    const { events, skipped } = await decode('json-lines', text);
    const bare = await decode('json-lines', of(lines));
    expect(told(events)).toEqual(told(bare.events));
    expect(skipped).toEqual(bare.skipped);
  });

  it('in an array and in an answer of Loki are read', async () => {
    const array = (all: readonly string[]) => JSON.stringify(all.map((message) => ({ message })));
    const answer = (all: readonly string[]) => {
      const values = all.map((line, index) => [String(index), line]);
      return JSON.stringify({ data: { result: [{ stream: { host: 'a' }, values }] } });
    };
    for (const [name, of] of [
      ['json-array', array],
      ['loki-answer', answer],
    ] as const) {
      const { events } = await decode(name, of(lines.map(header)));
      expect(told(events)).toEqual(told((await decode(name, of(lines))).events));
    }
  });
});

describe('a header in an object', () => {
  const event = 'vtd_switch_address_space Device 00:05.0 switching address space (iommu enabled=1)';
  const of = async (log: string, time = '2026-11-22T08:00:00Z') =>
    (await decode('json-lines', `${JSON.stringify({ log, time })}\n`)).events;

  it('has a time that is closer to the truth, unless it is of another clock', async () => {
    const [cri] = await of(`2026-11-22T07:35:47.845867123Z stderr F ${event}`);
    expect(cri?.time).toBe(`${Date.parse('2026-11-22T07:35:47Z') / 1000}.845867123`);
    const [ftrace] = await of(` q-1  [001] ...1.  1915.246562: tracing_mark_write: ${event}`);
    expect(ftrace?.time).toBe(`${Date.parse('2026-11-22T08:00:00Z') / 1000}.000000000`);
  });

  it('names the process, where the object does not', async () => {
    const [one] = await of(`Nov 22 07:35:47 host-a qemu[7329]: ${event}`);
    expect(one?.source).toBe('host-a qemu[7329]');
  });

  it('of a part of a line is a loss', async () => {
    const [part] = await of(`2026-11-22T07:35:47.845867123Z stderr P ${event}`);
    expect(part).toMatchObject({ name: 'trace:loss' });
  });
});
