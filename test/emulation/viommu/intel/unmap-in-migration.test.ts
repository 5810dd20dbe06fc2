import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressOfPage } from '../../../../src/base/address.ts';
import { qemu11_0 } from '../../../../src/emulation/profiles/qemu-11.0.ts';
import { v4Patch } from '../../../../src/emulation/profiles/v4-patch.ts';
import { intelIommu } from '../../../../src/emulation/viommu/intel/index.ts';
import { IovaTree, permission } from '../../../../src/emulation/viommu/iova-tree.ts';
import { HIGH_NOTIFIER, LOW_NOTIFIER } from '../../../../src/emulation/viommu/notifiers.ts';
import { SentUnmaps } from '../../../../src/emulation/viommu/sent.ts';
import type { AddressRange } from '../../../../src/emulation/viommu/viommu.ts';
import { pageRange } from '../../../helpers/arbitraries.ts';

type Node = readonly [first: number, last: number, gpa: number];
type Sent = readonly [first: number, last: number, carried: number];

const TWO_64 = 1n << 64n;

function shadowOf(nodes: readonly Node[]): IovaTree {
  const shadow = new IovaTree();
  for (const [first, last, gpa] of nodes) shadow.insert(first, last, gpa, permission.write);
  return shadow;
}

function listOf(sent: SentUnmaps): Sent[] {
  return Array.from({ length: sent.count }, (_, index) => [
    sent.first(index),
    sent.last(index),
    sent.carried(index),
  ]);
}

function sentInMigration(
  n: AddressRange,
  nodes: readonly Node[],
  profile = qemu11_0,
  isInMigration = true,
): Sent[] {
  const sent = new SentUnmaps();
  const state = { profile, isInMigration, awBits: 48 };
  intelIommu.unmapWholeSpace(n, shadowOf(nodes), state, sent);
  return listOf(sent);
}

/** `DMAMap`s compare by `iova` and `iova + size` in 64 bits; the tree is searched for one that equals. */
function naiveSearch({ start, end }: AddressRange, nodes: readonly Node[]): Sent[] {
  const target = { iova: start, last: (start + end) % TWO_64 };
  return nodes
    .filter(
      ([first, last]) =>
        !(addressOfPage(first) > target.last) && !(addressOfPage(last + 1) - 1n < target.iova),
    )
    .map(([first, last, gpa]): [bigint, bigint, number] => [
      addressOfPage(first) > start ? addressOfPage(first) : start,
      addressOfPage(last + 1) - 1n < end ? addressOfPage(last + 1) - 1n : end,
      gpa,
    ])
    .filter(([first, last]) => first <= last)
    .map(([first, last, gpa]) => [Number(first >> 12n), Number(last >> 12n), gpa]);
}

describe('vtd_address_space_unmap_in_dirty_tracking', () => {
  it('unmaps what the lower notifier covers, each mapping with its own address', () => {
    const nodes: Node[] = [
      [0x10, 0x10, 7],
      [0xf_edff, 0xf_edff, 9],
    ];
    expect(sentInMigration(LOW_NOTIFIER, nodes)).toEqual([
      [0x10, 0x10, 7],
      [0xf_edff, 0xf_edff, 9],
    ]);
  });

  it('finds nothing above the interrupt range: the search ends below its start', () => {
    expect(sentInMigration(HIGH_NOTIFIER, [[0xf_ef00, 0xf_efff, 7]])).toEqual([]);
  });

  it('finds a mapping that lies across the interrupt range, and cuts it to the notifier', () => {
    const across: Node = [0xc_0000, 0xf_ffff, 0x5000];
    expect(sentInMigration(HIGH_NOTIFIER, [across])).toEqual([[0xf_ef00, 0xf_ffff, 0x5000]]);
    expect(sentInMigration(LOW_NOTIFIER, [across])).toEqual([[0xc_0000, 0xf_edff, 0x5000]]);
  });

  it('carries 0 in version 4 of the series', () => {
    expect(sentInMigration(LOW_NOTIFIER, [[0x10, 0x1f, 7]], v4Patch)).toEqual([[0x10, 0x1f, 0]]);
  });

  it('is not taken while nothing is tracked', () => {
    const pieces = sentInMigration(LOW_NOTIFIER, [[0x10, 0x10, 7]], qemu11_0, false);
    expect(pieces).toHaveLength(10);
    expect(pieces[0]).toEqual([0, 0x7_ffff, 0]);
  });

  it('finds what a search over 64-bit sums finds, in any notifier', () => {
    const edges = fc.constantFrom(0, 1, 30, 60, 0xf_ef00, 2 ** 51, 2 ** 52 - 20, 2 ** 52 - 1);
    fc.assert(
      fc.property(edges, edges, fc.array(pageRange, { maxLength: 30 }), (a, b, ranges) => {
        const n = {
          start: addressOfPage(Math.min(a, b)),
          end: addressOfPage(Math.max(a, b) + 1) - 1n,
        };
        const nodes: Node[] = [];
        for (const { first, last } of ranges) {
          const isFree = nodes.every(([from, to]) => last < from || first > to);
          if (isFree) nodes.push([first, last, first + 5]);
        }
        nodes.sort(([x], [y]) => x - y);
        expect(sentInMigration(n, nodes)).toEqual(naiveSearch(n, nodes));
      }),
      { numRuns: 2000 },
    );
  });
});
