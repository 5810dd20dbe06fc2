import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FormedLines } from '../../../src/decoding/formed-lines.ts';
import { newFormedDecoder } from '../../../src/decoding/kernels.ts';
import { JsonLines } from '../../../src/decoding/records/json/lines.ts';
import { BatchWriter } from '../../../src/events/writer.ts';
import { changed } from '../../helpers/changed-lines.ts';
import { FormedKernels } from '../../helpers/kernels.ts';

const WALK = 'vtd_page_walk_one domain 0x1 iova 0x1000 -> gpa 0x2000 mask 0xfff perm 3';

/** Objects that hold a line; TEXT is that, SS a second, FFFFFF a fraction of it, N a number. */
const ENVELOPES = [
  '{"log":"TEXT\\n","stream":"stderr","time":"2026-11-22T07:35:SS.FFFFFF000Z"}',
  '{"log":"TEXT\\r\\n","stream":"stderr","time":"2026-11-22T07:35:SSZ"}',
  '{"timestamp":"2026-11-22T07:35:SS.FFFFFFZ","host":"host-N","message":"TEXT"}',
  '{"labels":{"job":"qemu","host":"h"},"line":"TEXT","timestamp":"2026-11-22T07:35:SS.FFFFFFZ"}',
  '{"__CURSOR":"s=0;i=N","__REALTIME_TIMESTAMP":"17953329SSFFFFFF","_PID":"7329","_COMM":"qemu","MESSAGE":"TEXT"}',
  '{"__REALTIME_TIMESTAMP":"17953329SSFFFFFF","N":"x","_PID":"N","_HOSTNAME":"a","MESSAGE":"TEXT"}',
  '{"ts": 17953329SS.FFFFFF, "n": N, "msg": "TEXT", "level": "info"}',
  '{"ts":N.5,"msg":"TEXT"}',
  '{"ts":17953329SSFFFFFF,"m":[1,"a"],"msg":"TEXT"}',
  '{"date":N,"msg":"TEXT","name":"a b"}',
  '{"event":"TEXT","time":N}',
  '{"name":"logger","msg":"TEXT"}',
  '{"msg":"TEXT","msg":"b"}',
  '{"msg":"TEXT","a":"N"},',
  '\u001e{"msg":"TEXT"}',
  '{"_source":{"message":"TEXT"}}',
  '{"msg":null,"log":"TEXT"}',
  '{"msg":N,"log":"TEXT\\nvtd_x "}',
  '{"line":"TEXT\\n\\t vfio_iommu_map_notify iommu MAP @ 0x1000 - 0x1fff"}',
];

/** Objects that are events; H is a hexadecimal number. */
const EVENTS = [
  '{"event":"vtd_page_walk_one","timestamp":17953329SSFFFFFF000,"tid":7329,"args":{"domain":"0xH","iova":"0xH","gpa":"0xH","mask":"0xfff","perm":3}}',
  '{"event":"vtd_page_walk_one","timestamp":N,"tid":7329,"args":{"domain":N,"iova":N,"gpa":N,"mask":4095,"perm":N}}',
  '{"name":"vtd_page_walk_one","ts":"17953329SS.FFFFFF","pid":12,"fields":{"domain":"N","iova":"N","gpa":"0xH","mask":"0xfff","perm":"N"}}',
  '{"event":"vfio_iommu_map_notify","t":"2026-11-22T07:35:SS.FFFFFFZ","args":{"op":"MAP","iova_start":"0xH","iova_end":"0xH"}}',
  '{"event":"vfio_iommu_map_notify","note":"N","args":{"op":"UNMAP","iova_start":"0xH","iova_end":"0xH"}}',
  '{"event":"vtd_inv_desc_iotlb_global","args":{}}',
  '{"event":"vtd_page_walk_one","args":["0xH","0xH","0xH","0xfff",3]}',
  '{"event":"vfio_listener_region_add_ram","args":{"iova_start":"0xH","iova_end":"0xH","vaddr":"0xH","extra":N}}',
  '{"event":"vtd_as_unmap_whole","args":{"bus":"0xH","slot":"0xH","fn":N,"iova":"0xH","size":"0xH","n":1.0}}',
  '{"event":"qemu_other","args":{"a":N}}',
];

