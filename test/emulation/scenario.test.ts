import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageRangeMap } from '../../src/base/page-range-map.ts';
import type { DirtyQuery } from '../../src/base/vocabulary.ts';
import { Outcome } from '../../src/emulation/outcome.ts';
import { qemu10_2 } from '../../src/emulation/profiles/qemu-10.2.ts';
import { qemu11_0 } from '../../src/emulation/profiles/qemu-11.0.ts';
import { PcRamLayout } from '../../src/emulation/ram-layout.ts';
import { type Scenario, unmapOutcome } from '../../src/emulation/scenario.ts';
import { NO_ENTRY } from '../../src/emulation/vfio/container-backend.ts';
import { DEFAULT_BITMAP_LIMIT } from '../../src/emulation/vfio/dirty-bitmap.ts';
import { iommufdBackend } from '../../src/emulation/vfio/iommufd.ts';
import { legacyBackend } from '../../src/emulation/vfio/legacy.ts';
import { vfioUserBackend } from '../../src/emulation/vfio/vfio-user.ts';
import { intelIommu } from '../../src/emulation/viommu/intel/index.ts';
import { IovaTree } from '../../src/emulation/viommu/iova-tree.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../src/emulation/viommu/notifiers.ts';
import { SentUnmaps } from '../../src/emulation/viommu/sent.ts';
import { vectors } from '../helpers/vectors.ts';

type Mapping = readonly [first: number, last: number, gpa: number, flags: number];
type Sent = readonly [first: number, last: number, carried: number];

const [READ, WRITE] = [1, 2];
/** 4 GiB of RAM, 2 GiB of it below the hole. */
const RAM = { total: 0x10_0000, below: 0x8_0000 } as const;
const FOUR_GIB = 0x10_0000;

const legacy: Scenario = {
  profile: qemu10_2,
  tracked: true,
  backend: legacyBackend,
  limits: { bitmapBytes: DEFAULT_BITMAP_LIMIT },
  pageSize: 4096,
  deviceTracking: false,
};
const untracked: Scenario = { ...legacy, tracked: false };
const iommufd: Scenario = { ...legacy, backend: iommufdBackend };
const iommufd11: Scenario = { ...iommufd, profile: qemu11_0 };
const loggingDevices: Scenario = { ...legacy, deviceTracking: true };
const vfioUser: Scenario = { ...legacy, backend: vfioUserBackend };

function worldOf(mappings: readonly Mapping[]) {
  const shadow = new PageRangeMap();
  const host = new PageRangeMap();
  for (const [first, last, gpa, flags] of mappings) {
    shadow.insert(first, last, gpa, flags);
    host.insert(first, last, gpa, flags);
  }
  const mapped = shadow.collect(0, Number.MAX_SAFE_INTEGER);
  return { mapped, host, ram: new PcRamLayout(RAM.total, RAM.below) };
}

function sentOf(unmaps: readonly Sent[]): SentUnmaps {
  const sent = new SentUnmaps();
  for (const [first, last, carried] of unmaps) sent.add(first, last, carried);
  return sent;
}

/** What an outcome says, without what it leaves open. */
function told(outcome: Outcome) {
  const risk = Array.from({ length: outcome.riskCount }, (_, index) => [
    outcome.riskFirst(index),
    outcome.riskLast(index),
  ]);
  const kinds = (['harmfulZero', 'wrongAddress', 'noQuery'] as const).filter(
    (kind) => outcome[kind],
  );
  return { query: outcome.query, errno: outcome.errno, kinds, risk, pastRam: outcome.pastRamPage };
}

function outcomeOf(scenario: Scenario, mappings: readonly Mapping[], ...unmaps: Sent[]) {
  return unmapOutcome(sentOf(unmaps), scenario, worldOf(mappings), new Outcome());
}

interface Row {
  readonly name: string;
  readonly scenario: Scenario;
  readonly mappings: readonly Mapping[];
  readonly sent: readonly Sent[];
  readonly query: DirtyQuery;
  readonly errno?: number;
  readonly kinds?: readonly string[];
  readonly risk?: readonly (readonly [number, number])[];
  readonly pastRam?: number;
}

