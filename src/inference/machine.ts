import type { Place } from '../base/place.ts';
import type { Backend } from '../base/vocabulary.ts';
import type { Profile } from '../emulation/profiles/profile.ts';
import type { AddressRange, Viommu } from '../emulation/viommu/viommu.ts';
import { type EventName, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import type { BatchCursor } from '../events/cursor.ts';
import { Attribution } from './attribution.ts';
import { Bounds, TraceUse } from './bounds.ts';
import { Containers } from './containers.ts';
import { ContextEntries, EVERY_DEVICE, NO_DEVICE } from './context-entries.ts';
import type { DeviceSpace } from './device-space.ts';
import { DueNotifications } from './due-notifications.ts';
import { bdfOf } from './line.ts';
import { LostLines } from './lost-lines.ts';
import { Mappings } from './mappings.ts';
import type { OperationSink } from './operation.ts';
import { type ParameterOptions, Parameters } from './parameters.ts';
import { SeenEvents } from './seen-events.ts';
import { StatusWrites } from './status-writes.ts';
import { TracedRam } from './traced-ram.ts';
import { DirtyTracking } from './tracking.ts';
import { UnknownMessages } from './unknown-messages.ts';
import { UnownedMappings } from './unowned-mappings.ts';
import { UnseenMoves } from './unseen-moves.ts';
import { QemuVersion, type VersionHindsight, type WrittenBy } from './version.ts';
import type { VfioContainer } from './vfio-container.ts';

/** What the user fixed; null: to be found in the trace. */
export interface ModelOptions extends ParameterOptions {
  readonly qemu: Profile | null;
  readonly backend: Backend | null;
  /** Pages of RAM in all and below 4 GiB (-1: QEMU's default for the size). */
  readonly ram: { readonly total: number; readonly below: number } | null;
  readonly tracking: 'from-trace' | 'on' | 'off';
  /** What an earlier replay of the same boot learned of the version. */
  readonly versionHindsight?: VersionHindsight | null;
}

/** A device that can migrate prints them as it is made, and as the machine starts or stops. */
const OF_MIGRATABLE = ['vfio_migration_init', 'vfio_vmstate_change', 'vfio_save_setup'] as const;

const CC_DEVICE = kindOf('vtd_inv_desc_cc_device');
const CC_GLOBAL = kindOf('vtd_inv_desc_cc_global');
const atDevice = offsetsOf('vtd_inv_desc_cc_device');
/** Where the guest, or the next one, sets its IOMMU up; QEMU switches all devices. */
const SET_UP: ReadonlySet<number> = new Set([
  kindOf('vtd_dmar_enable'),
  kindOf('vtd_reg_dmar_root'),
  kindOf('vtd_reset_exit'),
]);

/**
 * The emulated machine: the components and counters that the parts of a session share. It knows
 * no events; the parts that read them are handed this.
 */
export class Machine {
  readonly options: ModelOptions;
  /** Where operations are reported. */
  readonly report: OperationSink;
  readonly bounds: Bounds;
  readonly unseenMoves = new UnseenMoves();
  readonly tracking: DirtyTracking;
  readonly attribution: Attribution;
  readonly contextEntries = new ContextEntries();
  readonly statusWrites = new StatusWrites();
  readonly version: QemuVersion;
  readonly parameters: Parameters;
  readonly ram: TracedRam;
  readonly seen = new SeenEvents();
  readonly unknownMessages = new UnknownMessages();
  readonly mappings: Mappings;
  readonly containers: Containers;
  readonly dueNotifications: DueNotifications;
  readonly unowned: UnownedMappings;
  readonly losses: LostLines;
  /** Line of the unmap in the middle of which the trace ends, after it set bits past the end of RAM; or 0. */
  diedAtLine = 0;
  /** Line at which the host first got tables of the guest's to walk itself; or 0. */
  nestedAtLine = 0;
  /** Line that is being replayed. */
  line = 0;
  /** The notifier whose registration has been seen and whose replay has not. */
  registering: { readonly space: DeviceSpace; readonly notifier: AddressRange } | null = null;

  /** Where the guest first invalidated something while the host held what QEMU had forgotten, and no line tells what. */
  skipsUnseen: Place | null = null;

  /** Where AMD-Vi first mapped again what it had mapped, in no dirty sync, and no message tells why. */
  changesUnseen: Place | null = null;
  /** Where a dirty sync first came of which no line tells what it found of what a device maps. */
  syncsUnseen: Place | null = null;

  /** The same, before a line has told whether anything was tracked: where nothing was, it found and forgot nothing. */
  earlySyncsUnseen: Place | null = null;

  /** Line at which dirty bits of the host were last asked for; or 0. */
  lastDirtyQueryLine = 0;

  /** Whole unmaps seen, one per notifier. */
  wholeUnmaps = 0;

  /** `use`: what the boots of the trace hold together. */
  constructor(options: ModelOptions, report: OperationSink, use = new TraceUse()) {
    this.options = options;
    this.report = report;
    this.bounds = new Bounds(use, () => this.line);
    this.tracking = new DirtyTracking(this.bounds);
    this.attribution = new Attribution(this.bounds);
    this.mappings = new Mappings(this.bounds);
    this.unowned = new UnownedMappings(this.bounds);
    this.version = new QemuVersion(options.qemu, options.versionHindsight);
    this.parameters = new Parameters(options);
    const { ram } = options;
    this.containers = new Containers(options.backend, this.attribution, this.bounds);
    this.dueNotifications = new DueNotifications(this.seen, this.attribution);
    this.losses = new LostLines(report, this.seen, this.attribution, this.tracking);
    this.attribution.onLostWalk = () => this.losses.doubtAll(this.line);
    this.attribution.onWholeWalk = (space, line) => this.#walkedWhole(space, line);
    this.ram = new TracedRam(ram);
  }

  /** What lines have shown the VM's IOMMU to be; VT-d until then. */
  get viommu(): Viommu {
    return this.attribution.viommu;
  }

  /** A line shows what the VM's IOMMU is. */
  showsViommu(viommu: Viommu): void {
    if (viommu === this.viommu) return;
    this.attribution.viommu = viommu;
    if (!viommu.hasWidth) this.parameters.fixedWidth(viommu);
  }

  /** A whole unmap can come mapping by mapping, in this version and behind this IOMMU. */
  get unmapsByNode(): boolean {
    return this.viommu.unmapsByNode && this.writtenBy.unmapInMigration !== null;
  }

  get profile(): Profile {
    return this.version.profile;
  }

  /** How the QEMU behaved that wrote the trace; another than `profile` where the user asks for one. */
  get writtenBy(): WrittenBy {
    return this.version.writtenBy;
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
    const { options } = this;
    const isAsTraced = options.tracking === 'from-trace' && options.qemu === null;
    if (!isAsTraced || container === null || this.deviceTrackingIn(container)) return false;
    return container.backend === 'legacy' && container.backendSource !== 'option';
  }

  /** All tables of a device were walked: the shadow is what the lines showed. */
  #walkedWhole(space: DeviceSpace, line: number): void {
    const isReplay = this.attribution.operation === 'replay';
    // Before 8.1 a replay leaves in the shadow what is in no table.
    if (isReplay && !this.writtenBy.replayClearsShadow) return;
    const { container } = space;
    const isAlone = container !== null && this.attribution.singleDeviceIn(container) !== null;
    if (isAlone && space.interval.knowledge === 'doubtful') {
      this.mappings.reconcile(container, space);
    }
    space.becomeKnown(line);
  }

  /**
   * Whether tracking is on for unmaps of a container: the user's word, else what the trace shows;
   * never where the host cannot track.
   */
  trackedIn(container: VfioContainer | null): boolean | null {
    if (this.options.tracking !== 'from-trace') return this.options.tracking === 'on';
    if (container?.backend === 'vfio-user') return false;
    if (container?.canTrack === false && !this.deviceTrackingIn(container)) return false;
    return this.tracking.started(this.profile);
  }

  /** Whether the devices of a container log their own DMA: as they said when they were made, else as tracking started. */
  deviceTrackingIn(container: VfioContainer | null): boolean {
    return container?.devicesLogDma ?? this.tracking.deviceTracking;
  }

  /**
   * The trace shows that devices do not log their own DMA: tracking has started without their saying
   * so, a bitmap was refused, or this version cannot.
   */
  get isDeviceLogRuledOut(): boolean {
    if (this.version.agree('legacyTracking') && this.profile.legacyTracking === 'saving')
      return true;
    if (this.parameters.hasRefusal) return true;
    const { all } = this.containers;
    if (all.length > 0 && all.every(({ devicesLogDma }) => devicesLogDma === false)) return true;
    return this.tracking.windows.length > 0 && !this.tracking.deviceTracking;
  }

  /** Whether VT-d unmaps by node instead of in pieces now; null: the trace does not show it. */
  get isInMigration(): boolean | null {
    const { unmapInMigration } = this.writtenBy;
    if (unmapInMigration === null || !this.viommu.unmapsByNode) return false;
    const { globalDirty, migrationRunning } = this.tracking;
    const shown = unmapInMigration.when === 'global-dirty' ? globalDirty : migrationRunning;
    if (shown !== null || this.options.tracking === 'from-trace') return shown;
    return this.options.tracking === 'on';
  }

  /**
   * Dirty syncs may reach devices: only of those that can migrate do they, and such a device says that it
   * runs, where VFIO's lines are all in the trace.
   */
  get maySyncDevices(): boolean {
    const { attribution, losses, seen } = this;
    const isAllTraced = seen.isTraced('vfio_device_get') || seen.isTraced('vfio_get_device');
    if (!isAllTraced || attribution.startsUncertain || losses.isAny) return true;
    return OF_MIGRATABLE.some((name) => seen.isTraced(name));
  }

  /**
   * The only device that has translations, as far as the trace shows them all from its start: the
   * walks of which it has no lines are of its tables.
   */
  get singleTranslated(): DeviceSpace | null {
    const { attribution, contextEntries } = this;
    const bdf = attribution.isUndoubted ? contextEntries.singlePresent : null;
    if (bdf === null) return null;
    return attribution.maybeAssigned(attribution.known(bdf)) ? attribution.named(bdf) : null;
  }

  /** The session is over. */
  finish(): void {
    for (const space of this.attribution.spaces) space.finish(this.line);
    this.losses.finish();
    this.bounds.release();
  }
}
