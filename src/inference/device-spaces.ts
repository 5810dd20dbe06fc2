import { intelIommu } from '../emulation/viommu/intel/index.ts';
import type { Viommu } from '../emulation/viommu/viommu.ts';
import { Bounds } from './bounds.ts';
import { DeviceSpace } from './device-space.ts';
import { HOST_BRIDGE } from './line.ts';
import type { VfioContainer } from './vfio-container.ts';

const NOBODY: readonly DeviceSpace[] = [];

/** The address spaces that lines have shown, by what is known of their devices. */
export class DeviceSpaces {
  readonly #bounds: Bounds;
  readonly #byBdf = new Map<number, DeviceSpace>();
  /** Spaces that no line has named yet, by domain (-1: unknown). */
  readonly #anonymous = new Map<number, DeviceSpace>();
  /** Spaces of which only slot and function are known, by these. */
  readonly #busless = new Map<number, DeviceSpace>();
  #spaces: readonly DeviceSpace[] = [];
  /** Asked for at nearly every line. */
  #single: DeviceSpace | null = null;
  /** That was found since spaces or their containers changed. */
  #isSingleKnown = false;

  /** The spaces of each container; null since spaces or their containers changed. */
  #byContainer: ReadonlyMap<VfioContainer, readonly DeviceSpace[]> | null = null;

  /** What lines have shown the VM's IOMMU to be; VT-d until then. */
  #viommu: Viommu = intelIommu;
  /** The trace starts in the middle of the machine's life: what a device maps is not known at first. */
  startsUncertain = false;
  /** A MAP was given to the likeliest device: it may be of one that no line has shown yet. */
  #hasGuessedMaps = false;

  constructor(bounds = new Bounds()) {
    this.#bounds = bounds;
  }

  /** The kind of IOMMU that all devices of the VM are behind. */
  get viommu(): Viommu {
    return this.#viommu;
  }

