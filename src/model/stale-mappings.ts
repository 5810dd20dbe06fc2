import type { RangeScratch } from '../base/page-range-map.ts';
import type { BatchCursor } from '../events/batch.ts';
import type { Mark } from './dirty-tracking.ts';
import { mappingFlag } from './iova-tree.ts';
import { type Machine, markOf } from './machine.ts';
import type { StaleReason } from './observer.ts';
import type { VfioContainer } from './vfio-container.ts';
import type { VtdAddressSpace } from './vtd-address-space.ts';

/**
 * Host mappings that outlive the unmap that should have removed them: behind a failed chunk, above
 * the wrap of 11.x's drain, or after an invalidation that QEMU skipped. The device can still reach
 * the memory behind them.
 */
export class StaleMappings {
  readonly #machine: Machine;
  /** Devices whose shadow may lack what the host still maps: their tables were replayed, or an unmap failed. */
  readonly #suspects = new Set<VtdAddressSpace>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Marks what the host still maps in a range that should be empty, and reports what is new. */
  mark(space: VtdAddressSpace, first: number, last: number, mark: Mark, why: StaleReason): void {
    const { container } = space;
    if (container === null || !container.host.overlaps(first, last)) return;
    const summary = summarise(container.host.collect(first, last), 0, mappingFlag.stale);
    container.markStale(first, last);
    if (summary.count === 0) return;
    this.#machine.observer.stale({ mark, space, container, why, happened: true, ...summary });
  }

  /** The device's shadow may lack some of what the host maps. */
  suspect(space: VtdAddressSpace): void {
    this.#suspects.add(space);
  }

  /**
   * Pages of a device, or of all of them, are walked for the guest. What QEMU has forgotten it does
   * not unmap, and says so in lines that are often left out, as they are the bulk of most logs.
   */
  walked(space: VtdAddressSpace | null, first: number, last: number, cursor: BatchCursor): void {
    if (this.#suspects.size === 0 || this.#machine.skipsUnseen !== null) return;
    if (this.#machine.has('vtd_page_walk_one_skip_unmap')) return;
    const walked = space === null ? [...this.#suspects] : [space];
    const isForgotten = walked.some(
      ({ container }) => container !== null && this.#holdsForgotten(container, first, last),
    );
    if (isForgotten) this.#machine.skipsUnseen = markOf(cursor);
  }

  /** Whether the container holds translations, or parts of some, that are in none of its devices' shadows. */
  #holdsForgotten(container: VfioContainer, first: number, last: number): boolean {
    const spaces = this.#machine.attribution.inContainer(container);
    const held = container.host.collect(first, last);
    for (let index = 0; index < held.count; index += 1) {
      if ((held.flags(index) & (mappingFlag.ram | mappingFlag.stale)) !== 0) continue;
      const from = Math.max(first, held.first(index));
      const to = Math.min(last, held.last(index));
      if (!spaces.some(({ shadow }) => shadow.covers(from, to))) return true;
    }
    return false;
  }

  /** Reports what a drain would have left, had tracking been on: the nodes from index `from` on. */
  wouldBe(space: VtdAddressSpace, nodes: RangeScratch, from: number, mark: Mark): void {
    const { container } = space;
    const summary = summarise(nodes, from, 0);
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

/**
 * How many translations there are from index `from` on, how large, and the lowest; `but`: flags of
 * those to leave out.
 */
function summarise(ranges: RangeScratch, from: number, but: number) {
  const guest: [first: number, last: number][] = [];
  const summary = { count: 0, pages: 0, first: -1, last: -1, gpa: -1, guest };
  for (let index = from; index < ranges.count; index += 1) {
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
