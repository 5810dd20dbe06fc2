import { describe, expect, it } from 'vitest';
import { type Carrier, Frame, layered } from '../../src/decoding/carrier.ts';
import { plain } from '../../src/decoding/carriers/plain.ts';
import { syslog } from '../../src/decoding/carriers/syslog.ts';
import { formats } from '../../src/decoding/index.ts';
import { newKernel } from '../../src/decoding/kernels.ts';
import { hasFramedNote } from '../../src/decoding/sample.ts';
import { BatchWriter } from '../../src/events/writer.ts';
import { decodedOf } from '../helpers/decoded.ts';

const MAP = 'vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff';
const SYSLOG = '2026-11-22T07:35:47.845867Z host-a qemu-system-x86_64[7329]: ';

/** A carrier as the next one may look: what a mail program puts before a line that it quotes. */
const quoted: Carrier = {
  name: 'quoted',
  title: 'lines quoted in a mail',
  clock: 'wall',
  stampsTellVersion: true,
  embeds: true,
  remarks: [],
  recognises: (head) => hasFramedNote(quoted, head),
  frame(bytes, at, end, frame) {
    if (bytes.toString('latin1', at, at + 2) !== '> ') return false;
    frame.textAt = at + 2;
    frame.textEnd = end;
    return true;
  },
};

function decoded(carrier: Carrier, text: string) {
  const block = Buffer.from(text, 'latin1');
  const writer = new BatchWriter();
  const lines = newKernel().decode(block, carrier, writer);
  return decodedOf([writer.finish(block, 0, lines)]);
}

describe('a carrier', () => {
  it('is a small object that says what stands before a line', () => {
    const { events, foreignLines, lines } = decoded(quoted, `hello\n\n> ${MAP}\r\n> > ${MAP}\n`);
    expect(events).toMatchObject([{ name: 'vfio_iommu_map_notify', line: 3, time: null }]);
    expect([lines, foreignLines]).toEqual([4, 2]);
    expect(quoted.recognises(Buffer.from(`hello\n> ${MAP}\n`))).toBe(true);
    expect(quoted.recognises(Buffer.from(`${MAP}\n`))).toBe(false);
  });

  it('forgets a line before the next', () => {
    const { events } = decoded(
      { ...syslog, frame: (...of) => syslog.frame(...of) || quoted.frame(...of) },
      `${SYSLOG}${MAP}\n> ${MAP}\n`,
    );
    expect(events.map(({ time, source }) => [time, source])).toEqual([
      ['1795332947.845867000', 'host-a qemu-system-x86_64[7329]'],
      [null, null],
    ]);
  });

  it('leaves the last word on the time to the stamp of the line', () => {
    const { events } = decoded(syslog, `${SYSLOG}1331@1795334254.166216:${MAP}\n`);
    expect(events).toMatchObject([{ time: '1795334254.166216000', thread: 1331 }]);
  });
});

describe('carriers one behind another', () => {
  const both = layered(quoted, syslog, (head) => hasFramedNote(both, head));

  it('are peeled off from the outside', () => {
    const { events, foreignLines } = decoded(
      both,
      `> ${SYSLOG}${MAP}\n${SYSLOG}${MAP}\n> ${MAP}\n> hello\nhello\n`,
    );
    // Without the headers they are damaged, or somebody else's.
    expect(events).toMatchObject([
      { line: 1, time: '1795332947.845867000', source: 'host-a qemu-system-x86_64[7329]' },
      { line: 2, name: 'trace:loss', source: null },
      { line: 3, name: 'trace:loss', source: null },
    ]);
    expect(foreignLines).toBe(2);
    expect(both).toMatchObject({ name: 'quoted+syslog', stampsTellVersion: false, embeds: true });
    expect(both.recognises(Buffer.from(`> ${SYSLOG}${MAP}\n`))).toBe(true);
  });

  it('end at the lines of QEMU, which need no carrier', () => {
    const { events } = decoded(
      layered(quoted, plain, () => false),
      `> 2026-11-22T07:51:14.717309Z ${MAP}\n> Nov 1: Suppressed 3 messages\n`,
    );
    expect(events.map(({ name }) => name)).toEqual(['vfio_iommu_map_notify', 'trace:loss']);
  });
});

describe('a frame', () => {
  it('knows nothing before a carrier has filled it', () => {
    const frame = new Frame();
    const bytes = Buffer.from(SYSLOG + MAP);
    expect(syslog.frame(bytes, 0, bytes.length, frame)).toBe(true);
    frame.reset();
    expect(frame).toEqual(new Frame());
  });
});

describe('formats', () => {
  it('say what clock they have, and whether stamps show the version', () => {
    expect(
      formats.map(({ name, clock, stampsTellVersion }) => [name, clock, stampsTellVersion]),
    ).toEqual([
      ['converted', 'wall', false],
      ['bpftrace-json', 'monotonic', false],
      ['loki-answer', 'wall', false],
      ['simple', 'monotonic', false],
      ['simple-headerless', 'wall', false],
      ['simpletrace-text', 'monotonic', false],
      ['json-array', 'wall', false],
      ['json-lines', 'wall', false],
      ['babeltrace', 'wall', false],
      ['babeltrace-details', 'wall', false],
      ['perf-script', 'boot', false],
      ['bpftrace', 'monotonic', false],
      ['ftrace', 'boot', false],
      ['systemtap', 'wall', false],
      ['cri', 'wall', false],
      ['syslog', 'wall', false],
      ['container', 'wall', false],
      ['qemu-log', 'wall', true],
    ]);
  });
});
