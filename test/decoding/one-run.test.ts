import { describe, expect, it } from 'vitest';
import { recognise } from '../../src/decoding/index.ts';
import { profileNamed } from '../../src/emulation/profiles/index.ts';
import { analyze } from '../helpers/analyze.ts';
import { decode, traceEvents } from '../helpers/decoded.ts';
import { firstLines, sample } from '../helpers/samples.ts';

/**
 * One run of QEMU, traced in several ways at once: whichever is read, the events are the same, and so
 * is what is made of them.
 */

const HEAD_BYTES = 64 * 1024;
const qemu = profileNamed('10.2') ?? null;
const log = sample('all-10.2.2.log.gz');

/** Files, the format as which each is recognised, and how many events that matter it has: some are cut. */
const FORMS = [
  ['all-10.2.2.ftrace.txt.gz', 'ftrace', 7397],
  ['all-10.2.2.trace-cmd-report.head4000.txt.gz', 'ftrace', 3820],
  ['all-10.2.2.babeltrace2.head3000.txt.gz', 'babeltrace', 2833],
  ['all-10.2.2.babeltrace2-date-nodelta.head1000.txt.gz', 'babeltrace', 834],
  ['all-10.2.2.babeltrace2-fieldsall.head300.txt.gz', 'babeltrace', 134],
  ['all-10.2.2.babeltrace2-details.head1500.txt.gz', 'babeltrace-details', 7],
  // Of two threads, one wrote an event twelve places before that of the other: neither matters.
  ['all-10.2.2.simple.bin.gz', 'simple', 11_075],
  ['all-10.2.2.simpletrace-py.head3000.txt.gz', 'simpletrace-text', 2833],
] as const;

/** Without what differs from form to form: where a line is, when, and in which text. */
function content(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner) =>
      /line|offset|time|context|excerpt|first|last|window/i.test(key) ? undefined : inner,
    ),
  );
}

async function analysisOf(bytes: Uint8Array) {
  async function* stdin() {
    yield bytes;
  }
  // The stamps of a log tell the version, and those of other forms do not.
  const options = { stdin: stdin() };
  const { session, unmaps, mappings } = await analyze('-', { qemu }, options);
  return { session, unmaps, mappings };
}

describe.each(FORMS)('%s', (name, format, count) => {
  const bytes = sample(name);

  it('is recognised', () => {
    const head = bytes.subarray(0, HEAD_BYTES);
    expect(recognise({ path: 'x', compression: 'none', head }).name).toBe(format);
  });

  it('has the events of the log', async () => {
    const events = traceEvents(await decode(format, bytes));
    const expected = traceEvents(await decode('qemu-log', log));
    expect(events).toHaveLength(count);
    expect(events).toEqual(expected.slice(0, count));
  });

  it('is analysed like the log', async () => {
    const { events } = await decode('qemu-log', log);
    const { line = 0 } = events.filter((event) => !event.name.includes(':'))[count - 1] ?? {};
    // The last event of a form that is cut may be torn, and is none of the events.
    const end = format === 'babeltrace-details' ? '\n\n' : '\n';
    const whole =
      format === 'simple' ? bytes : bytes.subarray(0, bytes.lastIndexOf(end) + end.length);
    const ours = await analysisOf(whole);
    const expected = await analysisOf(firstLines(log, line));
    expect(ours.unmaps.map(content)).toEqual(expected.unmaps.map(content));
    expect(ours.mappings.map(content)).toEqual(expected.mappings.map(content));
    expect(ours.session.verdict).toBe(expected.session.verdict);
    expect(ours.session.findings.map(content)).toEqual(expected.session.findings.map(content));
  });
});

describe('some lines of it, in the shape of', () => {
  it.each([
    ['handmade-syslog-iso.log.gz', 'syslog'],
    ['handmade-syslog-rfc3164.log.gz', 'syslog'],
    ['handmade-cri.log.gz', 'cri'],
    ['handmade-systemtap-log.txt.gz', 'systemtap'],
  ])('%s, are the same events', async (name, format) => {
    const bytes = sample(name);
    const head = bytes.subarray(0, HEAD_BYTES);
    expect(recognise({ path: 'x', compression: 'none', head }).name).toBe(format);
    const decoded = await decode(format, bytes);
    const events = traceEvents(decoded).map((event) => JSON.stringify(event));
    const all = traceEvents(await decode('qemu-log', log)).map((event) => JSON.stringify(event));
    expect(events).toHaveLength(119);
    // The same ones in the same order, with others between them.
    let at = 0;
    for (const event of events) at = all.indexOf(event, at) + 1 || Number.NaN;
    expect(at).toBeGreaterThan(0);
    expect(decoded.events).toHaveLength(119);
    expect(decoded.foreignLines).toBe(0);
  });
});