  set viommu(viommu: Viommu) {
    this.#viommu = viommu;
    for (const space of this.#spaces) space.viommu = viommu;
  }

  /** All spaces, those of named devices first. */
  get spaces(): readonly DeviceSpace[] {
    return this.#spaces;
  }

  /** The space of a named device; made if it is new. Reuses the anonymous space if there is exactly one. */
  named(bdf: number): DeviceSpace {
    const known = this.#byBdf.get(bdf);
    if (known !== undefined) return known;
    const space = this.#nameless(bdf) ?? this.#make(bdf);
    space.bdf = bdf;
    this.#byBdf.set(bdf, space);
    this.#list();
    return space;
  }

  /** The space of a device by name, if some line has shown it to have translations of interest. */
  known(bdf: number): DeviceSpace | undefined {
    return this.#byBdf.get(bdf);
  }

  /** The same, or one of which only slot and function are known, and are these. */
  likely(bdf: number): DeviceSpace | undefined {
    const known = this.#byBdf.get(bdf);
    return known ?? (bdf === HOST_BRIDGE ? undefined : this.#busless.get(bdf & 0xff));
  }

  /** The space of a device of which slot and function are known and the bus is not: none of the `others`. */
  ofFunction(devfn: number, others: ReadonlySet<number>): DeviceSpace {
    const named = singleOf(
      [...this.#byBdf.values()],
      ({ bdf }) => bdf !== null && (bdf & 0xff) === devfn && !others.has(bdf),
    );
    const known = named ?? this.#busless.get(devfn);
    if (known !== undefined) return known;
    const space = this.#make(null);
    this.#busless.set(devfn, space);
    this.#list();
    return space;
  }

  /** The device that lines without any hint belong to, if there is only one. */
  get singleDevice(): DeviceSpace | null {
    if (!this.#isSingleKnown) {
      this.#isSingleKnown = true;
      // Of several, those that are VFIO's are the ones that have a container.
      this.#single =
        this.#spaces.length === 1
          ? (this.#spaces[0] as DeviceSpace)
          : singleOf(this.#spaces, hasContainer);
    }
    return this.#single;
  }

  /** A space got its container. */
  contained(): void {
    this.#isSingleKnown = false;
    this.#byContainer = null;
  }

  /** Whether a device may be VFIO's: emulated ones have translations too, and never a container. */
  maybeAssigned(space: DeviceSpace | undefined): boolean {
    return (space !== undefined && hasContainer(space)) || !this.#spaces.some(hasContainer);
  }

  /** A MAP at `line` may be of any device: from here on none of several is as it is thought to be. */
  guessMap(line: number): void {
    this.#hasGuessedMaps = true;
    if (this.singleDevice !== null) return;
    for (const space of this.#spaces) space.lose(line, false);
  }

  /** The devices that share a container. */
  devicesIn(container: VfioContainer): readonly DeviceSpace[] {
    this.#byContainer ??= groupedByContainer(this.#spaces);
    return this.#byContainer.get(container) ?? NOBODY;
  }

  /** The device that has a container to itself; null where several share it, or none is known. */
  singleDeviceIn(container: VfioContainer): DeviceSpace | null {
    const devices = this.devicesIn(container);
    return devices.length === 1 ? (devices[0] as DeviceSpace) : null;
  }

  /** The device of a notification that no walk and no command explains: the only one, or nobody's. */
  get singleDeviceOrNew(): DeviceSpace | null {
    const { singleDevice: only } = this;
    if (only !== null || this.spaces.length > 0) return only;
    const space = this.#make(null);
    this.#anonymous.set(-1, space);
    this.#list();
    return space;
  }

  /** Some line has named a device. */
  get hasNamed(): boolean {
    return this.#byBdf.size > 0;
  }

  /** The space of a domain where nothing in the trace names a device: one for each, as domains are told apart. */
  ofDomain(domain: number): DeviceSpace {
    const anonymous = this.#anonymous.get(domain);
    if (anonymous !== undefined) return anonymous;
    const space = this.#make(null);
    space.domain = domain;
    this.#anonymous.set(domain, space);
    this.#list();
    return space;
  }

  /** A nameless space that can be that of the device. */
  #nameless(bdf: number): DeviceSpace | null {
    const busless = this.#busless.get(bdf & 0xff);
    if (busless !== undefined) {
      this.#busless.delete(bdf & 0xff);
      return busless;
    }
    const [only] = this.#anonymous.values();
    if (only === undefined || this.#spaces.length > 1) return null;
    this.#anonymous.clear();
    return only;
  }

  #list(): void {
    this.#isSingleKnown = false;
    this.#byContainer = null;
    this.#spaces = [
      ...this.#byBdf.values(),
      ...this.#busless.values(),
      ...this.#anonymous.values(),
    ];
  }

  #make(bdf: number | null): DeviceSpace {
    this.#bounds.add('devices');
    const isUncertain = this.startsUncertain || this.#hasGuessedMaps;
    return new DeviceSpace(this.#viommu, bdf, isUncertain ? 'partial' : 'whole');
  }
}

function hasContainer({ container }: DeviceSpace): boolean {
  return container !== null;
}

function groupedByContainer(
  spaces: readonly DeviceSpace[],
): ReadonlyMap<VfioContainer, readonly DeviceSpace[]> {
  const groups = new Map<VfioContainer, DeviceSpace[]>();
  for (const space of spaces) {
    if (space.container === null) continue;
    const group = groups.get(space.container);
    if (group === undefined) groups.set(space.container, [space]);
    else group.push(space);
  }
  return groups;
}

/** The only one of which `is` holds; null where there is none, or several. */
export function singleOf(
  spaces: readonly DeviceSpace[],
  is: (space: DeviceSpace) => boolean,
): DeviceSpace | null {
  let only: DeviceSpace | null = null;
  for (const space of spaces) {
    if (!is(space)) continue;
    if (only !== null) return null;
    only = space;
  }
  return only;
}
