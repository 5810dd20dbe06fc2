import type { VfioContainer } from './vfio-container.ts';
import { VtdAddressSpace } from './vtd-address-space.ts';

/** What QEMU is doing, as far as the lines since the last command show it. */
export type Operation =
  /** Nothing that concerns one device more than another. */
  | 'idle'
  /** Context-cache invalidation of one device: switch, then a walk or a whole unmap. */
  | 'device'
  /** Context-cache invalidation of all: whole unmaps, switches, then each device in turn. */
  | 'all-devices'
  /** IOTLB invalidation of everything: each device in turn. */
  | 'all-walks'
  /** IOTLB invalidation of a domain or of pages in it: each of its devices in turn. */
  | 'domain'
  /** A region was registered, or a dirty sync: one device's tables are replayed. */
  | 'replay';

/** How a line's device is known, best first. */
export type AttributionReason =
  | 'named'
  | 'only-device'
  | 'operation'
  | 'root-table'
  | 'order'
  | 'domain'
  | 'container'
  | 'ambiguous';

/**
 * Finds the device that a line without one belongs to.
 *
 * QEMU visits devices in the order of their registration, the most recent first, and starts each
 * one's walk with a line of the top-level table; a device whose context entry is absent prints that
 * instead. A global invalidation therefore names all devices by their place in the order.
 */
export class Attribution {
  /** Devices with notifiers, the most recently registered first. */
  readonly order: VtdAddressSpace[] = [];
  readonly #byBdf = new Map<number, VtdAddressSpace>();
  /** Spaces that no line has named yet, by domain (-1: unknown). */
  readonly #anonymous = new Map<number, VtdAddressSpace>();
  #spaces: readonly VtdAddressSpace[] = [];

  /** The trace starts in the middle of the machine's life: what a device maps is not known at first. */
  startsUncertain = false;

  #operation: Operation = 'idle';
  /** The device of operation `device`. */
  #device: VtdAddressSpace | null = null;
  /** The device whose tables are being replayed, be it in the middle of another operation. */
  #replaying: VtdAddressSpace | null = null;
  /** A context invalidation of devices has begun, and no line has named one yet. */
  #awaitsDevice = false;
  /** Devices switched since the operation began. */
  readonly #switched = new Set<number>();
  /** Index in `order` of the next device that the operation will visit. */
  #next = 0;
  /** Level of the current walk's top-level table; 0 before the first. */
  #topLevel = 0;
  /** Page that the current walk has come to. */
  #position = 0;
  /** A table that may have been the root of the next device's walk was taken for one below the root. */
  #isRootUnsure = false;
  /** The device whose tables are being walked. */
  #walking: VtdAddressSpace | null = null;
  /** How #walking is known. */
  reason: AttributionReason = 'ambiguous';

  /** All spaces, those of named devices first. */
  get spaces(): readonly VtdAddressSpace[] {
    return this.#spaces;
  }

  /** The space of a named device; made if it is new. A nameless one with nothing against it becomes it. */
  named(bdf: number): VtdAddressSpace {
    const known = this.#byBdf.get(bdf);
    if (known !== undefined) return known;
    const [only] = this.#anonymous.values();
    if (only !== undefined && this.#anonymous.size === 1 && this.#byBdf.size === 0) {
      this.#anonymous.clear();
      only.bdf = bdf;
      this.#byBdf.set(bdf, only);
      this.#list();
      return only;
    }
    const space = this.#make(bdf);
    this.#byBdf.set(bdf, space);
    this.#list();
    return space;
  }

  /** The space of a device by name, if some line has shown it to have translations of interest. */
  known(bdf: number): VtdAddressSpace | undefined {
    return this.#byBdf.get(bdf);
  }

  /** A device got its first notifier: QEMU puts it at the head of its list. */
  register(space: VtdAddressSpace): void {
    this.unregister(space);
    this.order.unshift(space);
  }

  unregister(space: VtdAddressSpace): void {
    const index = this.order.indexOf(space);
    if (index >= 0) this.order.splice(index, 1);
  }

  get operation(): Operation {
    return this.#replaying === null ? this.#operation : 'replay';
  }

