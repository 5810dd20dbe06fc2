import { humanSize } from '../base/address.ts';
import { countText } from '../base/words.ts';
import type { Question } from './events.ts';

/** How long a trace gets, as counted in the captures of `traces/`: lines, and bytes without time stamps. */
interface Measured {
  /** The capture. */
  readonly trace: string;
  /** What the guest did meanwhile. */
  readonly did: string;
  readonly counts: Readonly<Record<Question, { readonly lines: number; readonly bytes: number }>>;
}

export const measured: readonly Measured[] = [
  {
    trace: 'qemu-10.0/linux-nvme-aw48.log.gz',
    did: 'Linux boots, an NVMe disk changes drivers; 51 seconds',
    counts: {
      verdict: { lines: 19_729, bytes: 1_306_603 },
      failures: { lines: 2_876, bytes: 171_295 },
    },
  },
  {
    trace: 'qemu-10.0/linux-nvme-large-noise.log.gz',
    did: 'the same, 144,368 pages mapped or unmapped',
    counts: {
      verdict: { lines: 338_579, bytes: 23_506_101 },
      failures: { lines: 144_652, bytes: 8_536_079 },
    },
  },
  {
    trace: 'qemu-10.0/storm-aw48.log.gz',
    did: 'a storm; each empty entry of a page table is a line',
    counts: {
      verdict: { lines: 1_029_958, bytes: 58_799_415 },
      failures: { lines: 15_303, bytes: 902_788 },
    },
  },
];

/** Bytes that a time stamp adds to a line. */
const STAMP_BYTES = 27;

/** What to expect, in sentences. */
export function volumeLines(question: Question): readonly string[] {
  const rows = measured.map(({ counts, did }) => {
    const { bytes, lines } = counts[question];
    const size = humanSize(bytes + lines * STAMP_BYTES);
    return `${countText(lines)} lines, ${size}: ${did}`;
  });
  return [...rows, 'gzip makes a tenth to a twentieth of it'];
}
