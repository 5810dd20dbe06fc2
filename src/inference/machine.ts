import type { RangeScratch } from '../base/page-range-map.ts';
import type { Place } from '../base/place.ts';
import type { Backend } from '../base/vocabulary.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import { RamLayout } from '../emulation/ram-layout.ts';
import { mappingFlag } from '../emulation/viommu/intel/iova-tree.ts';
import type { AddressRange } from '../emulation/viommu/viommu.ts';
import { type EventName, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { Attribution } from './attribution.ts';
import { ContextEntries, EVERY_DEVICE, NO_DEVICE } from './context-entries.ts';
import { bdfOf } from './line.ts';
import { LostLines } from './lost-lines.ts';
import type { OperationSink } from './operation.ts';
import { type ParameterOptions, Parameters } from './parameters.ts';
import { SeenEvents } from './seen-events.ts';
import { StatusWrites } from './status-writes.ts';
import { DirtyTracking } from './tracking.ts';
import { QemuVersion, type Writer } from './version.ts';
import { VfioContainer } from './vfio-container.ts';
import type { VtdAddressSpace } from './vtd-address-space.ts';

/** What the user fixed; null: to be found in the trace. */
export interface ModelOptions extends ParameterOptions {
  readonly qemu: Profile | null;
  readonly backend: Backend | null;
  /** Pages of RAM in all and below 4 GiB (-1: QEMU's default for the size). */
  readonly ram: { readonly total: number; readonly below: number } | null;
  readonly tracking: 'from-trace' | 'on' | 'off';
}

const CC_DEVICE = kindOf('vtd_inv_desc_cc_device');
const CC_GLOBAL = kindOf('vtd_inv_desc_cc_global');
const atDevice = offsetsOf('vtd_inv_desc_cc_device');
/** Where the guest, or the next one, sets its IOMMU up; QEMU switches all devices. */
const SET_UP: ReadonlySet<number> = new Set([
  kindOf('vtd_dmar_enable'),
  kindOf('vtd_reg_dmar_root'),
  kindOf('vtd_reset_exit'),
]);

/** A guest that uses its IOMMU makes QEMU print some of them. */
const OF_USE: readonly EventName[] = [
  'vtd_dmar_enable',
  'vtd_reg_dmar_root',
  'vtd_inv_desc_cc_global',
  'vtd_inv_desc_cc_device',
  'vtd_inv_desc_cc_devices',
  'vtd_inv_desc_iotlb_global',
  'vtd_inv_desc_iotlb_domain',
  'vtd_inv_desc_iotlb_pages',
];

/**
 * The emulated machine: the components and counters that the parts of a session share. It knows
 * no events; the parts that read them are handed this.
 */
export class Machine {
  readonly options: ModelOptions;
  /** Where operations are reported. */
  readonly report: OperationSink;
  readonly tracking = new DirtyTracking();
  readonly attribution = new Attribution();
  readonly contextEntries = new ContextEntries();
  readonly statusWrites = new StatusWrites();
  readonly version: QemuVersion;
  readonly parameters: Parameters;
  readonly ram: RamLayout;
  readonly containers: VfioContainer[] = [];
  readonly seen = new SeenEvents();
  readonly losses: LostLines;
  /** Line of the unmap in the middle of which the trace ends, after it set bits past the end of RAM; or 0. */
  diedAtLine = 0;
  /** Line at which the host first got tables of the guest's to walk itself; or 0. */
  nestedAtLine = 0;
  /** Line that is being replayed. */
  line = 0;
  /** Devices that were ever switched to translation, VFIO's and others, by bus << 8 | devfn. */
  readonly translated = new Set<number>();
  /** Where a device of VFIO was first switched to translation by a command that is not in the trace. */
  switchUnexplained: Place | null = null;
  /** A walk found what concerns a notifier. */
  wasNotificationDue = false;
  /** The whole space of a device of VFIO was unmapped. */
  wasUnmappedWhole = false;
  /** The notifier whose registration has been seen and whose replay has not. */
  registering: { readonly space: VtdAddressSpace; readonly notifier: AddressRange } | null = null;

  /** Where the guest first invalidated something while the host held what QEMU had forgotten, and no line tells what. */
  skipsUnseen: Place | null = null;

  /** Whole unmaps seen, one per notifier. */
  wholeUnmaps = 0;
  hostNow = 0;
  hostPeak = 0;
  shadowNow = 0;
  shadowPeak = 0;

  constructor(options: ModelOptions, report: OperationSink) {
    this.options = options;
    this.report = report;
    this.version = new QemuVersion(options.qemu);
    this.parameters = new Parameters(options);
    const { ram } = options;
    this.losses = new LostLines(report, this.seen, this.attribution, this.tracking);
    this.attribution.onLostWalk = () => this.losses.doubtAll(this.line);
    this.attribution.onWholeWalk = (space, line) => this.#walkedWhole(space, line);
    this.ram = ram === null ? new RamLayout() : RamLayout.fromOptions(ram.total, ram.below);
  }

  get profile(): Profile {
    return this.version.profile;
  }

  /** How the QEMU behaved that wrote the trace; another than `profile` where the user asks for one. */
  get writer(): Writer {
    return this.version.writer;
  }

  isTraced(name: EventName): boolean {
    return this.seen.isTraced(name);
  }

  get hasWalks(): boolean {
    return this.seen.hasWalks;
  }

  get hasNotifications(): boolean {
    return this.seen.hasNotifications;
  }

  get hasMessages(): boolean {
    return this.seen.hasMessages;
  }

  /** The listener's lines are in the trace, and nothing that makes QEMU notify VFIO. */
  get hadNothingToNotify(): boolean {
    const isTold =
      this.isTraced('vfio_listener_region_add_ram') ||
      this.isTraced('vfio_listener_region_add_iommu');
    if (!isTold || this.wasNotificationDue || this.wasUnmappedWhole) return false;
    // Once the guest uses its IOMMU, only the switches tell that no device is translated.
    const isUsed = OF_USE.some((name) => this.isTraced(name));
    return !isUsed || (this.isTraced('vtd_switch_address_space') && !this.#wasTranslated);
  }

  /** A device that may be VFIO's was switched to translation. */
  get #wasTranslated(): boolean {
    const owners = this.attribution.spaces.filter(({ container }) => container !== null);
    if (owners.length === 0) return this.translated.size > 0;
    return owners.some(({ bdf }) => bdf === null || this.translated.has(bdf));
  }

  /** A command of the guest begins, or a reset. */
  commanded(cursor: BatchCursor): void {
    const { kind } = cursor;
    this.statusWrites.command(kind);
    if (SET_UP.has(kind)) this.statusWrites.restart();
    if (kind === CC_DEVICE) this.contextEntries.command(bdfOf(cursor, atDevice));
    else if (kind === CC_GLOBAL || SET_UP.has(kind)) this.contextEntries.command(EVERY_DEVICE);
    else this.contextEntries.command(NO_DEVICE);
  }

  /**
   * Whether QEMU would have refused a bitmap for a tracked unmap: where the trace itself, and not the
   * user, says that it was tracked, and by what.
   */
  wouldRefuse(container: VfioContainer | null): boolean {
    const { options, tracking } = this;
    const isAsTraced = options.tracking === 'from-trace' && options.qemu === null;
    if (!isAsTraced || tracking.deviceTracking || container === null) return false;
    return container.backend === 'legacy' && container.backendSource !== 'option';
  }

  /** All tables of a device were walked: the shadow is what the lines showed. */
  #walkedWhole(space: VtdAddressSpace, line: number): void {
    const isReplay = this.attribution.operation === 'replay';
    // Before 8.1 a replay leaves in the shadow what is in no table.
    if (isReplay && !this.writer.replayClearsShadow) return;
    if (space.interval.knowledge === 'doubtful') this.#reconcile(space);
    space.becomeKnown(line);
  }

  /** Takes out of the host map what a lost UNMAP must have, and puts in what a lost MAP must have. */
  #reconcile(space: VtdAddressSpace): void {
    const { container, shadow } = space;
    if (container === null || this.attribution.onlyIn(container) === null) return;
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

  /**
   * Whether tracking is on for unmaps of a container: the user's word, else what the trace shows;
   * never where the host cannot track.
   */
  trackedIn(container: VfioContainer | null): boolean | null {
    if (this.options.tracking !== 'from-trace') return this.options.tracking === 'on';
    if (container?.backend === 'vfio-user') return false;
    if (container?.canTrack === false && !this.tracking.deviceTracking) return false;
    return this.tracking.started(this.profile);
  }

  /**
   * The trace shows that devices do not log their own DMA: tracking has started without their saying
   * so, a bitmap was refused, or this version cannot.
   */
  get isDeviceLogTold(): boolean {
    if (this.version.agree('legacyTracking') && this.profile.legacyTracking === 'saving')
      return true;
    if (this.parameters.hasRefusal) return true;
    return this.tracking.windows.length > 0 && !this.tracking.deviceTracking;
  }

  /** Whether VT-d unmaps by node instead of in pieces now; null: the trace does not show it. */
  get isInMigration(): boolean | null {
    const { unmapInMigration } = this.writer;
    if (unmapInMigration === null) return false;
    const { globalDirty, migrationRunning } = this.tracking;
    const shown = unmapInMigration.when === 'global-dirty' ? globalDirty : migrationRunning;
    if (shown !== null || this.options.tracking === 'from-trace') return shown;
    return this.options.tracking === 'on';
  }

  /**
   * The only device that has translations, as far as the trace shows them all from its start: the
   * walks of which it has no lines are of its tables.
   */
  get onlyTranslated(): VtdAddressSpace | null {
    const { attribution, contextEntries } = this;
    const bdf = attribution.isUndoubted ? contextEntries.only : null;
    if (bdf === null) return null;
    return attribution.mayBeVfios(attribution.known(bdf)) ? attribution.named(bdf) : null;
  }

  /** The container of a device; made where no line has shown one. */
  containerOf(space: VtdAddressSpace): VfioContainer {
    if (space.container !== null) return space.container;
    const free = this.containers.filter(
      (container) => this.attribution.inContainer(container).length === 0,
    );
    space.container = free.length === 1 ? (free[0] as VfioContainer) : this.newContainer();
    this.attribution.contained();
    return space.container;
  }

  newContainer(): VfioContainer {
    const container = new VfioContainer(`container-${this.containers.length}`);
    const sibling = this.containers.find((known) => known.backendSource !== 'assumed');
    if (this.options.backend !== null) {
      container.setBackend(this.options.backend, 'option', '--backend');
    } else if (sibling !== undefined) {
      container.setBackend(sibling.backend, 'derived', `like ${sibling.id}`);
    }
    this.containers.push(container);
    return container;
  }

  /** The device whose container QEMU prints as `pointer`; null where nobody knows, or several share it. */
  deviceAt(pointer: string): VtdAddressSpace | null {
    if (pointer === '') return null;
    const container = this.containers.find((known) => known.pointer === pointer);
    return container === undefined ? null : this.attribution.onlyIn(container);
  }

  /** The session is over. */
  finish(): void {
    for (const space of this.attribution.spaces) space.finish(this.line);
    this.losses.finish();
  }

  /** The only container is the only one there is, and not just the only one so far. */
  get isOnlyContainerSure(): boolean {
    return this.containers.length === 1 && this.attribution.isOnlySure;
  }

  /** The only container, or null. */
  get onlyContainer(): VfioContainer | null {
    return this.containers.length === 1 ? (this.containers[0] as VfioContainer) : null;
  }

  hostMap(
    container: VfioContainer,
    first: number,
    last: number,
    gpa: number,
    flags: number,
  ): boolean {
    const before = container.host.size;
    const inserted = container.map(first, last, gpa, flags);
    this.#hostChanged(container.host.size - before);
    return inserted;
  }

  /** Takes out of the host map what an unmap that returned `result` removes. */
  hostUnmap(container: VfioContainer, first: number, last: number, result: number): void {
    const before = container.host.size;
    container.unmap(first, last, result);
    this.#hostChanged(container.host.size - before);
  }

  /** Takes out what turns out not to be mapped. */
  hostForget(container: VfioContainer, first: number, last: number): void {
    const before = container.host.size;
    container.forget(first, last);
    this.#hostChanged(container.host.size - before);
  }

  shadowInsert(
    space: VtdAddressSpace,
    first: number,
    last: number,
    gpa: number,
    flags: number,
  ): void {
    if (!space.shadow.insert(first, last, gpa, flags)) return;
    this.shadowNow += 1;
    if (this.shadowNow > this.shadowPeak) this.shadowPeak = this.shadowNow;
  }

  shadowRemove(space: VtdAddressSpace, first: number, last: number): RangeScratch {
    const removed = space.shadow.remove(first, last);
    this.shadowNow -= removed.count;
    return removed;
  }

  shadowClear(space: VtdAddressSpace): void {
    this.shadowNow -= space.shadow.size;
    space.shadow.clear();
  }

  #hostChanged(by: number): void {
    this.hostNow += by;
    if (this.hostNow > this.hostPeak) this.hostPeak = this.hostNow;
  }
}
