import type { RangeScratch } from '../base/page-range-map.ts';
import type { Bounds } from './bounds.ts';
import type { DeviceSpace } from './device-space.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { VfioContainer } from './vfio-container.ts';

/** How many mappings there are now, and the most there ever were. */
export interface MappingCount {
  readonly now: number;
  readonly peak: number;
}

/** Mappings that are told to the bounds at a time. */
const COUNTED_TOGETHER = 1024;

class Count implements MappingCount {
  readonly #bounds: Bounds;
  now = 0;
  peak = 0;
  #told = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  add(count: number): void {
    this.now += count;
    if (this.now > this.peak) this.#rise();
  }

  #rise(): void {
    this.peak = this.now;
    while (this.#told + COUNTED_TOGETHER <= this.peak) {
      this.#told += COUNTED_TOGETHER;
      this.#bounds.add('mappings', COUNTED_TOGETHER);
    }
  }
}

/** Changes of what the host maps and of QEMU's shadows, counted over all containers and devices. */
export class Mappings {
  readonly #bounds: Bounds;
  readonly #host: Count;
  readonly #shadow: Count;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#host = new Count(bounds);
    this.#shadow = new Count(bounds);
  }

  get host(): MappingCount {
    return this.#host;
  }

  get shadow(): MappingCount {
    return this.#shadow;
  }

  hostMap(container: VfioContainer, first: number, last: number, gpa: number, flags: number): void {
    const before = container.host.size;
    container.map(first, last, gpa, flags);
    this.#host.add(container.host.size - before);
  }

  /** Takes out of the host map what an unmap that returned `result` removes. */
  hostUnmap(container: VfioContainer, first: number, last: number, result: number): void {
    const before = container.host.size;
    container.unmap(first, last, result);
    this.#host.add(container.host.size - before);
  }

  /** Takes out what turns out not to be mapped. */
  hostForget(container: VfioContainer, first: number, last: number): void {
    const before = container.host.size;
    container.forget(first, last);
    this.#host.add(container.host.size - before);
  }

  shadowInsert(space: DeviceSpace, first: number, last: number, gpa: number, flags: number): void {
    if (space.shadow.insert(first, last, gpa, flags)) this.#shadow.add(1);
  }

  shadowRemove(space: DeviceSpace, first: number, last: number): RangeScratch {
    const removed = space.shadow.remove(first, last);
    this.#shadow.add(-removed.count);
    return removed;
  }

  shadowClear(space: DeviceSpace): void {
    this.#shadow.add(-space.shadow.size);
    space.shadow.clear();
  }

  /**
   * Makes what the host maps for a device that has its container to itself what the shadow holds:
   * takes out what a lost UNMAP must have, and puts in what a lost MAP must have.
   */
  reconcile(container: VfioContainer, { shadow }: DeviceSpace): void {
    this.#bounds.step(container.host.size + shadow.size);
    const kept = mappingFlag.ram | mappingFlag.stale | mappingFlag.kept;
    const gone = [...container.host].filter(
      ({ first, last, value, flags }) =>
        (flags & kept) === 0 && shadow.flagsOf(first, last, value) < 0,
    );
    for (const { first, last } of gone) this.hostForget(container, first, last);
    for (const { first, last, value, flags } of shadow) {
      if (!container.host.overlaps(first, last)) this.hostMap(container, first, last, value, flags);
    }
  }
}
