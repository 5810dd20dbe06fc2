import type { Backend } from '../base/vocabulary.ts';
import type { Attribution } from './attribution.ts';
import type { Bounds } from './bounds.ts';
import type { DeviceSpace } from './device-space.ts';
import { VfioContainer } from './vfio-container.ts';

/** The containers that lines have shown, and which device is in which. */
export class Containers {
  readonly #backend: Backend | null;
  readonly #attribution: Attribution;
  readonly #bounds: Bounds;
  readonly #all: VfioContainer[] = [];

  /** `backend`: what the user says all of them are; null: the trace shows it. */
  constructor(backend: Backend | null, attribution: Attribution, bounds: Bounds) {
    this.#backend = backend;
    this.#attribution = attribution;
    this.#bounds = bounds;
  }

  /** In the order in which lines showed them. */
  get all(): readonly VfioContainer[] {
    return this.#all;
  }

  /** The only container, or null. */
  get single(): VfioContainer | null {
    return this.#all.length === 1 ? (this.#all[0] as VfioContainer) : null;
  }

  /** The single container is the only one there is, and not just the only one so far. */
  get isSingleSure(): boolean {
    return this.#all.length === 1 && this.#attribution.isSingleDeviceSure;
  }

  /** The container of a device; made where no line has shown one. */
  of(space: DeviceSpace): VfioContainer {
    if (space.container !== null) return space.container;
    const free = this.#all.filter(
      (container) => this.#attribution.devicesIn(container).length === 0,
    );
    space.container = free.length === 1 ? (free[0] as VfioContainer) : this.make();
    this.#attribution.contained();
    return space.container;
  }

  /** A new container; its backend is taken to be that of one whose backend is known. */
  make(): VfioContainer {
    this.#bounds.add('containers');
    const container = new VfioContainer(`container-${this.#all.length}`);
    const sibling = this.#all.find((known) => known.backendSource !== 'assumed');
    if (this.#backend !== null) container.setBackend(this.#backend, 'option', '--backend');
    else if (sibling !== undefined) {
      container.setBackend(sibling.backend, 'derived', `like ${sibling.id}`);
    }
    this.#all.push(container);
    return container;
  }

  /** The container that QEMU prints as `pointer`, or the single one. */
  ofPointer(pointer: string): VfioContainer | null {
    return this.#all.find((container) => container.pointer === pointer) ?? this.single;
  }

  /** The container of iommufd's address space `ioas`, or the single one. */
  ofIoas(ioas: number): VfioContainer | null {
    return this.#all.find((container) => container.ioas === ioas) ?? this.single;
  }

  /** The container that was made last. */
  get newest(): VfioContainer | null {
    return this.#all.at(-1) ?? null;
  }

  /** The device whose container QEMU prints as `pointer`; null where nobody knows, or several share it. */
  deviceAt(pointer: string): DeviceSpace | null {
    if (pointer === '') return null;
    const container = this.#all.find((known) => known.pointer === pointer);
    return container === undefined ? null : this.#attribution.singleDeviceIn(container);
  }
}