  /** A new command begins. */
  begin(operation: Exclude<Operation, 'replay'>, space: VtdAddressSpace | null = null): void {
    // Fewer walks than devices: one of them began where none was seen to.
    if (this.#isRootUnsure && this.#next < this.order.length) this.distrust();
    this.#isRootUnsure = false;
    this.#operation = operation;
    this.#device = space;
    this.#awaitsDevice = false;
    this.#forgetSwitched();
    this.#next = 0;
    this.#endReplay();
    if (space !== null) this.#walk(space, 'operation');
  }

  /**
   * One device's tables are replayed: a region was registered, or dirty pages are being synced. The
   * command that registered the region goes on behind the one walk that belongs to the replay.
   */
  replay(space: VtdAddressSpace): void {
    this.#replaying = space;
    this.#topLevel = 0;
    this.#walk(space, 'operation');
  }

  /** `vtd_inv_desc_cc_devices`: the devices themselves follow, each with a line of its own, if traced. */
  beginDevices(): void {
    this.begin('idle');
    this.#awaitsDevice = true;
  }

  /** `vtd_switch_address_space` of a device. */
  switched(bdf: number): void {
    this.#endReplay();
    const space = this.#byBdf.get(bdf);
    if (this.#awaitsDevice && space !== undefined) {
      this.#operation = 'device';
      this.#device = space;
    }
    this.#switched.add(bdf);
  }

  /**
   * `vtd_ce_not_present` of a device. True where this is the look-up that makes QEMU unmap the
   * whole space of the device, and not one of those before it is switched.
   */
  absent(bdf: number): boolean {
    this.#endReplay();
    const space = this.#byBdf.get(bdf);
    if (space === undefined) return false;
    switch (this.#operation) {
      case 'device':
        // Once: what looks the device up later is no part of the command.
        return this.#device?.bdf === bdf && this.#switched.delete(bdf);
      case 'all-devices':
        if (!this.#switched.delete(bdf)) return false;
        this.#visited(space);
        return true;
      case 'all-walks':
        this.#visited(space);
        return true;
      case 'domain':
        this.#visited(space);
        return false;
      default:
        return false;
    }
  }

  /** `vtd_page_walk_level` of a table whose part from `startPage` on is walked. */
  level(basePage: number, level: number, startPage: number): void {
    if (this.#replaying !== null) {
      if (level < this.#topLevel) return;
      if (this.#topLevel === 0) {
        this.#topLevel = level;
        this.#replaying.rootPage = basePage;
        return;
      }
      this.#endReplay();
    }
    // A walk goes upward: a table further down in the address space begins another one.
    const isRoot =
      level >= this.#topLevel ||
      startPage < this.#position ||
      this.order.some((space) => space.rootPage === basePage);
    if (!isRoot) {
      if (startPage === 0 && this.order.length > 1) this.#isRootUnsure = this.#visitsAll;
      this.#position = startPage;
      return;
    }
    this.#topLevel = level;
    this.#position = startPage;
    if (this.#operation === 'device') this.#forgetSwitched();
    const space = this.#nextWalk(basePage);
    if (space !== null) space.rootPage = basePage;
    this.#walking = space;
  }

  /** The device of a `vtd_page_walk_one` or skip line at `page`; made anew for a domain nobody knows. */
  walker(domain: number, page: number): VtdAddressSpace | null {
    this.#position = page;
    // A root table that several devices have is no better known for the domain's number.
    const isShared = this.#topLevel > 0 && this.#walking === null && this.reason === 'ambiguous';
    const walking = this.#walking ?? (isShared ? null : this.#fallback(domain));
    if (walking !== null && domain >= 0) walking.domain = domain;
    return walking;
  }

  /** Something happened to one of the devices, and nothing tells to which. */
  distrust(): void {
    for (const space of this.spaces) space.uncertain = true;
  }

  /** The device whose tables are being walked; null: none, or nothing tells which. */
  get walking(): VtdAddressSpace | null {
    return this.#walking;
  }

  /** The device that lines without any hint belong to, if there is only one. */
  get only(): VtdAddressSpace | null {
    if (this.order.length === 1) return this.order[0] as VtdAddressSpace;
    if (this.#spaces.length === 1) return this.#spaces[0] as VtdAddressSpace;
    // Where no line registers a notifier, those that are VFIO's are the ones that have a container.
    return onlyOf(this.#spaces, hasContainer);
  }

  /** The device of the current command, if it names one. */
  get device(): VtdAddressSpace | null {
    return this.#replaying ?? this.#device;
  }

  /** The devices that share a container. */
  inContainer(container: VfioContainer): readonly VtdAddressSpace[] {
    return this.spaces.filter((space) => space.container === container);
  }

  /** Clearing a set makes a new table, even of an empty one; this is done for every command. */
  #forgetSwitched(): void {
    if (this.#switched.size > 0) this.#switched.clear();
  }

  /** The current command concerns each device in turn. */
  get #visitsAll(): boolean {
    return this.#operation === 'all-devices' || this.#operation === 'all-walks';
  }

  #list(): void {
    this.#spaces = [...this.#byBdf.values(), ...this.#anonymous.values()];
  }

  #make(bdf: number | null): VtdAddressSpace {
    const space = new VtdAddressSpace(bdf);
    space.uncertain = this.startsUncertain;
    return space;
  }

  #endReplay(): void {
    this.#replaying = null;
    this.#topLevel = 0;
    this.#walking = null;
  }

  #walk(space: VtdAddressSpace, reason: AttributionReason): void {
    this.#walking = space;
    this.reason = reason;
  }

  #visited(space: VtdAddressSpace): void {
    const index = this.order.indexOf(space);
    if (index >= 0) this.#next = index + 1;
    this.#topLevel = 0;
    this.#walking = null;
  }

