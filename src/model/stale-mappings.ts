import type { RangeScratch } from '../base/page-range-map.ts';
import type { Mark } from './dirty-tracking.ts';
import { mappingFlag } from './iova-tree.ts';
import type { Machine } from './machine.ts';
import type { StaleReason } from './observer.ts';
import type { VtdAddressSpace } from './vtd-address-space.ts';

/**
 * Host mappings that outlive the unmap that should have removed them: behind a failed chunk, above
 * the wrap of 11.x's drain, or after an invalidation that QEMU skipped. The device can still reach
 * the memory behind them.
 */
export class StaleMappings {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Marks what the host still maps in a range that should be empty, and reports what is new. */
  mark(space: VtdAddressSpace, first: number, last: number, mark: Mark, why: StaleReason): void {
    const { container } = space;
    if (container === null || !container.host.overlaps(first, last)) return;
    const summary = summarise(container.host.collect(first, last), mappingFlag.stale);
    container.markStale(first, last);
    if (summary.count === 0) return;
    this.#machine.observer.stale({ mark, space, container, why, happened: true, ...summary });
  }

  /** Reports what a drain would have left, had tracking been on. */
  wouldBe(space: VtdAddressSpace, nodes: RangeScratch, mark: Mark): void {
    const { container } = space;
    const summary = summarise(nodes, 0);
    if (container === null || summary.count === 0) return;
    this.#machine.observer.stale({
      mark,
      space,
      container,
      why: 'wrap',
      happened: false,
      ...summary,
    });
  }
}

/** How many translations there are, how large, and the lowest; `but`: flags of those to leave out. */
function summarise(ranges: RangeScratch, but: number) {
  const guest: [first: number, last: number][] = [];
  const summary = { count: 0, pages: 0, first: -1, last: -1, gpa: -1, guest };
  for (let index = 0; index < ranges.count; index += 1) {
    const flags = ranges.flags(index);
    if ((flags & (mappingFlag.ram | but)) !== 0) continue;
    const first = ranges.first(index);
    const last = ranges.last(index);
    const gpa = (flags & mappingFlag.addressUnknown) === 0 ? ranges.value(index) : -1;
    if (summary.count === 0) Object.assign(summary, { first, last, gpa });
    summary.count += 1;
    summary.pages += last - first + 1;
    if (gpa < 0) continue;
    const newest = guest.at(-1);
    if (newest !== undefined && newest[1] === gpa - 1) newest[1] = gpa + last - first;
    else guest.push([gpa, gpa + last - first]);
  }
  return summary;
}
