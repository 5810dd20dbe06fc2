import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FormedLines } from '../../../src/decoding/formed-lines.ts';
import { newFormedDecoder } from '../../../src/decoding/kernels.ts';
import { DetailsParagraphs } from '../../../src/decoding/records/babeltrace/details.ts';
import { BabeltraceLines } from '../../../src/decoding/records/babeltrace/text.ts';
import { ObjectLines, TextLines } from '../../../src/decoding/records/bpftrace/index.ts';
import { SimpleTextLines } from '../../../src/decoding/records/simple/text.ts';
import { BatchWriter } from '../../../src/events/writer.ts';
import { FormedKernels } from '../../helpers/kernels.ts';

interface Tool {
  readonly name: string;
  readonly newLines: () => FormedLines;
  /**
   * Lines, or paragraphs; SS is a second, F nine digits, N a number and H a hexadecimal one; G, M and K are the same
   * with marks between groups of digits. The first is of a common event.
   */
  readonly lines: readonly string[];
  /** One of an event that is only counted. */
  readonly counted: string;
}

const CONTEXT = '{ cpu_id = N }, { vpid = 7329, vtid = 7329, procname = "qemu-system-x86" }';
const WALK = '{ domain_id = 0x2, iova = 0xH, translated_addr = 0xH, mask = 0xFFF, perm = N }';

const details = (name: string, fields: readonly string[]) =>
  [
    '[M cycles, 1,795,332,9SS,G ns from origin]',
    '{Trace 0, Stream class ID 0, Stream ID N}',
    `Event \`qemu:${name}\` (Class ID 210):`,
    '  Common context:',
    '    vpid: 7329',
    '    vtid: 7329',
    fields.length === 0 ? '  Payload: Empty' : '  Payload:',
    ...fields.map((field) => `    ${field}`),
    '',
  ].join('\n');