const rows: readonly Row[] = [
  {
    name: 'nothing is wrong where the bits land on their own RAM',
    scenario: legacy,
    mappings: [[0x10, 0x1f, 0x100, WRITE]],
    sent: [[0x10, 0x1f, 0x100]],
    query: 'bitmap',
  },
  {
    name: 'nothing is wrong where nobody tracks',
    scenario: untracked,
    mappings: [[0x10, 0x1f, 0x100, WRITE]],
    sent: [[0x10, 0x1f, 0]],
    query: 'none',
  },
  {
    name: 'a zero puts the bits elsewhere',
    scenario: legacy,
    mappings: [[0x10, 0x1f, 0x100, WRITE]],
    sent: [[0, 0xff, 0]],
    query: 'bitmap',
    kinds: ['harmfulZero'],
    risk: [[0x100, 0x10f]],
  },
  {
    name: 'a zero is right for what is mapped to its own place in the unmap',
    scenario: legacy,
    mappings: [[0x110, 0x11f, 0x10, WRITE]],
    sent: [[0x100, 0x1ff, 0]],
    query: 'bitmap',
  },
  {
    name: 'a zero under read-only mappings loses nothing',
    scenario: legacy,
    mappings: [[0x10, 0x1f, 0x100, READ]],
    sent: [[0, 0xff, 0]],
    query: 'bitmap',
  },
  {
    name: 'a guest address above the hole is no ram_addr',
    scenario: legacy,
    mappings: [[0x10, 0x10, FOUR_GIB + 5, WRITE]],
    sent: [[0x10, 0x10, FOUR_GIB + 5]],
    query: 'bitmap',
    kinds: ['wrongAddress'],
    risk: [[FOUR_GIB + 5, FOUR_GIB + 5]],
    pastRam: FOUR_GIB + 5,
  },
  {
    name: 'an unmap without an IOTLB entry asks for nothing',
    scenario: legacy,
    mappings: [[0x10, 0x1f, 0x10, WRITE]],
    sent: [[0x10, 0x1f, NO_ENTRY]],
    query: 'none',
    kinds: ['noQuery'],
    risk: [[0x10, 0x1f]],
  },
  {
    name: 'a bitmap that is too big fails, and nothing else is said of it',
    scenario: legacy,
    mappings: [[0x10, 0x1f, 0x100, WRITE]],
    sent: [[0, 2 ** 32 - 1, 0]],
    query: 'bitmap',
    errno: -7,
    risk: [[0x100, 0x10f]],
  },
  {
    name: 'type1 takes no part of a mapping: with a bitmap QEMU returns -1',
    scenario: legacy,
    mappings: [[0, 0x1ff, 0x1000, WRITE]],
    sent: [[0, 0, 0x1000]],
    query: 'bitmap',
    errno: -1,
    risk: [[0x1000, 0x11ff]],
  },
  {
    name: 'and without one the errno',
    scenario: untracked,
    mappings: [[0, 0x1ff, 0x1000, WRITE]],
    sent: [[0, 0, 0x1000]],
    query: 'none',
    errno: -22,
  },
  {
    name: 'devices that log their own DMA are asked after the unmap, whatever its size',
    scenario: loggingDevices,
    mappings: [[0, 0xf, 0, WRITE]],
    sent: [[0, 2 ** 32 - 1, 0]],
    query: 'after',
  },
  {
    name: 'iommufd asks for nothing up to 10.2',
    scenario: iommufd,
    mappings: [[0x10, 0x1f, 0x10, WRITE]],
    sent: [[0x10, 0x1f, 0x10]],
    query: 'none',
    kinds: ['noQuery'],
    risk: [[0x10, 0x1f]],
  },
  {
    name: 'iommufd asks before the unmap from 11.0 on',
    scenario: iommufd11,
    mappings: [[0x10, 0x1f, 0x10, WRITE]],
    sent: [[0x10, 0x1f, 0x10]],
    query: 'before',
  },
  {
    name: 'iommufd refuses a query over a hole',
    scenario: iommufd11,
    mappings: [[0x10, 0x1f, 0x10, WRITE]],
    sent: [[0x10, 0x2f, 0x10]],
    query: 'before',
    errno: -22,
    risk: [[0x10, 0x1f]],
  },
  {
    name: 'vfio-user tracks nothing',
    scenario: vfioUser,
    mappings: [[0x10, 0x1f, 0x10, WRITE]],
    sent: [[0x10, 0x1f, 0x10]],
    query: 'none',
    kinds: ['noQuery'],
    risk: [[0x10, 0x1f]],
  },
  {
    name: 'of several UNMAPs the worst result counts, and neighbours at risk are joined',
    scenario: legacy,
    mappings: [
      [0x10, 0x1f, 0x100, WRITE],
      [0x20, 0x2f, 0x110, WRITE],
    ],
    sent: [
      [0, 2 ** 32 - 1, 0],
      [2 ** 32, 2 ** 32, 0],
    ],
    query: 'bitmap',
    errno: -7,
    risk: [[0x100, 0x11f]],
  },
  {
    name: 'each of several UNMAPs meets its own mappings',
    scenario: legacy,
    mappings: [
      [0x10, 0x1f, 0x100, WRITE],
      [0x20, 0x2f, 0x900, WRITE],
    ],
    sent: [
      [0x10, 0x1f, 0x100],
      [0x20, 0x2f, 0x800],
    ],
    query: 'bitmap',
    kinds: ['wrongAddress'],
    risk: [[0x900, 0x90f]],
  },
];

