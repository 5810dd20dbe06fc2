import { amdIommu } from '../../src/emulation/viommu/amd/index.ts';
import { bitmapTooBig } from '../../src/rules/bitmap-too-big/page.ts';
import { GuestLog, tooBig } from '../helpers/guest-log.ts';
import { anUnmap, GIB, mark, TIB } from '../helpers/rule-builders.ts';
import { testRule } from '../helpers/test-rule.ts';

/** A bitmap has a bit for each page of the host: 256 MiB are those of 8 TiB in pages of 4 KiB. */
const piece = (pages: number) => ({ first: 0, last: pages - 1 });
const page = { first: 0x10, last: 0x10, mapped: [[0x10, 0x10, 0x5000]] as const };

testRule(bitmapTooBig, [
  { name: 'a piece of 256 GiB', operations: [anUnmap(piece(256 * GIB))], finds: [] },
  {
    name: 'a piece of 8 TiB, whose bitmap is the largest that type1 accepts',
    operations: [anUnmap(piece(8 * TIB))],
    finds: [],
  },
  {
    name: 'a page more',
    operations: [anUnmap(piece(8 * TIB + 1))],
    finds: [
      {
        mode: 'active',
        severity: 'error',
        verdict: 'fails',
        errno: -7,
        count: 1,
        bitmapBytes: '0x10000008',
        limitBytes: '0x10000000',
        basis: "the kernel's 256 MiB",
        message: 'fails with -7 (Argument list too long). The first covers 8.00 TiB at 0x0',
        fixedIn: '11.0',
        commit: 'cac33cb5533a',
      },
    ],
  },
  {
    name: 'the same in pages of 16 KiB',
    operations: [anUnmap({ ...piece(8 * TIB + 1), pageSize: 16_384 })],
    finds: [],
  },
  {
    name: 'a host that accepts more',
    operations: [anUnmap({ ...piece(16 * TIB), bitmapLimit: 2 ** 29 })],
    finds: [],
  },
  {
    name: 'devices that log their own DMA: no bitmap comes with the unmap',
    operations: [anUnmap({ ...piece(16 * TIB), deviceTracking: true })],
    finds: [],
  },
  {
    name: 'no entry: nothing is asked for RAM sections',
    operations: [anUnmap({ ...piece(16 * TIB), carried: 'none', cause: 'region-del' })],
    finds: [],
  },
  {
    name: 'iommufd, which takes any size',
    operations: [anUnmap({ ...piece(16 * TIB), backend: 'iommufd' })],
    finds: [],
  },
  {
    name: 'untracked: it would fail',
    operations: [anUnmap({ ...piece(16 * TIB), tracked: false })],
    finds: [
      { mode: 'what-if', severity: 'warning', verdict: null, message: 'if dirty tracking were on' },
    ],
  },
  {
    name: 'tracking is not in the trace: it would fail',
    operations: [anUnmap({ ...piece(16 * TIB), tracked: null })],
    finds: [{ mode: 'what-if', severity: 'warning', verdict: null }],
  },
  {
    name: "QEMU's message: it did, whatever is known of tracking",
    operations: [anUnmap({ ...piece(16 * TIB), tracked: null, says: -7 })],
    finds: [{ mode: 'observed', severity: 'error', verdict: 'fails', evidence: 'observed' }],
  },
  {
    name: 'memory for a bitmap that is too large could not be had either',
    operations: [
      anUnmap({ ...piece(16 * TIB), says: -7 }),
      anUnmap({ ...piece(1024 * TIB), says: -12 }),
    ],
    finds: [
      {
        mode: 'observed',
        severity: 'error',
        verdict: 'fails',
        count: 2,
        message: 'or -12 (Cannot',
      },
    ],
  },
  {
    name: 'memory for a bitmap that the container would have accepted could not be had',
    operations: [anUnmap({ ...piece(8 * TIB), says: -12 })],
    finds: [],
  },
  {
    name: 'AMD-Vi, where no release splits them, and no option makes them smaller',
    facts: { viommu: amdIommu, mayHaveAwBits: false },
    operations: [anUnmap(piece(16 * TIB))],
    finds: [{ mode: 'active', message: 'fails with -7', fixedIn: null }],
  },
  {
    name: 'several of one device are one finding, with the worst',
    operations: [
      anUnmap({ ...piece(16 * TIB), line: 10 }),
      anUnmap({ ...piece(128 * TIB), line: 11 }),
      anUnmap({ ...piece(32 * TIB), line: 12 }),
    ],
    finds: [
      {
        count: 3,
        first: mark(10),
        last: mark(12),
        size: '0x100000000000',
        worst: { place: mark(11), iova: '0x0', size: '0x800000000000', bitmapBytes: '0x100000000' },
      },
    ],
  },
  {
    name: 'another failure is no matter of the bitmap',
    operations: [anUnmap({ ...page, says: -22 })],
    finds: [],
  },
  {
    name: 'a bitmap that was refused, without a line of its unmap',
    operations: [{ kind: 'refused-bitmap', mark: mark(4), bytes: 2 ** 29 }],
    finds: [
      {
        mode: 'observed',
        severity: 'error',
        verdict: 'fails',
        errno: -7,
        iova: null,
        bitmapBytes: '0x20000000',
        message: 'Which range it was, no line tells',
        today: 'aw-bits=39',
      },
    ],
  },
  {
    name: 'an unmap that failed with -7, of which nothing else is in the log',
    operations: [{ kind: 'refused-bitmap', mark: mark(4), bytes: 0 }],
    finds: [{ mode: 'observed', bitmapBytes: null, limitBytes: null }],
  },
  {
    name: 'a log of 48 bits: the pieces of 16 TiB and more',
    log: new GuestLog({ version: '10.0' }).map(0x1000n, 0x5000n).track(1).block(tooBig),
    finds: [{ mode: 'observed', count: 4, iova: '0x100000000000', verdict: 'fails' }],
  },
  {
    name: 'a log of 39 bits',
    log: new GuestLog({ version: '10.0', awBits: 39 }).map(0x1000n, 0x5000n).track(1).block(tooBig),
    finds: [],
  },
]);
