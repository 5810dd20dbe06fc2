import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IovaTree, permission } from '../../../src/emulation/viommu/iova-tree.ts';
import { pageRange } from '../../helpers/arbitraries.ts';

interface Node {
  readonly first: number;
  readonly last: number;
  readonly value: number;
  readonly flags: number;
}

/** The tree as an array: what `iova_tree_insert` and `iova_tree_remove` mean, and nothing more. */
class NaiveTree {
  nodes: Node[] = [];

  insert(node: Node): boolean {
    if (node.flags === 0 || this.overlapping(node).length > 0) return false;
    this.nodes = [...this.nodes, node].sort((a, b) => a.first - b.first);
    return true;
  }

  remove(range: { first: number; last: number }): Node[] {
    const removed = this.overlapping(range);
    this.nodes = this.nodes.filter((node) => !removed.includes(node));
    return removed;
  }

  overlapping({ first, last }: { first: number; last: number }): Node[] {
    return this.nodes.filter((node) => node.first <= last && node.last >= first);
  }
}

const step = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'look'),
  range: pageRange,
  value: fc.nat(1000),
  flags: fc.constantFrom(0, 1, 2, 3),
});

const listOf = (found: ReturnType<IovaTree['overlapping']>): Node[] =>
  Array.from({ length: found.count }, (_, index) => ({
    first: found.first(index),
    last: found.last(index),
    value: found.value(index),
    flags: found.flags(index),
  }));

describe('IovaTree', () => {
  it('does what an array of nodes does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const tree = new IovaTree();
        const naive = new NaiveTree();
        let peak = 0;
        for (const { kind, range, value, flags } of steps) {
          const { first, last } = range;
          if (kind === 'insert') {
            const isNew = naive.insert({ first, last, value, flags });
            expect(tree.insert(first, last, value, flags)).toBe(isNew);
          } else if (kind === 'remove') {
            expect(listOf(tree.remove(first, last))).toEqual(naive.remove(range));
          } else {
            expect(listOf(tree.overlapping(first, last))).toEqual(naive.overlapping(range));
            expect(tree.overlaps(first, last)).toBe(naive.overlapping(range).length > 0);
            const isNode = naive.nodes.some((node) => node.first === first && node.last === last);
            expect(tree.hasNode(first, last)).toBe(isNode);
          }
          peak = Math.max(peak, naive.nodes.length);
          expect(tree.size).toBe(naive.nodes.length);
        }
        expect([...tree]).toEqual(naive.nodes);
        expect(tree.peak).toBe(peak);
      }),
      { numRuns: 500 },
    );
  });

  it('removes every node that shares a page with the range, whole', () => {
    const tree = new IovaTree();
    tree.insert(0, 9, 100, permission.read);
    tree.insert(10, 10, 200, permission.write);
    tree.insert(20, 29, 300, permission.read | permission.write);
    expect(listOf(tree.remove(9, 20)).map(({ first, last }) => [first, last])).toEqual([
      [0, 9],
      [10, 10],
      [20, 29],
    ]);
    expect(tree.size).toBe(0);
  });

  it('takes no mapping without a permission, whatever else is noted of it', () => {
    const tree = new IovaTree();
    expect(tree.insert(0, 0, 0, permission.none)).toBe(false);
    expect(tree.insert(0, 0, 0, 64)).toBe(false);
    expect(tree.insert(0, 0, 0, permission.read | 64)).toBe(true);
    expect([...tree].map(({ flags }) => flags)).toEqual([permission.read | 64]);
  });
});