const number = fc.oneof(
  fc.nat(99).map(String),
  fc.bigInt(0n, 2n ** 66n).map(String),
  fc.constantFrom(
    '0',
    '00',
    '007',
    '-1',
    '4294967295',
    '4294967296',
    '18446744073709551615',
    '1.0',
  ),
);
const hex = fc.oneof(
  fc.nat(0xffff).map((value) => value.toString(16)),
  fc.bigInt(0n, 2n ** 68n).map((value) => value.toString(16)),
  fc.constantFrom('', '0', '00ff', 'FFFF', 'fffffffff', 'g', 'ffffffffffffffff'),
);
/** As in a string of JSON; some of it is none. */
const text = fc.oneof(
  { weight: 2, arbitrary: fc.constant(WALK) },
  {
    weight: 2,
    arbitrary: changed.map((line) => Buffer.from(line, 'latin1').toString().replace(/["\\]/g, '')),
  },
  { weight: 1, arbitrary: changed },
);

/** A line of one of some objects. */
function lineOf(objects: readonly string[]) {
  return fc
    .record({
      object: fc.constantFrom(...objects),
      second: fc.constantFrom('00', '00', '07'),
      micro: fc.nat(999_999),
      text,
      number: fc.array(number, { minLength: 1, maxLength: 6 }),
      hex: fc.array(hex, { minLength: 1, maxLength: 6 }),
    })
    .map((of) => {
      let [numbers, digits] = [0, 0];
      return of.object
        .replace('SS', of.second)
        .replace('FFFFFF', String(of.micro).padStart(6, '0'))
        .replace(/\bN\b/g, () => of.number[numbers++ % of.number.length] ?? '')
        .replace(/(?<=0x)H/g, () => of.hex[digits++ % of.hex.length] ?? '')
        .replace('TEXT', () => of.text);
    });
}

/** Lines of some objects, of which some are damaged. */
function linesOf(objects: readonly string[]) {
  const few = fc.subarray([...objects], { minLength: 1, maxLength: 3 });
  return few.chain((some) => {
    const whole = lineOf(some);
    const damaged = fc.tuple(whole, fc.nat(200), fc.nat(255)).map(([line, at, byte]) => {
      const other = String.fromCharCode(byte).replace('\n', ' ');
      return line.slice(0, at) + other + line.slice(at + (byte % 3));
    });
    const any = fc.oneof({ weight: 9, arbitrary: whole }, { weight: 1, arbitrary: damaged });
    return fc.array(any, { minLength: 1, maxLength: 40, size: 'max' });
  });
}

describe('objects on lines are read in forms as they are read one by one', () => {
  it.each([
    ['around lines', ENVELOPES],
    ['that are events', EVENTS],
    ['of both kinds', [...ENVELOPES, ...EVENTS]],
  ])('%s', (_, objects) => {
    const kernels = new FormedKernels(() => new JsonLines());
    let records = 0;
    fc.assert(
      fc.property(linesOf(objects), fc.constantFrom('\n', '\r\n', ''), (lines, end) => {
        records += kernels.compare(Buffer.from(lines.join('\n') + end));
      }),
      { numRuns: 500 },
    );
    expect(records).toBeGreaterThan(1000);
  });
});

/** Counts the lines that are read one by one. */
class Counting extends JsonLines {
  read = 0;

  override line(...args: Parameters<FormedLines['line']>): void {
    this.read += 1;
    super.line(...args);
  }
}

describe('of such lines, the kernel reads all but the first', () => {
  const objects = [0, 2, 3, 4, 6].map((index) => ENVELOPES[index] ?? '');
  it.each([...objects, EVENTS[0] ?? '', EVENTS[2] ?? ''])('%s', (object) => {
    const lines = Array.from({ length: 2000 }, (_, at) =>
      object
        .replace('SS', '07')
        .replace('FFFFFF', String(at).padStart(6, '0'))
        .replace(/(?<=0x)H/g, (at * 4096).toString(16))
        .replace(/\bN\b/g, String(at))
        .replace('TEXT', WALK),
    );
    const reader = new Counting();
    const block = Buffer.from(`${lines.join('\n')}\n`);
    const writer = new BatchWriter(block.length);
    expect(newFormedDecoder(reader)(block, writer)).toBe(2000);
    expect(writer.finish(block, 0, 2000).events).toBe(2000);
    expect(reader.read).toBe(1);
  });
});