describe('unmapOutcome', () => {
  it.each(rows)('$name', (row) => {
    const { scenario, mappings, sent, query } = row;
    const { errno = 0, kinds = [], risk = [], pastRam = -1 } = row;
    expect(told(outcomeOf(scenario, mappings, ...sent))).toEqual({
      query,
      errno,
      kinds,
      risk,
      pastRam,
    });
  });

  it('names the first mapping whose bits go elsewhere, and where they belong', () => {
    const gpa = FOUR_GIB + 5;
    const outcome = outcomeOf(legacy, [[0x10, 0x10, gpa, WRITE]], [0x10, 0x10, 0]);
    expect([outcome.misplaced, outcome.expected]).toEqual([gpa, RAM.below + 5]);
  });

  it('puts at risk what was marked correctly once the unmap turns out to have failed', () => {
    const outcome = outcomeOf(legacy, [[0x10, 0x1f, 0x100, WRITE]], [0x10, 0x1f, 0x100]);
    outcome.markNothing();
    expect(told(outcome).risk).toEqual([[0x100, 0x10f]]);
  });

  it.each(vectors.bitmaps.filter(({ size }) => BigInt(size) > 0n && BigInt(size) % 4096n === 0n))(
    'gives $verdict for $size in pages of $host_page',
    ({ host_page: pageSize, limit, size, verdict }) => {
      const scenario = { ...legacy, pageSize, limits: { bitmapBytes: Number(limit) } };
      const { errno } = outcomeOf(scenario, [], [0, Number(BigInt(size) >> 12n) - 1, 0]);
      // A bitmap of no bytes is refused by the allocator, which is not emulated.
      expect(errno).toBe(verdict === 'E2BIG' ? -7 : 0);
    },
  );

  it('evaluates one whole unmap on several machines in one pass', () => {
    const shadow = new IovaTree();
    shadow.insert(0x10, 0x1f, 0x100, WRITE);
    shadow.insert(0x20, 0x2f, FOUR_GIB, WRITE);
    const world = worldOf([...shadow].map((m): Mapping => [m.first, m.last, m.value, m.flags]));
    const sent = new SentUnmaps();
    const machines = [
      { scenario: untracked, awBits: 48 },
      { scenario: legacy, awBits: 48 },
      { scenario: { ...legacy, profile: qemu11_0 }, awBits: 48 },
      { scenario: iommufd, awBits: 48 },
    ];
    const found = machines.map(({ scenario, awBits }) => {
      const { profile, tracked } = scenario;
      const state = { profile, isInMigration: tracked, awBits };
      intelIommu.unmapWholeSpace(LOW_NOTIFIER, shadow, state, sent);
      const { errno, kinds, risk } = told(unmapOutcome(sent, scenario, world, new Outcome()));
      return { sent: sent.count, errno, kinds, risk };
    });
    const both = [
      [0x100, 0x10f],
      [FOUR_GIB, FOUR_GIB + 0xf],
    ];
    expect(found).toEqual([
      { sent: 10, errno: 0, kinds: [], risk: [] },
      { sent: 10, errno: 0, kinds: ['harmfulZero'], risk: both },
      { sent: 2, errno: 0, kinds: ['wrongAddress'], risk: [[FOUR_GIB, FOUR_GIB + 0xf]] },
      { sent: 10, errno: 0, kinds: ['noQuery'], risk: both },
    ]);
  });

  it('and on machines of other widths, which are sent other pieces', () => {
    const world = worldOf([]);
    const sent = new SentUnmaps();
    const found = ([39, 48, 57] as const).map((awBits) => {
      const state = { profile: qemu10_2, isInMigration: true, awBits };
      intelIommu.unmapWholeSpace(HIGH_NOTIFIER, new IovaTree(), state, sent);
      return unmapOutcome(sent, legacy, world, new Outcome()).errno;
    });
    expect(found).toEqual([0, -7, -7]);
  });

  it('puts at risk what a page-by-page model does', () => {
    const mapping = fc.tuple(fc.nat(40), fc.nat(6), fc.nat(60), fc.constantFrom(READ, WRITE, 3));
    const unmap = fc.tuple(fc.nat(40), fc.nat(12), fc.nat(20));
    fc.assert(
      fc.property(fc.array(mapping, { maxLength: 8 }), unmap, (found, [start, more, carried]) => {
        const mappings: Mapping[] = [];
        for (const [first, size, gpa, flags] of found) {
          const isFree = mappings.every(([from, to]) => to < first || from > first + size);
          if (isFree) mappings.push([first, first + size, gpa, flags]);
        }
        const end = start + more;
        const under = mappings.filter(([first, last]) => first <= end && last >= start);
        const isCut = under.some(([first, last]) => first < start || last > end);
        const naive = new Set<number>();
        for (const [first, last, gpa, flags] of under) {
          const isRight = !isCut && gpa === carried + first - start;
          if (flags === READ || isRight) continue;
          for (let page = gpa; page <= gpa + last - first; page += 1) naive.add(page);
        }
        const outcome = outcomeOf(legacy, mappings, [start, end, carried]);
        const risk = new Set<number>();
        for (const [first = 0, last = 0] of told(outcome).risk) {
          for (let page = first; page <= last; page += 1) risk.add(page);
        }
        expect(risk).toEqual(naive);
        expect(outcome.errno).toBe(isCut ? -1 : 0);
      }),
      { numRuns: 2000 },
    );
  });
});
