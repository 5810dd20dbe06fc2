import { PageRangeMap, type RangeScratch } from '../base/page-range-map.ts';
import type { Place } from '../base/place.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { DeviceSpace } from './device-space.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { StaleReason } from './operation.ts';
import type { VfioContainer } from './vfio-container.ts';

/** What is no translation, or has a report of its own. */
const TOLD = mappingFlag.ram | mappingFlag.stale;
const NOBODY: readonly DeviceSpace[] = [];

/** A mapping of the host's that QEMU has forgotten, under a walk. */
interface ForgottenMapping {
  readonly first: number;
  readonly last: number;
  /** The table with its entry, once the walk has come to that. */
  visited: Place | null;
}

/** A walk over mappings that QEMU has forgotten. */
interface PassingWalk {
  readonly space: DeviceSpace;
  readonly root: Place;
  readonly forgotten: readonly ForgottenMapping[];
}

/** Pages that an entry of a table of this level leads. */
function pagesOfEntry(level: number): number {
  return 512 ** (level - 1);
}

/**
 * Host mappings that outlive the unmap that should have removed them: behind a failed piece, above
 * the wrap of 11.x's search in migration, or after an invalidation that QEMU skipped. The device can still reach
 * the memory behind them.
 */
export class StaleMappings {
  readonly #machine: Machine;
  /**
   * What the host maps and none of the shadows may hold any more, by container: what was there when
   * an unmap failed, or when a device's tables had been replayed. Looked at again before it is told.
   */
  readonly #doubted = new Map<VfioContainer, PageRangeMap>();
  /** Containers with a device whose tables were replayed since they were looked through. */
  readonly #replayed = new Set<VfioContainer>();
  /** The walk under way, if its lines show what it skips. */
  #walk: PassingWalk | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Marks what the host still maps in a range that should be empty, and reports what is new. */
  mark(space: DeviceSpace, first: number, last: number, mark: Place, why: StaleReason): void {
    // Sections of RAM are there for another reason.
    if (this.#machine.hasNotifications) this.#mark(space, first, last, mark, why, mappingFlag.ram);
  }

  /** The same of a section, of RAM or of an IOMMU, whose removal failed. */
  markSection(space: DeviceSpace, first: number, last: number, mark: Place): void {
    this.#mark(space, first, last, mark, 'failed-removal', 0);
  }

  #mark(
    space: DeviceSpace,
    first: number,
    last: number,
    mark: Place,
    why: StaleReason,
    but: number,
  ): void {
    const { container } = space;
    if (container === null || !container.host.overlaps(first, last)) return;
    const summary = summarise(container.host.collect(first, last), 0, mappingFlag.stale | but);
    // Those that are known are gone through each time.
    this.#machine.bounds.step(container.staleCount);
    container.markStale(first, last, but);
    if (summary.count === 0) return;
    this.#machine.report({
      kind: 'stale-mappings',
      mark,
      space,
      container,
      why,
      happened: true,
      ...summary,
    });
  }

  /** An unmap left something of `first .. last` in place that QEMU takes out of its shadow. */
  survived(container: VfioContainer, first: number, last: number): void {
    this.#doubt(container, container.host.collect(first, last), NOBODY);
  }

  /** The device's shadow is made anew from its tables, which may lack some of what the host maps. */
  replayed({ container }: DeviceSpace): void {
    if (container !== null) this.#replayed.add(container);
  }

  /**
   * Pages of a device, or of all of them, are walked for the guest. What QEMU has forgotten it does
   * not unmap, and says so in lines that are often left out, as they are the bulk of most logs.
   */
  walked(space: DeviceSpace | null, first: number, last: number, cursor: BatchCursor): void {
    this.walkEnded();
    if (this.#doubted.size === 0 && this.#replayed.size === 0) return;
    if (this.#machine.isTraced('vtd_page_walk_one_skip_unmap')) return;
    this.#lookThrough();
    const isForgotten =
      space === null
        ? [...this.#doubted.keys()].some((container) =>
            this.#holdsForgotten(container, first, last),
          )
        : space.container !== null && this.#holdsForgotten(space.container, first, last);
    if (!isForgotten) return;
    const root = placeOf(cursor);
    this.#walk = space === null ? null : this.#passing(space, first, last, root);
    if (this.#walk === null) this.#machine.skipsUnseen ??= root;
  }

  /** `vtd_page_walk_level`: the entries of a table of `level` that lead the pages `first .. last` are walked. */
  visits(level: number, first: number, last: number, cursor: BatchCursor): void {
    for (const mapping of this.#walk?.forgotten ?? []) {
      const isEntry = mapping.last - mapping.first + 1 === pagesOfEntry(level);
      if (isEntry && mapping.first >= first && mapping.last <= last)
        mapping.visited = placeOf(cursor);
    }
  }

  /** `vtd_page_walk_skip_read` or `..._reserve`: what becomes of an entry that QEMU cannot use is not told. */
  passesBy(first: number, last: number): void {
    for (const mapping of this.#walk?.forgotten ?? []) {
      if (mapping.first <= last && mapping.last >= first) mapping.visited = null;
    }
  }

  /**
   * The walk is over. An entry of its tables that left no line is not there, and QEMU had nothing to
   * unmap for it: had it been there, it would have been mapped anew.
   */
  walkEnded(): void {
    const walk = this.#walk;
    if (walk === null) return;
    this.#walk = null;
    const { forgotten, root, space } = walk;
    for (const { first, last, visited } of forgotten) {
      if (space.shadow.overlaps(first, last)) continue;
      if (visited === null) this.#machine.skipsUnseen ??= root;
      else this.mark(space, first, last, visited, 'skipped-invalidation');
    }
  }

  /** The trace ends: of a walk under way nobody knows what would have come. */
  finish(): void {
    if (this.#walk !== null) this.#machine.skipsUnseen ??= this.#walk.root;
  }

  /**
   * The walk of single pages that the guest has invalidated, if its lines will show what becomes of
   * all that QEMU has forgotten there; else null.
   */
  #passing(space: DeviceSpace, first: number, last: number, root: Place): PassingWalk | null {
    const { attribution, hasWalks, losses } = this.#machine;
    const { container } = space;
    if (container === null || !attribution.isOfPages || !attribution.isSure || !hasWalks)
      return null;
    if (losses.isAny || space.interval.knowledge !== 'whole') return null;
    const held = container.host.collect(first, last);
    const forgotten: ForgottenMapping[] = [];
    for (let index = 0; index < held.count; index += 1) {
      const mapping = { first: held.first(index), last: held.last(index), visited: null };
      if ((held.flags(index) & TOLD) !== 0) continue;
      if (!space.shadow.overlaps(mapping.first, mapping.last)) forgotten.push(mapping);
      else if (!space.shadow.covers(mapping.first, mapping.last)) return null;
    }
    return { space, root, forgotten };
  }

  /** Finds what the replays since the last time did not find again. */
  #lookThrough(): void {
    if (this.#replayed.size === 0) return;
    for (const container of this.#replayed) {
      this.#machine.bounds.step(container.host.size);
      const held = container.host.collect(0, Number.MAX_SAFE_INTEGER);
      this.#doubt(container, held, this.#machine.attribution.devicesIn(container));
    }
    this.#replayed.clear();
  }

  /** Doubts those translations that none of the devices' shadows holds. */
  #doubt(container: VfioContainer, held: RangeScratch, spaces: readonly DeviceSpace[]): void {
    for (let index = 0; index < held.count; index += 1) {
      if ((held.flags(index) & TOLD) !== 0) continue;
      const first = held.first(index);
      const last = held.last(index);
      if (spaces.some(({ shadow }) => shadow.covers(first, last))) continue;
      let doubted = this.#doubted.get(container);
      if (doubted === undefined) {
        doubted = new PageRangeMap();
        this.#doubted.set(container, doubted);
      }
      doubted.remove(first, last);
      doubted.insert(first, last, 0, 0);
    }
  }

  /**
   * Whether the container holds translations, or parts of some, that are in none of its devices'
   * shadows. Where it does not, there is nothing to doubt until the next failure or replay.
   */
  #holdsForgotten(container: VfioContainer, first: number, last: number): boolean {
    const doubted = this.#doubted.get(container);
    if (doubted === undefined || !doubted.overlaps(first, last)) return false;
    const spaces = this.#machine.attribution.devicesIn(container);
    const pages = doubted.remove(first, last);
    for (let index = 0; index < pages.count; index += 1) {
      const from = pages.first(index);
      const to = pages.last(index);
      if (isForgotten(container, spaces, Math.max(first, from), Math.min(last, to))) return true;
      if (from < first) doubted.insert(from, first - 1, 0, 0);
      if (to > last) doubted.insert(last + 1, to, 0, 0);
    }
    if (doubted.size === 0) this.#doubted.delete(container);
    return false;
  }

  /** Reports what an unmap in migration would have left, had tracking been on: the nodes from index `from` on. */
  wouldBe(space: DeviceSpace, nodes: RangeScratch, from: number, mark: Place): void {
    const { container } = space;
    const summary = summarise(nodes, from, mappingFlag.ram);
    if (container === null || summary.count === 0) return;
    this.#machine.report({
      kind: 'stale-mappings',
      mark,
      space,
      container,
      why: 'wrap',
      happened: false,
      ...summary,
    });
  }
}

/** Whether the host maps pages of `first .. last` that are in none of the shadows. */
function isForgotten(
  { host }: VfioContainer,
  spaces: readonly DeviceSpace[],
  first: number,
  last: number,
): boolean {
  const held = host.collect(first, last);
  for (let index = 0; index < held.count; index += 1) {
    if ((held.flags(index) & TOLD) !== 0) continue;
    const from = Math.max(first, held.first(index));
    const to = Math.min(last, held.last(index));
    if (!spaces.some(({ shadow }) => shadow.covers(from, to))) return true;
  }
  return false;
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
    if ((flags & but) !== 0) continue;
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
