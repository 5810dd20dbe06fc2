import { gunzipSync, gzipSync } from 'node:zlib';
import type { Random } from '../../src/tools/simulator/random.ts';

/**
 * What the result of a damaged trace has to be, by that of the whole one. `not-clean`: the damage
 * shows. `as-bad`: too little is touched to hide what went wrong, or to make anything up. `same`: what
 * is added means nothing. `any`: a damage of this kind may look like another trace.
 */
export type Expected = 'not-clean' | 'as-bad' | 'same' | 'any';

export interface Damaged {
  readonly bytes: Uint8Array;
  readonly expected: Expected;
}

/** A way in which logs are damaged, or made to do harm. `trace`: whole lines, each with an LF. */
export interface Damage {
  readonly name: string;
  /** It is possible to any bytes, and not to lines alone. */
  readonly isOfBytes?: true;
  apply(trace: Buffer, random: Random): Damaged;
}

const LF = 0x0a;
const MIB = 1024 * 1024;
/** A line that has an event, behind whatever is before it. */
const EVENT_LINE = /(?:vtd|vfio|iommufd)_\w+[ :"]/;
/** A line of a container runtime. */
const CRI_LINE = /^\S+ std(?:err|out) [FP] /;

/** Where a random line begins, and the one behind it. */
function lineIn(trace: Buffer, random: Random): { readonly from: number; readonly to: number } {
  const from = trace.lastIndexOf(LF, random.below(trace.length - 1)) + 1;
  const lf = trace.indexOf(LF, from);
  return { from, to: lf < 0 ? trace.length : lf + 1 };
}

/** Puts bytes before a random line, `times` times. */
function insert(trace: Buffer, random: Random, make: () => Uint8Array, times = 1): Buffer {
  let result = trace;
  for (let time = 0; time < times; time += 1) {
    const { from } = lineIn(result, random);
    result = Buffer.concat([result.subarray(0, from), make(), result.subarray(from)]);
  }
  return result;
}

function flip(bytes: Uint8Array, random: Random, times: number, from = 0): Buffer {
  const flipped = Buffer.from(bytes);
  for (let time = 0; time < times; time += 1) {
    const at = from + random.below(flipped.length - from);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
  }
  return flipped;
}

/** Text that is nobody's line, and does something to a reader that takes it for more. */
const HOSTILE: readonly string[] = [
  '\u001b[2J\u001b]0;title\u0007\u009b31m\u202e',
  '<script>alert(1)</script><img src=x onerror=alert(1)>',
  '{"event": "vtd_page_walk_one", "args": {"iova": ',
  '[[[[[[[['.repeat(20_000),
  '=cmd("x",1)\t@SUM(1)\r+1',
  '%s%n%x`id`$(id)\\',
  'constructor __proto__ toString hasOwnProperty ',
  '\u0000\u0000\u0000',
  '\ufeff\u2028\u2029\ud83d\ude00',
  'not_an_event_at_all 0x',
  'a'.repeat(70_000),
  '-9223372036854775808 18446744073709551616 1e999 NaN',
  ' '.repeat(50_000),
];

/** Bytes of numbers at which lengths overflow. */
const EXTREMES = [
  [0, 0, 0, 0, 0, 0, 0, 0],
  [255, 255, 255, 255, 255, 255, 255, 255],
  [127, 255, 255, 255, 255, 255, 255, 255],
  [255, 255, 255, 255, 255, 255, 255, 127],
  [0, 0, 0, 0, 0, 0, 0, 128],
  [0, 0, 0, 64, 0, 0, 0, 64],
] as const;

export const damages: readonly Damage[] = [
  {
    name: 'nothing',
    isOfBytes: true,
    apply: (trace) => ({ bytes: trace, expected: 'same' }),
  },
  {
    name: 'cut within a line',
    apply(trace, random) {
      const { from, to } = lineIn(trace, random);
      const isEvent = EVENT_LINE.test(trace.toString('latin1', from, to));
      return {
        bytes: trace.subarray(0, random.between(from + 1, Math.max(from + 1, to - 1))),
        expected: isEvent ? 'not-clean' : 'any',
      };
    },
  },
  {
    name: 'cut anywhere, at both ends',
    isOfBytes: true,
    apply(trace, random) {
      const [a, b] = [random.below(trace.length), random.below(trace.length)];
      return { bytes: trace.subarray(Math.min(a, b), Math.max(a, b) + 1), expected: 'any' };
    },
  },
  {
    name: 'a bit flipped',
    isOfBytes: true,
    apply: (trace, random) => ({ bytes: flip(trace, random, 1), expected: 'as-bad' }),
  },
  {
    name: 'many bits flipped',
    isOfBytes: true,
    apply: (trace, random) => ({
      bytes: flip(trace, random, random.between(20, 2000)),
      expected: 'any',
    }),
  },
  {
    name: 'a part taken out',
    isOfBytes: true,
    apply(trace, random) {
      const from = random.below(trace.length);
      const to = Math.min(trace.length, from + random.between(1, 20_000));
      return {
        bytes: Buffer.concat([trace.subarray(0, from), trace.subarray(to)]),
        expected: 'any',
      };
    },
  },
  {
    name: 'a part put elsewhere',
    isOfBytes: true,
    apply(trace, random) {
      const from = random.below(trace.length);
      const part = trace.subarray(from, from + random.between(1, 5000));
      const at = random.below(trace.length);
      return {
        bytes: Buffer.concat([trace.subarray(0, at), part, trace.subarray(at)]),
        expected: 'any',
      };
    },
  },
  {
    name: 'lines repeated',
    apply(trace, random) {
      const { from, to } = lineIn(trace, random);
      const line = trace.subarray(from, to);
      const times = random.between(1, 3000);
      return {
        bytes: insert(trace, random, () => Buffer.concat(Array(times).fill(line))),
        expected: 'any',
      };
    },
  },
  {
    name: 'lines in another order',
    apply(trace, random) {
      const lines = trace.toString('latin1').split(/(?<=\n)/);
      for (let time = 0; time < 50; time += 1) {
        const [a, b] = [random.below(lines.length), random.below(lines.length)];
        [lines[a], lines[b]] = [lines[b] ?? '', lines[a] ?? ''];
      }
      return { bytes: Buffer.from(lines.join(''), 'latin1'), expected: 'any' };
    },
  },
  {
    name: 'a run of NUL within a line',
    isOfBytes: true,
    apply(trace, random) {
      const at = random.below(trace.length);
      const nuls = Buffer.alloc(random.pick([1, 7, 4096, 2 * MIB]));
      return {
        bytes: Buffer.concat([trace.subarray(0, at), nuls, trace.subarray(at)]),
        expected: 'as-bad',
      };
    },
  },
  {
    name: 'a line that is too long',
    apply: (trace, random) => ({
      bytes: insert(trace, random, () =>
        Buffer.from(`${'x'.repeat(random.between(MIB, 3 * MIB))}\n`),
      ),
      // A container runtime writes no line without its header: one without is torn.
      expected: CRI_LINE.test(trace.toString('latin1', 0, 100)) ? 'as-bad' : 'same',
    }),
  },
  {
    name: 'lines that do harm',
    apply: (trace, random) => ({
      bytes: insert(trace, random, () => Buffer.from(`${random.pick(HOSTILE)}\n`), 30),
      expected: 'as-bad',
    }),
  },
  {
    name: 'events with numbers that are none',
    apply(trace, random) {
      const text = trace.toString('latin1');
      const numbers = ['0x', '-1', '0xffffffffffffffffff', '99999999999999999999', '', 'nan'];
      const broken = text.replace(/0x[0-9a-f]+|\b\d+\b/g, (number) =>
        random.chance(0.01) ? random.pick(numbers) : number,
      );
      return { bytes: Buffer.from(broken, 'latin1'), expected: 'any' };
    },
  },
  {
    name: 'numbers that cannot be',
    isOfBytes: true,
    apply(trace, random) {
      const bytes = Buffer.from(trace);
      for (let time = random.between(1, 20); time > 0; time -= 1) {
        const width = random.pick([2, 4, 8]);
        const number = random.pick(EXTREMES);
        for (let at = random.below(bytes.length - 8), left = width; left > 0; left -= 1) {
          bytes[at + left - 1] = number[8 - left] ?? 0;
        }
      }
      return { bytes, expected: 'any' };
    },
  },
  {
    name: 'cut at the end',
    isOfBytes: true,
    apply: (trace, random) => ({
      bytes: trace.subarray(0, random.between(1, trace.length)),
      expected: 'any',
    }),
  },
  {
    name: 'gzip, cut',
    isOfBytes: true,
    apply(trace, random) {
      const packed = gzipSync(trace);
      return {
        bytes: packed.subarray(0, random.between(2, packed.length - 1)),
        expected: 'not-clean',
      };
    },
  },
  {
    name: 'gzip, bits flipped',
    isOfBytes: true,
    apply(trace, random) {
      // Behind the header, whose time and name mean nothing.
      const bytes = flip(gzipSync(trace), random, random.between(1, 5), 10);
      return { bytes, expected: isIntact(bytes, trace) ? 'same' : 'not-clean' };
    },
  },
  {
    name: 'gzip, a member put behind',
    isOfBytes: true,
    apply: (trace, random) => ({
      bytes: Buffer.concat([gzipSync(trace), random.pick([gzipSync(trace), Buffer.from('x')])]),
      expected: 'any',
    }),
  },
  {
    name: 'UTF-16, cut',
    apply(trace, random) {
      const wide = Buffer.from(`\ufeff${trace.toString('latin1')}`, 'utf16le');
      return { bytes: wide.subarray(0, random.between(2, wide.length)), expected: 'any' };
    },
  },
];

function isIntact(packed: Uint8Array, trace: Buffer): boolean {
  try {
    return gunzipSync(packed).equals(trace);
  } catch {
    return false;
  }
}