const TOOLS: readonly Tool[] = [
  {
    name: 'babeltrace',
    newLines: () => new BabeltraceLines(),
    counted: `[07:35:SS.F] (+0.F) vm qemu:vfio_user_recv_hdr: ${CONTEXT}, { name = "unix:/run/vfu.sock", id = 0xH, cmd = N }`,
    lines: [
      `[2026-11-22 07:35:SS.F] (+0.F) vm qemu:vtd_page_walk_one: ${CONTEXT}, ${WALK}`,
      `[07:35:SS.F] (+0.F) vm qemu:vtd_page_walk_one: ${CONTEXT}, ${WALK}`,
      `[07:35:SS.F] (+?.?????????) vm qemu:vtd_page_walk_one: { cpu_id = N }, ${WALK}`,
      `timestamp = 17953329SS.F, delta = +0.F, name = qemu:vtd_page_walk_one, event.fields = ${WALK}`,
      `[2026-11-22 07:35:SS.F] vm qemu:vtd_switch_address_space: ${CONTEXT}, { bus = 0xH, slot = 0xH, fn = 0xH, on = N }`,
      `[2026-11-22 07:35:SS.F] vm qemu:vfio_iommu_map_notify: ${CONTEXT}, { op = "MAP", iova_start = 0xH, iova_end = 0xH }`,
      `[2026-11-22 07:35:SS.F] vm qemu:vfio_iommu_map_notify: ${CONTEXT}, { op = "UNMAP", iova_start = N, iova_end = 0xH }`,
      `[2026-11-22 07:35:SS.F] vm qemu:vfio_user_recv_read: ${CONTEXT}, { id = N, read = N }`,
      `[07:35:SS.F] vm qemu:vfio_user_recv_hdr: ${CONTEXT}, { name = "unix:/run/vfu.sock", id = 0xH, cmd = N }`,
      `[07:35:SS.F] vm qemu:vfio_user_version: ${CONTEXT}, { major = N, caps = "{\\"max\\":N,\\"x\\":\\\\}" }`,
      `[2026-11-22 07:35:SS.F] vm other:thing: ${CONTEXT}, { a = N }`,
      `[N] vm qemu:vtd_page_walk_one: { cpu_id = 1 }, ${WALK}`,
    ],
  },
  {
    name: 'babeltrace, in details,',
    newLines: () => new DetailsParagraphs(),
    counted: details('vfio_user_recv_hdr', ['name: unix:/run/vfu.sock', 'id: 0xK', 'cmd: M']),
    lines: [
      details('vtd_page_walk_one', [
        'domain: 0xK',
        'iova: 0xK',
        'gpa: 0xK',
        'mask: 0xfff',
        'perm: M',
      ]),
      details('vfio_iommu_map_notify', ['op: MAP', 'iova_start: 0xK', 'iova_end: 0xK']),
      details('vfio_iommu_map_notify', ['op: N', 'iova_start: M', 'iova_end: 0xH']),
      details('vfio_user_recv_read', ['id: 0xK', 'read: M']),
      details('global_dirty_changed', ['bitmask: 0xK']),
      details('vtd_reset_exit', []),
      details('vtd_page_walk_one', ['domain: 0x2', 'iova: 0xK']),
      `${details('vtd_reset_exit', [])}\r\n${details('vtd_reset_exit', [])}`,
      details('vtd_reset_exit', []).replaceAll('\n', '\r\n'),
      details('vtd_inv_qi_head', ['head: M']).replace('1,795,332,9SS,G', 'N,795,332,9SS,G'),
      details('vtd_reset_exit', []).replace(', 1,795,332,9SS,G ns from origin', ''),
      'Tracer discarded N events between these',
    ],
  },
  {
    name: 'bpftrace',
    newLines: () => new TextLines(),
    counted: '19SSF 10488 vfio_user_recv_read id=0xH read=N',
    lines: [
      '19SSF 10488 vtd_page_walk_one domain=0x2 iova=0xH gpa=0xH mask=0xfff perm=N',
      '19SSF N vtd_page_walk_one arg0=N arg1=N arg2=0xH arg3=4095 arg4=N',
      '19SSF 10488 vfio_iommu_map_notify op=MAP iova_start=0xH iova_end=0xH',
      '19SSF 10488 vtd_page_walk_one domain=N iova=N iova=0xH gpa=0xH mask=0xfff perm=3',
      '19SSF 10488 vtd_page_walk_one domain 0x2 iova 0xH -> gpa 0xH mask 0xfff perm N',
      '19SSF 10488 vtd_reset_exit',
      '19SSF 10488 vfio_user_recv_read id=0xH read=N',
      '19SSF 10488 vfio_user_recv_hdr name="unix:/run/vfu.sock" id=N name2="a b"',
      'N 10488 vtd_page_walk_one domain=0x2 iova=0xH gpa=0xH mask=0xfff perm=3',
      'Lost N events',
    ],
  },
  {
    name: 'bpftrace, in JSON,',
    newLines: () => new ObjectLines(),
    counted: '{"type": "printf", "data": "19SSF 10488 vfio_user_recv_read id=0xH read=N\\n"}',
    lines: [
      '{"type": "printf", "data": "19SSF 10488 vtd_page_walk_one domain=0x2 iova=0xH gpa=0xH mask=0xfff perm=N\\n"}',
      '{"type": "printf", "data": "19SSF 10488 vfio_iommu_map_notify op=MAP iova_start=0xH iova_end=0xH\\n"}',
      '{"type": "printf", "data": "N 10488 vtd_page_walk_one arg0=N arg1=N arg2=0xH arg3=4095 arg4=N"}',
      '{"type": "printf", "data": "19SSF N vtd_page_walk_one iova=0xH \\t gpa=0xH\\n19SSF 1 vtd_reset_exit\\n"}',
      '{"type": "lost_events", "data": {"events": N}}',
      '{"type": "lost_events", "data": {"events": N.5}}',
    ],
  },
  {
    name: 'simpletrace.py',
    newLines: () => new SimpleTextLines(),
    counted: "vfio_user_recv_hdr N.492 pid=7 name=b'unix:/run/vfu.sock' id=0xH cmd=0x1",
    lines: [
      'vtd_page_walk_one N.492 pid=7 domain=0x2 iova=0xH gpa=0xH mask=0xfff perm=0x3',
      'vtd_page_walk_one 1.F pid=7 domain=0xH iova=0xH gpa=0xH mask=0xfff perm=0xH',
      "vfio_iommu_map_notify N.000 pid=7 op=b'MAP' iova_start=0xH iova_end=0xH",
      "vfio_iommu_map_notify 0.999 pid=N op=b'UNMAP' iova_start=0xH iova_end=0xH",
      'vfio_get_dirty_bitmap N.250 pid=7 container_fd=0xH iova=0xH size=0xH bitmap_size=0xH start=0xH',
      'vfio_get_dirty_bitmap N.250 pid=7 iova=0xH size=0xH bitmap_size=0xH start=0xH dirty_pages=0xH',
      "vfio_save_cleanup N.001 pid=7 name=b'a b'",
      'vtd_reset_exit N.492 pid=7 ',
      'vtd_reset_exit N.492 pid=7',
      'vtd_inv_qi_fetch N.492 pid=7',
      'Dropped_Event N.948 pid=7 num_events_dropped=0xH',
      'Traceback',
    ],
  },
];

