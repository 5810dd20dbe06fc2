import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IovaTree, permission } from '../../../../src/emulation/viommu/iova-tree.ts';
import { SentUnmaps } from '../../../../src/emulation/viommu/sent.ts';
import { virtioIommu, virtioIommuNotify } from '../../../../src/emulation/viommu/virtio/index.ts';
import { pageRange } from '../../../helpers/arbitraries.ts';

function piecesOf(sent: SentUnmaps): readonly (readonly [number, number, number])[] {
  return Array.from({ length: sent.count }, (_, index) => [
    sent.first(index),
    sent.last(index),
    sent.carried(index),
  ]);
}

describe('the events of virtio-iommu', () => {
  it('cut three pages into two and one', () => {
    const sent = new SentUnmaps();
    virtioIommuNotify(0x10_000, 0x10_002, 0x3_001, sent);
    expect(piecesOf(sent)).toEqual([
      [0x10_000, 0x10_001, 0x3_001],
      [0x10_002, 0x10_002, 0x3_003],
    ]);
  });

  it('carry address 0 where something is unmapped', () => {
    const sent = new SentUnmaps();
    virtioIommuNotify(0x10_001, 0x10_003, 0, sent);
    expect(piecesOf(sent)).toEqual([
      [0x10_001, 0x10_001, 0],
      [0x10_002, 0x10_003, 0],
    ]);
  });

  it('cover any range with aligned powers of two', () => {
    fc.assert(
      fc.property(pageRange, ({ first, last }) => {
        const sent = new SentUnmaps();
        virtioIommuNotify(first, last, 0, sent);
        let next = first;
        for (const [from, to] of piecesOf(sent)) {
          const pages = to - from + 1;
          expect(from).toBe(next);
          expect(Number.isInteger(Math.log2(pages))).toBe(true);
          expect(from % pages).toBe(0);
          next = to + 1;
        }
        expect(next).toBe(last + 1);
      }),
    );
  });

  it('are those of each mapping where a device leaves its domain', () => {
    const shadow = new IovaTree();
    shadow.insert(0x100, 0x101, 0x5000, permission.read | permission.write);
    shadow.insert(0xf_fff0, 0xf_fff0, 0x7000, permission.read);
    const sent = new SentUnmaps();
    const state = { profile: { unmapInMigration: null }, isInMigration: true, awBits: 64 };
    for (const range of virtioIommu.notifierRanges) {
      virtioIommu.unmapWholeSpace(range, shadow, state, sent);
    }
    expect(piecesOf(sent)).toEqual([
      [0x100, 0x101, 0],
      [0xf_fff0, 0xf_fff0, 0],
    ]);
  });
});
