import { pageOf } from '../base/address.ts';
import { NO_ENTRY } from '../emulation/vfio/container-backend.ts';
import { regionDelCarries } from '../emulation/vfio/listener.ts';
import { amdIommu } from '../emulation/viommu/amd/index.ts';
import { permission } from '../emulation/viommu/iova-tree.ts';
import { type AddressRange, isSameRange, type Viommu } from '../emulation/viommu/viommu.ts';
import { virtioIommu } from '../emulation/viommu/virtio/index.ts';
import { eventNames, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { ground } from './claim.ts';
import type { DeviceSpace, Knowledge } from './device-space.ts';
import { bdfOf, HOST_BRIDGE, placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import { mappingFlag } from './mapping-flags.ts';
import type { PageWalks } from './page-walks.ts';
import type { PendingUnmaps } from './pending-unmaps.ts';
import { mayBeRom } from './traced-ram.ts';
import { UNKNOWN_ADDRESS } from './unmap.ts';
import { lineMarks } from './version.ts';
import type { VfioContainer } from './vfio-container.ts';

const at = {
  switch: offsetsOf('vtd_switch_address_space'),
  attach: offsetsOf('vfio_attach_device'),
  addIommu: offsetsOf('vfio_listener_region_add_iommu'),
  delIommu: offsetsOf('vfio_listener_region_del_iommu'),
  skipped: offsetsOf('vfio_listener_region_skip_dma_map'),
  migrationInit: offsetsOf('vfio_migration_init'),
  addRam: offsetsOf('vfio_listener_region_add_ram'),
  regionDel: offsetsOf('vfio_listener_region_del'),
} as const;

/** What makes QEMU take devices out of translation; a guest that uses its IOMMU has had all of it. */
const SWITCHING = ['vtd_reset_exit', 'vtd_dmar_enable', 'vtd_inv_desc_cc_global'] as const;

/** The backends' own lines of MAPs, which say what is read-only. */
const WITH_PERMISSIONS = [
  'iommufd_backend_map_dma',
  'iommufd_backend_map_file_dma',
  'vfio_user_dma_map',
] as const;

const REALIZE = kindOf('vfio_realize');
const BIND = kindOf('iommufd_cdev_connect_and_bind');

const RAM_FLAGS = mappingFlag.ram | permission.read | permission.write;
/** What lies under 4 GiB behind the end of RAM is firmware. */
const ROM_FLAGS = mappingFlag.ram | permission.read;
/** Before it is known where RAM ends. */
const UNSURE_FLAGS = RAM_FLAGS | mappingFlag.unknown;
/** virtio-iommu's region of a device, with its devfn in decimal; the bus is not in it. */
const VIRTIO_REGION = /^virtio-iommu-memory-region-\d{1,6}-(\d{1,3})$/;
/** AMD-Vi's region of each device. */
const AMD_REGION = 'amd_iommu';
/** VT-d's region of a device, `vtd-SS.F-dmar`; the bus is not in it. */
const REGION_NAME = /^vtd-([0-9a-f]{2})\.([0-7])-dmar$/;

/** Whose a section of an IOMMU is, and whether that is beyond doubt. */
interface SpaceOfSection {
  readonly space: DeviceSpace | null;
  readonly isSure: boolean;
}

/** The same of a section of RAM. */
interface ContainerOfSection {
  readonly container: VfioContainer | null;
  readonly isSure: boolean;
}

/**
 * VFIO's memory listener: which devices there are, when they are translated, and the RAM sections
 * that are mapped while they are not.
 */
export class VfioListener {
  readonly #machine: Machine;
  readonly #pending: PendingUnmaps;
  readonly #walks: PageWalks;
  /** Devices of virtio-iommu's regions, by the names, in which the bus is missing. */
  readonly #ofRegions = new Map<string, number>();
  /** The region whose device the next switch names; '': none. */
  #madeRegion = '';
  /** Devices by whether their IOMMU region is enabled, as the last switch left it. */
  readonly #enabled = new Map<number, boolean>();
  #lastSwitch = -1;
  #switchedSinceAttach = false;
  /** Some line of an attach has come: then each device has one. */
  #areAttachesTraced = false;
  /** The device whose address space has just been made, as for one that is being attached; -1: none. */
  #newcomer = -1;
  /** The container that is being attached, while no line has named its device (7.2, vfio-user). */
  #attaching: VfioContainer | null = null;
  /** Where the sections of the current change go, if the lines before it say so. */
  #container: VfioContainer | null = null;
  #space: DeviceSpace | null = null;
  /** It is the likeliest of several, and no line has named it. */
  #isSpaceGuessed = false;
  /** Where the newest RAM section was mapped, until the backend's line has come. */
  #sectionOwner: VfioContainer | null = null;
  /** The container whose sections have come before any device was attached. */
  #unattached: VfioContainer | null = null;
  /** First pages of the sections that the current change has taken from each container. */
  readonly #removed = new Map<VfioContainer, Set<number>>();
  /** Sections that are not mapped for DMA, by their pages: what removes them is no unmap. */
  readonly #unmapped = new Set<string>();
  /** The name in the `region_del_iommu` line just before a `region_del`. */
  #deletedRegion: string | null = null;

  constructor(machine: Machine, pending: PendingUnmaps, walks: PageWalks) {
    this.#machine = machine;
    this.#pending = pending;
    this.#walks = walks;
  }

  /** The container that the lines right now concern, if they say so. */
  get container(): VfioContainer | null {
    return this.#container;
  }

  /** Another command has begun: what follows is about other devices. */
  forget(): void {
    this.#container = null;
    if (this.#removed.size > 0) this.#removed.clear();
    this.#space = null;
    this.#isSpaceGuessed = false;
    this.#newcomer = -1;
    this.#walks.replayedNotifier = null;
    this.#machine.registering = null;
  }

  /** A line names the device whose regions may change now, and no line says how (`amdvi_devtab_inval`). */
  concerns(bdf: number): void {
    this.forget();
    this.#lastSwitch = bdf;
  }

  /** Regions may change now, and no line says of which device. */
  concernsAny(): void {
    this.forget();
    this.#lastSwitch = -1;
  }

  /** A region of this name is made. */
  regionMade(name: string): void {
    this.#madeRegion = name;
  }

  /** `vtd_switch_address_space`: a device's IOMMU region is enabled or disabled. */
  switched(cursor: BatchCursor): void {
    const bdf = bdfOf(cursor, at.switch);
    if (this.#madeRegion !== '') {
      this.#ofRegions.set(this.#madeRegion, bdf);
      this.#machine.bounds.check('switched-devices', this.#ofRegions.size);
      this.#madeRegion = '';
    }
    const on = cursor.u32(at.switch.on) !== 0;
    const before = this.#enabled.get(bdf);
    const changed = before !== undefined && before !== on;
    if (before === undefined) this.#machine.bounds.add('switched-devices');
    this.#enabled.set(bdf, on);
    this.#lastSwitch = bdf;
    this.#switchedSinceAttach = true;
    this.#newcomer = before === undefined && bdf !== HOST_BRIDGE ? bdf : -1;
    this.#removed.clear();
    // Had the replay's own lines been traced, they would have come.
    this.#machine.registering = null;
    if (on) this.#noteTranslated(bdf, cursor);
    else if (changed) this.#checkLeft(bdf, cursor);
    this.#machine.attribution.switched(bdf);
    this.#machine.contextEntries.switched(bdf, on);
    if (this.#attaching !== null) {
      this.#bind(bdf, this.#attaching);
      this.#attaching = null;
      return;
    }
    // Only a real change makes the listener map or unmap anything.
    const space = changed ? (this.#machine.attribution.known(bdf) ?? null) : null;
    this.#space = space;
    this.#isSpaceGuessed = false;
    this.#container = space?.container ?? null;
    const isTraced = this.#machine.isTraced('vfio_listener_region_add_iommu');
    if (space !== null && on && !isTraced) space.becomeKnown(cursor.line);
  }

  /** Only a command, or a reset, makes QEMU take a device out of translation; before, it unmaps all of it. */
  #checkLeft(bdf: number, cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    const space = attribution.known(bdf);
    const areTraced = SWITCHING.every((name) => this.#machine.isTraced(name));
    if (space === undefined || !areTraced || attribution.switches(bdf)) return;
    this.#machine.losses.report('cause-of-switch', cursor, space);
  }

  /** Only a command makes QEMU switch a device to translation; its line may be missing. */
  #noteTranslated(bdf: number, cursor: BatchCursor): void {
    this.#machine.dueNotifications.translated(bdf);
    const { attribution } = this.#machine;
    if (attribution.switches(bdf) || attribution.known(bdf) === undefined) return;
    this.#machine.dueNotifications.switchedWithoutCommand(placeOf(cursor));
  }

  /** A device is attached: `vfio_realize`, `vfio_attach_device`, `vfio_device_attach`, or iommufd's bind. */
  attached(cursor: BatchCursor): void {
    this.#areAttachesTraced = true;
    this.#checkAttach(cursor);
    const container = this.#machine.containers.make();
    container.hostNames.add(cursor.text(at.attach.name));
    // Only the legacy path attaches by group.
    const backend = cursor.kind === BIND ? 'iommufd' : 'legacy';
    container.setBackend(backend, 'trace', `${eventNames[cursor.kind]} at line ${cursor.line}`);
    const isNamed =
      this.#switchedSinceAttach &&
      this.#lastSwitch !== HOST_BRIDGE &&
      !this.#isBound(this.#lastSwitch);
    this.#switchedSinceAttach = false;
    if (cursor.kind === REALIZE) this.#attaching = container;
    // From 8.2 on the device's address space has just been made, and switched.
    else if (isNamed) this.#bind(this.#lastSwitch, container);
    this.#container = container;
  }

  /**
   * Attaches are not traced, and the container of a device begins: VT-d has just made the device's
   * address space (`vtd_find_add_as`, which `vfio_realize` calls right before it attaches the device).
   * Null where no device is being made, or its container is there.
   */
  attachedUnseen(): VfioContainer | null {
    const bdf = this.#newcomer;
    if (this.#areAttachesTraced || bdf < 0 || this.#isBound(bdf)) return null;
    this.#newcomer = -1;
    const container = this.#machine.containers.make();
    this.#bind(bdf, container);
    this.#machine.attribution.enrol();
    return container;
  }

  /** Sections of RAM come when a device has been attached: one before has shown another's. */
  #checkAttach(cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    if (this.#unattached === null || attribution.startsUncertain) return;
    this.#unattached = null;
    this.#machine.losses.report('attach', cursor);
    attribution.forgetRoster();
  }

  /** Attaches are traced, and there is no container left that can be the device's. */
  #checkAttached(space: DeviceSpace, cursor: BatchCursor): void {
    const { attribution, containers } = this.#machine;
    if (space.container !== null || attribution.startsUncertain) return;
    const isTraced = containers.all.some(({ hostNames }) => hostNames.size > 0);
    const isLeft = containers.all.some((known) => attribution.devicesIn(known).length === 0);
    if (!isTraced || isLeft) return;
    this.#machine.losses.report('attach-of-registered', cursor);
    attribution.forgetRoster();
  }

  /** `vfio_migration_init`: whether the device logs its own DMA, as it is made. */
  migrationInit(cursor: BatchCursor): void {
    const { containers } = this.#machine;
    const name = cursor.text(at.migrationInit.name);
    const container =
      containers.all.find(({ hostNames }) => hostNames.has(name)) ??
      this.#container ??
      containers.single;
    container?.dmaLogs.set(name, cursor.u32(at.migrationInit.logsDma) !== 0);
  }

  /** A container whose device the next switch names; made unless one is waiting already. */
  attaching(): VfioContainer {
    this.#areAttachesTraced = true;
    this.#attaching ??= this.#machine.containers.make();
    this.#container = this.#attaching;
    return this.#attaching;
  }

  /** `vfio_listener_region_add_iommu`: VFIO registers a notifier; a replay of the tables follows. */
  addIommu(cursor: BatchCursor): DeviceSpace | null {
    const name = cursor.text(at.addIommu.name);
    this.#machine.version.learn(name === '' ? lineMarks.unnamedRegion : lineMarks.namedRegion);
    const space = this.spaceOfRegion(name);
    if (space === null) return null;
    if (VIRTIO_REGION.test(name) && space.bdf !== null) this.#ofRegions.set(name, space.bdf);
    const range = { start: cursor.u64(at.addIommu.start), end: cursor.u64(at.addIommu.end) };
    this.#checkAttached(space, cursor);
    this.#machine.attribution.enrol();
    if (space.notifiers.length === 0) {
      this.#machine.attribution.register(space);
      space.becomeKnown(cursor.line);
    } else if (holdsNotifier(space, range)) {
      // Its removal is missing, or this is another device in the same slot of another bus.
      this.#machine.losses.report('notifier-removal', cursor, space);
      this.#machine.attribution.forgetRoster();
      space.removeNotifier(range);
      space.mayBeSeveral = name === AMD_REGION;
    }
    this.#addNotifier(space, range);
    this.#forgetSections(space, range, cursor);
    this.#machine.attribution.replay(space);
    this.#machine.registering = { space, notifier: range };
    return space;
  }

  /** A device whose tables are replayed has a notifier. */
  checkRegistered(space: DeviceSpace, cursor: BatchCursor): void {
    if (space.notifiers.length > 0 || !this.#machine.isTraced('vfio_listener_region_add_iommu'))
      return;
    this.#machine.losses.report('notifier-registration', cursor, space);
    this.#machine.attribution.register(space);
  }

  /** A notifier turns out to be of another device than was thought. */
  moveNotifier(from: DeviceSpace, to: DeviceSpace, range: AddressRange, cursor: BatchCursor): void {
    const { attribution } = this.#machine;
    from.removeNotifier(range);
    if (from.notifiers.length === 0) attribution.unregister(from);
    if (to.notifiers.length === 0) attribution.register(to);
    this.#addNotifier(to, range);
    this.#machine.losses.report('switch-before-registration', cursor, from);
  }

  #addNotifier(space: DeviceSpace, range: AddressRange): void {
    space.addNotifier(range);
    this.#machine.bounds.check('notifiers', space.notifiers.length);
  }

  /**
   * Sections go before an IOMMU region comes in their place. What is still thought to be there went
   * without its line.
   */
  #forgetSections(space: DeviceSpace, range: AddressRange, cursor: BatchCursor): void {
    const container = this.#machine.containers.of(space);
    if (this.#machine.attribution.singleDeviceIn(container) === null) return;
    const found = container.host.collect(pageOf(range.start), pageOf(range.end));
    const sections: [number, number][] = [];
    for (let index = 0; index < found.count; index += 1) {
      if (!isLiveSection(found.flags(index))) continue;
      sections.push([found.first(index), found.last(index)]);
    }
    if (sections.length === 0) return;
    this.#machine.losses.report('section-removal', cursor, space);
    for (const [first, last] of sections) this.#machine.mappings.hostForget(container, first, last);
  }

  /** `vfio_listener_region_del_iommu`. */
  deleteIommu(cursor: BatchCursor): void {
    this.#deletedRegion = cursor.text(at.delIommu.name);
  }

  /** `vfio_listener_region_add_ram`. */
  addRam(cursor: BatchCursor): void {
    const start = cursor.u64(at.addRam.start);
    const end = cursor.u64(at.addRam.end);
    const { first, last } = this.#hostPages(start, end);
    if (last < first) return;
    this.#machine.ram.addSection(first, last, cursor.line);
    const isLegacy =
      this.#attaching?.backendSource === 'trace' && this.#attaching.backend === 'legacy';
    // A VM without a vIOMMU switches none.
    if (isLegacy && this.#areSwitchesTraced) {
      // Had the switch that names its device been traced, it would have come.
      this.#attaching = null;
      this.#machine.losses.report('switch-before-sections', cursor);
    }
    const isNew = this.#machine.containers.all.every(
      (container) => !this.#fits(container, first, last, 'add'),
    );
    if (isNew && this.attachedUnseen() !== null) {
      // Whatever comes before the next command is of that device.
    } else if (this.#isOfUnseen(first, last)) {
      this.#machine.losses.report('attach-or-section-removal', cursor);
      this.#machine.attribution.forgetRoster();
    }
    const { container } = this.#ownerOfSection(first, last, 'add');
    this.#sectionOwner = container;
    if (container === null) return;
    const { ram } = this.#machine;
    const vaddr = cursor.u64(at.addRam.vaddr);
    ram.placeSection(start, vaddr);
    const flags =
      ram.isOutside(first) || (this.#isRomKnown && ram.isRom(first, first, start, vaddr))
        ? ROM_FLAGS
        : ram.mayBeOutside(first)
          ? UNSURE_FLAGS
          : RAM_FLAGS;
    this.#machine.mappings.hostMap(container, first, last, first, flags);
  }

  /** It shows which sections are ROMs; the verdicts on VT-d take them as writable, and say so. */
  get #isRomKnown(): boolean {
    return !this.#machine.viommu.announcesWholeUnmaps && this.#machine.ram.isPlaceKnown;
  }

  /** `vfio_listener_region_skip_dma_map`: the section before it is not mapped. */
  skippedDmaMap(cursor: BatchCursor): void {
    const [start, size] = [cursor.u64(at.skipped.start), cursor.u64(at.skipped.size)];
    const { first, last } = this.#hostPages(start, start + size - 1n);
    const container = this.#sectionOwner;
    this.#sectionOwner = null;
    this.#unmapped.add(`${first}-${last}`);
    if (container?.holdsExactly(first, last) !== true) return;
    this.#machine.mappings.hostForget(container, first, last);
  }

  /** A line of the backend says how the section before it was mapped. */
  sectionMapped(first: number, pages: number, isWritable: boolean): void {
    const container = this.#sectionOwner;
    this.#sectionOwner = null;
    if (isWritable || container?.holdsExactly(first, first + pages - 1) !== true) return;
    container.host.setFlags(first, first + pages - 1, permission.write, 0);
  }

  /** `vfio_listener_region_del`: an unmap, without an IOTLB entry in all versions but for RAM in 11.x. */
  delete(cursor: BatchCursor): void {
    const range = { start: cursor.u64(at.regionDel.start), end: cursor.u64(at.regionDel.end) };
    const { first, last } = this.#hostPages(range.start, range.end);
    const name = this.#deletedRegion;
    this.#deletedRegion = null;
    const { space, isSure } = this.#spaceOfDeleted(name, range);
    if (last < first || this.#isUnmapped(first, last)) return;
    const unmap = this.#pending.open(cursor, first, last);
    unmap.cause = 'region-del';
    if (space === null) {
      this.#deleteRam(first, last, !isOfIommu(range, this.#machine.attribution.viommu));
      return;
    }
    // What else goes and comes in this change is of the same device.
    this.#space = space;
    this.#isSpaceGuessed = !isSure;
    this.#container = this.#machine.containers.of(space);
    this.#pending.place(unmap, space, isSure);
    unmap.carried = NO_ENTRY;
    const nodes = space.shadow.overlapping(first, last);
    this.#pending.evaluate(unmap, nodes);
    space.removeNotifier(range);
    if (space.notifiers.length === 0) this.#machine.attribution.unregister(space);
  }

  /** `mayBeRam`: it is not one of the two sections that only an IOMMU has. */
  #deleteRam(first: number, last: number, mayBeRam: boolean): void {
    const unmap = this.#pending.single;
    if (unmap === null) return;
    const { container, isSure } = this.#ownerOfSection(first, last, 'delete');
    const owner = container === null ? null : this.#machine.attribution.singleDeviceIn(container);
    this.#pending.place(unmap, owner, isSure);
    unmap.container.set(container, isSure ? ground.sure : 0);
    if (container !== null) this.#noteRemoved(container, first);
    if (owner === null && isSure) unmap.mappings.value = this.#knowledgeOfSections;
    unmap.tracked = this.#machine.trackedIn(container);
    unmap.domain = null;
    const nodes = container === null ? null : container.host.collect(first, last);
    // Only the lines of iommufd and vfio-user show a ROM.
    const isTraced =
      container !== null && container.backend !== 'legacy' && this.#arePermissionsTraced;
    if (!isTraced && !this.#isRomKnown) unmap.mappings.grounds |= ground.permissionTaken;
    // While tracking is on, 11.x makes up an entry whose address is the section's own.
    const isRam =
      nodes === null || nodes.count === 0
        ? !this.#machine.ram.isOutside(first) && !(this.#isRomKnown && mayBeRom(first, last))
        : (nodes.flags(0) & permission.write) !== 0;
    const { profile, ram } = this.#machine;
    const carried = regionDelCarries(profile, mayBeRam && isRam, first, ram.ramPage(first));
    // QEMU knows where its RAM lies: what the trace does not tell is right.
    const isRight = Number.isNaN(carried);
    unmap.carried = isRight ? UNKNOWN_ADDRESS : carried;
    // A section is there to be removed, whether or not the trace has seen it come.
    const unseen = nodes === null || nodes.count === 0 ? 1 : 0;
    this.#pending.evaluate(unmap, isRight ? null : nodes, isRight ? 0 : unseen);
    if (this.#machine.tracking.globalDirty !== true) unmap.carried = NO_ENTRY;
    else if (carried > 0 && !this.#isAddressSure(first)) unmap.carried = UNKNOWN_ADDRESS;
  }

  /** Whether all versions that may have written the trace give a section's entry the same address. */
  #isAddressSure(first: number): boolean {
    const { ram, version } = this.#machine;
    return ram.ramPage(first) === first || version.agree('regionDelAddress');
  }

  /** Whether a section is one that no container maps. */
  #isUnmapped(first: number, last: number): boolean {
    if (!this.#unmapped.has(`${first}-${last}`)) return false;
    return !this.#machine.containers.all.some((container) => container.holdsExactly(first, last));
  }

  #noteRemoved(container: VfioContainer, first: number): void {
    const removed = this.#removed.get(container);
    if (removed === undefined) this.#removed.set(container, new Set([first]));
    else {
      removed.add(first);
      this.#machine.bounds.check('removed-sections', removed.size);
    }
  }

  /** Switches of address spaces are in the trace. */
  get #areSwitchesTraced(): boolean {
    return (
      this.#machine.isTraced('vtd_switch_address_space') ||
      this.#machine.isTraced('virtio_iommu_switch_address_space')
    );
  }

  get #arePermissionsTraced(): boolean {
    return WITH_PERMISSIONS.some((name) => this.#machine.isTraced(name));
  }

  /** How well the sections of a container are known that no line has given a device. */
  get #knowledgeOfSections(): Knowledge {
    const { attribution, losses } = this.#machine;
    if (losses.isAny) return 'doubtful';
    return attribution.startsUncertain ? 'partial' : 'whole';
  }

  #bind(bdf: number, container: VfioContainer): void {
    const space = this.#machine.attribution.named(bdf);
    space.container ??= container;
    this.#machine.attribution.contained();
    this.#space = space;
    this.#container = container;
  }

  #isBound(bdf: number): boolean {
    return bdf < 0 || (this.#machine.attribution.known(bdf)?.container ?? null) !== null;
  }

  /** VFIO maps whole host pages: a section's start is rounded up, its end down. */
  #hostPages(start: bigint, end: bigint): { first: number; last: number } {
    const size = BigInt(this.#machine.parameters.hostPageSize.value);
    const from = ((start + size - 1n) / size) * size;
    const to = ((end + 1n) / size) * size;
    return { first: pageOf(from), last: Number(to >> 12n) - 1 };
  }

  /** The device of a region by its name, or, in 7.2, by the switch before it. */
  spaceOfRegion(name: string): DeviceSpace | null {
    const { attribution } = this.#machine;
    const switched = this.#space?.bdf ?? this.#lastSwitch;
    const [, slot, fn] = REGION_NAME.exec(name) ?? [];
    if (name === AMD_REGION) {
      this.#machine.showsViommu(amdIommu);
      this.#machine.version.learn(lineMarks.amdRegion);
      return switched >= 0 ? attribution.named(switched) : attribution.singleDeviceOrNew;
    }
    const [, ofVirtio] = VIRTIO_REGION.exec(name) ?? [];
    if (ofVirtio !== undefined) {
      this.#machine.showsViommu(virtioIommu);
      const bdf = this.#ofRegions.get(name);
      if (bdf !== undefined) return attribution.named(bdf);
    } else if (slot === undefined || fn === undefined) {
      // A region of another kind of IOMMU has another name.
      if (name !== '') return null;
      return switched >= 0 ? attribution.named(switched) : attribution.singleDeviceOrNew;
    }
    const devfn = Number(ofVirtio ?? (Number.parseInt(slot ?? '', 16) << 3) | Number(fn));
    // The bus is not in the name; a device has one region.
    const taken = new Set(this.#ofRegions.values());
    const isSwitched = switched >= 0 && (switched & 0xff) === devfn && !taken.has(switched);
    return isSwitched ? attribution.named(switched) : attribution.ofFunction(devfn, taken);
  }

  /** The device whose IOMMU section goes away; null for a RAM section. */
  #spaceOfDeleted(name: string | null, range: AddressRange): SpaceOfSection {
    const { attribution } = this.#machine;
    const isNamed = name !== null && (name !== AMD_REGION || this.#lastSwitch >= 0);
    if (isNamed) return { space: this.spaceOfRegion(name), isSure: true };
    const holding = attribution.spaces.filter((space) => holdsNotifier(space, range));
    const switched = holding.find((space) => space === this.#space);
    if (switched !== undefined) return { space: switched, isSure: !this.#isSpaceGuessed };
    // A reset takes the device first that was registered last.
    const newest =
      name === AMD_REGION ? attribution.order.find((space) => holding.includes(space)) : null;
    return {
      space: newest ?? holding[0] ?? null,
      isSure: holding.length === 1 && attribution.isSingleDeviceSure,
    };
  }

  /**
   * The container of a RAM section: that of the device that was attached or switched before. Other
   * changes of the memory map go to all containers that are not translated, in the order in which
   * they were made.
   */
  #ownerOfSection(first: number, last: number, change: 'add' | 'delete'): ContainerOfSection {
    const { attribution, containers } = this.#machine;
    const [earliest] = containers.all;
    if (earliest === undefined) {
      this.#unattached = this.#machine.containers.make();
      return { container: this.#unattached, isSure: false };
    }
    if (containers.isSingleSure) return { container: earliest, isSure: true };
    const fits = (container: VfioContainer) => this.#fits(container, first, last, change);
    const placed = this.#container;
    if (placed !== null && fits(placed)) return { container: placed, isSure: true };
    const index = containers.all.findIndex(fits);
    const fitting = containers.all[index];
    if (fitting !== undefined) {
      const isNext = containers.all.every(
        (other, at) => other === fitting || this.#agrees(other, first, last, change, at < index),
      );
      // A switch of one device takes its sections, too, and in no such order.
      const isOrdered = attribution.isOrderSure && this.#areSwitchesTraced;
      return { container: fitting, isSure: isNext && isOrdered };
    }
    // A second copy of what the only container holds is another device's. A VM without a vIOMMU has
    // one container, whose sections may change shape: there only the same section is a copy.
    const { viommu } = this.#machine;
    const hasViommu = this.#areSwitchesTraced || !viommu.announcesWholeUnmaps;
    const isSecondCopy = hasViommu
      ? earliest.host.overlaps(first, last)
      : earliest.holdsExactly(first, last);
    const isAnothers = placed === null && change === 'add' && isSecondCopy;
    if (isAnothers) return { container: this.#machine.containers.make(), isSure: false };
    return { container: placed ?? containers.single, isSure: false };
  }

  /**
   * Whether a container agrees with a change of all: those before in the order have gone through it,
   * those behind have not. One that is translated has no part in it.
   */
  #agrees(
    container: VfioContainer,
    first: number,
    last: number,
    change: 'add' | 'delete',
    isBefore: boolean,
  ): boolean {
    if (this.#isTranslated(container)) return true;
    const isHeld = container.holdsExactly(first, last);
    if (change === 'add') return isBefore ? isHeld : !container.host.overlaps(first, last);
    return isBefore ? this.#removed.get(container)?.has(first) === true : isHeld;
  }

  /** Whether a section comes that the only container there is has already: then it is not the only one. */
  #isOfUnseen(first: number, last: number): boolean {
    const { isSingleSure, single } = this.#machine.containers;
    if (!isSingleSure || single === null) return false;
    const found = single.host.collect(first, last);
    for (let index = 0; index < found.count; index += 1) {
      if (isLiveSection(found.flags(index))) return true;
    }
    return false;
  }

  #isTranslated(container: VfioContainer): boolean {
    const spaces = this.#machine.attribution.devicesIn(container);
    return spaces.some(({ notifiers }) => notifiers.length > 0);
  }

  /** Whether a section can come into a container, or go from it. */
  #fits(container: VfioContainer, first: number, last: number, change: 'add' | 'delete'): boolean {
    if (this.#isTranslated(container)) return false;
    if (change === 'add') return !container.host.overlaps(first, last);
    return container.holdsExactly(first, last);
  }
}

/** True for a section of RAM, unless its removal failed and left it behind. */
function isLiveSection(flags: number): boolean {
  const left = mappingFlag.stale | mappingFlag.failed;
  return (flags & (mappingFlag.ram | left)) === mappingFlag.ram;
}

/** True for a section of an IOMMU, be it that its registration is not in the trace. */
function isOfIommu(range: AddressRange, viommu: Viommu): boolean {
  return viommu.notifierRanges.some((known) => isSameRange(known, range));
}

function holdsNotifier({ notifiers }: DeviceSpace, range: AddressRange): boolean {
  return notifiers.some((notifier) => isSameRange(notifier, range));
}
