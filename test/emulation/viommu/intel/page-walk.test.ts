import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  crossesInterruptRange,
  vtdPageWalkOne,
  type WalkStep,
} from '../../../../src/emulation/viommu/intel/page-walk.ts';
import { IovaTree } from '../../../../src/emulation/viommu/iova-tree.ts';

type Node = readonly [first: number, last: number, gpa: number, permissions: number];

const shadow: readonly Node[] = [
  [0x10, 0x1f, 0x100, 3],
  [0x20, 0x20, 0x200, 1],
];

function treeOf(nodes: readonly Node[]): IovaTree {
  const tree = new IovaTree();
  for (const node of nodes) tree.insert(...node);
  return tree;
}

const rows: readonly (readonly [name: string, entry: Node, step: WalkStep])[] = [
  ['an entry that goes is unmapped', [0x10, 0x1f, 0, 0], 'unmap'],
  ['one that goes where little is mapped is unmapped as a whole', [0, 0x1ff, 0, 0], 'unmap'],
  ['one that goes where nothing is mapped is skipped', [0x30, 0x30, 0, 0], 'skip-unmap'],
  ['a new entry is mapped', [0x30, 0x3f, 0x300, 2], 'map'],
  ['an entry that is known is skipped', [0x10, 0x1f, 0x100, 3], 'skip-map'],
  ['one that leads elsewhere is changed', [0x10, 0x1f, 0x500, 3], 'change'],
  ['one with other permissions is changed', [0x20, 0x20, 0x200, 3], 'change'],
  ['one of another size is changed', [0x10, 0x10, 0x100, 3], 'change'],
];

describe('vtdPageWalkOne', () => {
  it.each(rows)('%s', (_name, entry, step) => {
    expect(vtdPageWalkOne(treeOf(shadow), ...entry)).toBe(step);
  });

  it('does what an array of nodes says', () => {
    const node = fc.tuple(fc.nat(20), fc.nat(3), fc.nat(2), fc.constantFrom(1, 2, 3));
    const entry = fc.tuple(fc.nat(20), fc.nat(3), fc.nat(2), fc.nat(3));
    fc.assert(
      fc.property(fc.array(node, { maxLength: 6 }), entry, (found, [first, size, gpa, access]) => {
        const nodes: Node[] = [];
        for (const [start, more, to, permissions] of found) {
          const isFree = nodes.every(([from, end]) => end < start || from > start + more);
          if (isFree) nodes.push([start, start + more, to, permissions]);
        }
        const last = first + size;
        const hits = nodes.filter(([from, end]) => from <= last && end >= first);
        const isSame = hits.some(
          (hit) => hit[0] === first && hit[1] === last && hit[2] === gpa && hit[3] === access,
        );
        const map: WalkStep = hits.length === 0 ? 'map' : isSame ? 'skip-map' : 'change';
        const unmap: WalkStep = hits.length === 0 ? 'skip-unmap' : 'unmap';
        expect(vtdPageWalkOne(treeOf(nodes), first, last, gpa, access)).toBe(
          access === 0 ? unmap : map,
        );
      }),
      { numRuns: 2000 },
    );
  });
});

describe('crossesInterruptRange', () => {
  it.each([
    [0xc_0000, 0xf_ffff, true],
    [0xf_edff, 0xf_ee00, true],
    [0xf_eeff, 0xf_ef00, true],
    [0xf_ee00, 0xf_eeff, false],
    [0xf_ee10, 0xf_ee10, false],
    [0, 0xf_edff, false],
    [0xf_ef00, 0xf_ffff, false],
  ])('%s .. %s: %s', (first, last, crosses) => {
    expect(crossesInterruptRange(first, last)).toBe(crosses);
  });
});