  /** The device whose walk starts with a top-level table at `basePage`. */
  #nextWalk(basePage: number): VtdAddressSpace | null {
    if (this.#operation === 'device' && this.#device !== null) {
      this.reason = 'operation';
      return this.#device;
    }
    const { only } = this;
    if (only !== null) {
      this.reason = 'only-device';
      return only;
    }
    if (this.#visitsAll) {
      const space = this.order[this.#next];
      this.#next += 1;
      this.reason = space === undefined ? 'ambiguous' : 'order';
      return space ?? null;
    }
    const sharing = this.order.filter((space) => space.rootPage === basePage);
    if (sharing.length === 1) {
      this.reason = 'root-table';
      return sharing[0] as VtdAddressSpace;
    }
    // Several devices in one domain: the walks come in the order of registration.
    const inDomain = this.order.findIndex(
      (space, index) => index >= this.#next && space.rootPage === basePage,
    );
    if (this.#operation === 'domain' && inDomain >= 0) {
      this.#next = inDomain + 1;
      this.reason = 'order';
      return this.order[inDomain] as VtdAddressSpace;
    }
    this.reason = 'ambiguous';
    return null;
  }

  /** The device of a walk event where no top-level line came before it. */
  #fallback(domain: number): VtdAddressSpace | null {
    const { only } = this;
    if (only !== null && (only.bdf !== null || only.domain === domain || only.domain === null)) {
      this.reason = 'only-device';
      return only;
    }
    if (this.#byBdf.size > 0) {
      const inDomain = onlyOf(this.#spaces, (space) => space.domain === domain);
      this.reason = inDomain === null ? 'ambiguous' : 'domain';
      return inDomain;
    }
    // Nothing in the trace names a device: one space per domain, as domains are told apart.
    const anonymous = this.#anonymous.get(domain);
    this.reason = 'domain';
    if (anonymous !== undefined) return anonymous;
    const space = this.#make(null);
    space.domain = domain;
    this.#anonymous.set(domain, space);
    this.#list();
    return space;
  }

  /** The device of a notification that no walk and no command explains: the only one, or nobody's. */
  get sole(): VtdAddressSpace | null {
    const { only } = this;
    if (only !== null || this.spaces.length > 0) return only;
    const space = this.#make(null);
    this.#anonymous.set(-1, space);
    this.#list();
    return space;
  }
}

function hasContainer({ container }: VtdAddressSpace): boolean {
  return container !== null;
}

/** The only one of which `is` holds; null where there is none, or several. */
function onlyOf(
  spaces: readonly VtdAddressSpace[],
  is: (space: VtdAddressSpace) => boolean,
): VtdAddressSpace | null {
  let only: VtdAddressSpace | null = null;
  for (const space of spaces) {
    if (!is(space)) continue;
    if (only !== null) return null;
    only = space;
  }
  return only;
}