const number = fc.oneof(
  fc.nat(99).map(String),
  fc.bigInt(0n, 2n ** 66n).map(String),
  fc.constantFrom('0', '007', '-1', '4294967295', '4294967296', '18446744073709551615'),
);
const hex = fc.oneof(
  fc.nat(0xffff).map((value) => value.toString(16).toUpperCase()),
  fc.bigInt(0n, 2n ** 68n).map((value) => value.toString(16)),
  fc.constantFrom('', '0', '00ff', 'FFFFFFFF', 'fffffffff', 'g', 'ffffffffffffffff'),
);

/** Digits with a mark before each so many of the last ones. */
const grouped = (text: string, size: number, mark: string) =>
  text.replace(new RegExp(`(?<=\\w)(?=(?:\\w{${size}})+$)`, 'g'), mark);

/** A line with its placeholders filled in. */
function filled(
  line: string,
  second: string,
  nano: number,
  numbers: readonly string[],
  digits: readonly string[],
) {
  let [number, digit] = [0, 0];
  return line
    .replace('SS', second)
    .replace(/(?<=[.\d])F\b/g, () => String(nano).padStart(9, '0'))
    .replace(/\bG\b/, () => grouped(String(nano).padStart(9, '0'), 3, ','))
    .replace(/\bN\b/g, () => numbers[number++ % numbers.length] ?? '')
    .replace(/\bM\b/g, () => grouped(numbers[number++ % numbers.length] ?? '', 3, ','))
    .replace(/(?<=0x)H/g, () => digits[digit++ % digits.length] ?? '')
    .replace(/(?<=0x)K/g, () => grouped(digits[digit++ % digits.length] ?? '', 4, ':'));
}

function linesOf(all: readonly string[]) {
  const few = fc.subarray([...all], { minLength: 1, maxLength: 3 });
  return few.chain((some) => {
    const whole = fc
      .tuple(
        fc.constantFrom(...some),
        fc.constantFrom('00', '00', '07'),
        fc.nat(999_999_999),
        fc.array(number, { minLength: 1, maxLength: 5 }),
        fc.array(hex, { minLength: 1, maxLength: 5 }),
      )
      .map((of) => filled(...of));
    const damaged = fc.tuple(whole, fc.nat(200), fc.nat(255)).map(([line, at, byte]) => {
      const other = String.fromCharCode(byte).replace('\n', ' ');
      return line.slice(0, at) + other + line.slice(at + (byte % 3));
    });
    const any = fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: damaged });
    return fc.array(any, { minLength: 1, maxLength: 40, size: 'max' });
  });
}

describe.each(TOOLS)('lines of $name with values', ({ counted, lines, newLines }) => {
  it('are read in forms as they are read one by one', () => {
    const kernels = new FormedKernels(newLines);
    let records = 0;
    fc.assert(
      fc.property(linesOf([...lines, counted]), fc.constantFrom('\n', '\r\n', ''), (some, end) => {
        records += kernels.compare(Buffer.from(some.join('\n') + end, 'latin1'));
      }),
      { numRuns: 400 },
    );
    expect(records).toBeGreaterThan(1000);
  });

  it.each([
    ['read', lines[0] ?? '', 2000],
    ['counted', counted, 0],
  ])('are %s by the kernel, all but the first', (_, line, events) => {
    const all = Array.from({ length: 2000 }, (_, at) =>
      filled(line, '07', at * 1000, [String(at % 4)], [(at * 4096).toString(16)]),
    );
    const reader = newLines();
    const readLine = reader.line.bind(reader);
    let read = 0;
    reader.line = (...args) => {
      read += 1;
      readLine(...args);
    };
    const block = Buffer.from(`${all.join('\n')}\n`);
    const writer = new BatchWriter(block.length);
    const count = block.filter((byte) => byte === 0x0a).length;
    expect(newFormedDecoder(reader)(block, writer)).toBe(count);
    const batch = writer.finish(block, 0, count);
    expect(batch.events).toBe(events);
    expect(Object.values(batch.skipped)).toEqual(events === 0 ? [2000] : []);
    expect(read).toBe(1);
    expect(new FormedKernels(newLines).compare(block)).toBe(events);
  });
});
