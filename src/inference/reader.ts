import { NO_TIME, type Place } from '../base/place.ts';
import { mappingFlag } from '../emulation/viommu/intel/iova-tree.ts';
import { NO_THREAD } from '../events/batch.ts';
import { type EventName, eventNames, kindOf, offsetsOf } from '../events/catalogue/index.ts';
import { lossKinds } from '../events/catalogue/notes.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { Operation, Scope } from './attribution.ts';
import { BackendLines } from './backend-lines.ts';
import { bdfOf, placeOf } from './line.ts';
import type { LossId } from './losses.ts';
import { Machine, type ModelOptions } from './machine.ts';
import { FailureMessages } from './messages.ts';
import type { OperationSink } from './operation.ts';
import { PageWalks } from './page-walks.ts';
import { PendingUnmaps } from './pending-unmaps.ts';
import { VfioListener } from './sections.ts';
import { ShadowDrift } from './shadow-drift.ts';
import { StaleMappings } from './stale-mappings.ts';
import { TraceStart } from './trace-start.ts';
import { eventMarks, lineMarks } from './version.ts';
import type { VtdAddressSpace } from './vtd-address-space.ts';
import { WholeUnmaps } from './whole-unmaps.ts';

const at = {
  switch: offsetsOf('vtd_switch_address_space'),
  replay: offsetsOf('vtd_replay_ce_valid'),
  replayInvalid: offsetsOf('vtd_replay_ce_invalid'),
  absent: offsetsOf('vtd_ce_not_present'),
  ccUpdate: offsetsOf('vtd_iotlb_cc_update'),
  ccDevice: offsetsOf('vtd_inv_desc_cc_device'),
  iotlbDomain: offsetsOf('vtd_inv_desc_iotlb_domain'),
  iotlbPages: offsetsOf('vtd_inv_desc_iotlb_pages'),
  waitSw: offsetsOf('vtd_inv_desc_wait_sw'),
  notify: offsetsOf('vfio_iommu_map_notify'),
  dirtyBitmap: offsetsOf('vfio_get_dirty_bitmap'),
  queryDirty: offsetsOf('vfio_container_query_dirty_bitmap'),
  iommufdDirty: offsetsOf('iommufd_backend_get_dirty_bitmap'),
  misalignment: offsetsOf('vfio_known_safe_misalignment'),
  saving: offsetsOf('vfio_save_setup'),
  vmstate: offsetsOf('vfio_vmstate_change'),
  mask: offsetsOf('global_dirty_changed'),
  state: offsetsOf('migrate_set_state'),
  start: offsetsOf('session:start'),
  argument: offsetsOf('session:argument'),
  name: offsetsOf('session:name'),
  end: offsetsOf('session:end'),
  loss: offsetsOf('trace:loss'),
} as const;

const WALK = kindOf('vtd_page_walk_one');
const SKIP_MAP = kindOf('vtd_page_walk_one_skip_map');
const SKIP_UNMAP = kindOf('vtd_page_walk_one_skip_unmap');
const LEVEL = kindOf('vtd_page_walk_level');
const NOTIFY = kindOf('vfio_iommu_map_notify');
const WHOLE = kindOf('vtd_as_unmap_whole');
/** `op` of a notification, as the catalogue numbers it. */
const OP_MAP = 1;

/**
 * Lines that may stand between an unmap and what belongs to it: QEMU's messages, the backend's own
 * lines, and lines of threads that do not hold QEMU's big lock.
 */
const ANNOTATIONS: ReadonlySet<EventName> = new Set<EventName>([
  'message:bitmap-too-big',
  'message:dma-unmap-failed',
  'message:dma-map-failed',
  'message:known',
  'message:unknown',
  'migrate_error',
  'migrate_fd_error',
  'migrate_set_state',
  'dirtyrate_set_state',
  'iommufd_backend_map_dma',
  'iommufd_backend_map_file_dma',
  'iommufd_backend_unmap_dma',
  'iommufd_backend_unmap_dma_non_exist',
  'iommufd_backend_get_dirty_bitmap',
  'vfio_user_dma_map',
  'vfio_user_dma_unmap',
  'vfio_container_query_dirty_bitmap',
  'vfio_get_dirty_bitmap',
  'vtd_pasid_cache_reset',
  'session:end',
  'trace:loss',
]);

/** By event number: 1 where its line ends everything that is still open. */
const CLOSES = Uint8Array.from(eventNames, (name, kind) =>
  ANNOTATIONS.has(name) || kind === NOTIFY || kind === WHOLE || kind === WALK ? 0 : 1,
);

/** By event number: 1 where what the line says is said with it, and nothing is left open. */
const LEAVES_NOTHING_OPEN = Uint8Array.from(eventNames, (_, kind) =>
  kind === SKIP_MAP || kind === SKIP_UNMAP || kind === LEVEL ? 1 : 0,
);

type Handler = (cursor: BatchCursor) => void;
type On = (name: EventName, handler: Handler) => void;

export interface SessionOptions extends ModelOptions {
  /** The trace's own stamps show QEMU's version, as those of the log backend do. */
  readonly stampsTellVersion: boolean;
}

/**
 * One boot of one VM: the emulated machine, fed with the events of a trace in order.
 *
 * Routes each event to the part that it concerns, and ends what was open before it: an unmap whose
 * messages may still have come, the chunks of a whole unmap, a command that announced one.
 */
export class Session {
  readonly machine: Machine;
  readonly unmaps: PendingUnmaps;

  /** The guest's name, where a line told it. */
  vm: string | null = null;
  firstLine = 0;
  /** The trace shows the machine from its start. */
  startsAtBoot = false;
  /** What QEMU or libvirt said when QEMU ended, or ''. */
  ending = '';

  readonly #stampsTellVersion: boolean;
  readonly #start = new TraceStart();
  readonly #stale: StaleMappings;
  readonly #walks: PageWalks;
  readonly #whole: WholeUnmaps;
  readonly #drift: ShadowDrift;
  #lastOffset = 0;
  readonly #listener: VfioListener;
  readonly #backends: BackendLines;
  readonly #failures: FailureMessages;
  readonly #handlers: Handler[];
  /** Something may be open that the next line ends. */
  #isOpen = false;

  constructor(options: SessionOptions, report: OperationSink) {
    this.#stampsTellVersion = options.stampsTellVersion;
    this.machine = new Machine(options, report);
    this.#stale = new StaleMappings(this.machine);
    this.unmaps = new PendingUnmaps(this.machine, this.#stale);
    this.#walks = new PageWalks(this.machine, this.unmaps, this.#stale);
    this.#whole = new WholeUnmaps(this.machine, this.unmaps, this.#stale, this.#walks);
    this.#drift = new ShadowDrift(this.machine);
    this.#listener = new VfioListener(this.machine, this.unmaps, this.#walks);
    this.#backends = new BackendLines(this.machine, this.unmaps, this.#walks, this.#listener);
    this.#failures = new FailureMessages(this.machine, this.unmaps, this.#walks);
    this.#handlers = eventNames.map(() => () => {});
    this.#route((name, handler) => {
      this.#handlers[kindOf(name)] = handler;
    });
    this.#learnVersion();
  }

  get lastLine(): number {
    return this.machine.line;
  }

  /** Takes the event that the cursor stands on. */
  apply(cursor: BatchCursor): void {
    const { kind } = cursor;
    this.machine.seen.count(kind);
    if (!this.#start.isSettled) this.#begin(cursor);
    this.machine.line = cursor.line;
    this.#lastOffset = cursor.byteOffset;
    if (this.#isOpen && CLOSES[kind] === 1) this.#close(cursor);
    // Nearly all lines of a long trace are of these kinds; calls through the table are dearer.
    if (kind === WALK) this.#walked(cursor);
    else if (kind === NOTIFY) this.#notified(cursor);
    else if (kind === SKIP_MAP) this.#walks.skippedMap(cursor);
    else if (kind === SKIP_UNMAP) this.#walks.skippedUnmap(cursor);
    else if (kind === LEVEL) this.#walks.level(cursor);
    else (this.#handlers[kind] as Handler)(cursor);
    if (LEAVES_NOTHING_OPEN[kind] === 0) this.#isOpen = true;
  }

  /** True where the newest lines are such that QEMU's message at the cursor can be about them. */
  awaits(cursor: BatchCursor): boolean {
    return this.#failures.concerns(cursor);
  }

  /** Lines are missing that may have been of this machine. */
  loseLines(id: LossId, mark: Place, numbers: readonly number[] = []): void {
    this.machine.losses.report(id, mark, null, numbers);
  }

  /** The trace, or this boot, is over. */
  finish(): void {
    const isCutShort = this.#walks.isOpen || this.#whole.isOpen;
    const endsInUnmap = this.unmaps.single !== null || this.#whole.isOpen;
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    this.#walks.finish();
    this.#whole.release(true);
    this.#whole.finish(null);
    this.#failures.finish();
    if (endsInUnmap) this.machine.diedAtLine = this.unmaps.pastRamLine;
    if (!isCutShort) {
      this.#drift.finish({ line: this.lastLine, byteOffset: this.#lastOffset, time: null });
    }
    this.machine.finish();
  }

  /** The first lines of interest. */
  #begin(cursor: BatchCursor): void {
    if (this.firstLine === 0) this.firstLine = cursor.line;
    this.#start.take(cursor);
    this.startsAtBoot = this.#start.isAtBoot;
    this.machine.attribution.startsUncertain = this.#start.isSettled && !this.startsAtBoot;
  }

  /** Ends everything that is open before a line that is not part of it. */
  #close(cursor: BatchCursor): void {
    this.#isOpen = false;
    this.#failures.finish();
    this.#closeUnmaps(cursor);
    this.#walks.end(cursor);
    this.#whole.justClosed = null;
  }

  #closeUnmaps(cursor: BatchCursor): void {
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    this.#whole.release();
    this.#whole.finish(cursor);
  }

  // --- Routes --------------------------------------------------------------------------------------

  #route(on: On): void {
    this.#routeWalks(on);
    this.#routeCommands(on);
    this.#routeListener(on);
    this.#routeBackends(on);
    this.#routeTracking(on);
    this.#routeMessages(on);
    this.#routeSession(on);
  }

  /** Some events show QEMU's version, whatever else they are for. */
  #learnVersion(): void {
    for (const [name, mark] of Object.entries(eventMarks)) {
      const kind = kindOf(name as EventName);
      const handle = this.#handlers[kind] as Handler;
      this.#handlers[kind] = (cursor) => {
        this.machine.version.learn(mark);
        handle(cursor);
      };
    }
  }

  #routeWalks(on: On): void {
    on('vtd_page_walk_skip_read', (cursor) => this.#walks.unusable(cursor));
    on('vtd_page_walk_skip_reserve', (cursor) => this.#walks.unusable(cursor));
    on('vtd_as_unmap_whole', (cursor) => {
      this.unmaps.commitSingle();
      this.#walks.commitPendingMap();
      this.#walks.end(cursor);
      this.#whole.close(cursor);
    });
    on('vtd_replay_ce_valid', (cursor) => {
      const space = this.machine.attribution.named(bdfOf(cursor, at.replay));
      this.#replayed(space, cursor);
      space.domain = cursor.u32(at.replay.domain);
      space.isDomainKnown = true;
      space.rootPage = cursor.page(at.replay.lo);
      space.isRootKnown = true;
    });
    on('vtd_replay_ce_invalid', (cursor) => {
      this.#replayed(this.machine.attribution.named(bdfOf(cursor, at.replayInvalid)), cursor);
    });
  }

  #walked(cursor: BatchCursor): void {
    if (!this.#walks.isSound(cursor)) {
      this.machine.losses.report('impossible-walk', cursor);
      return;
    }
    this.#walks.recogniseChange(cursor);
    this.#close(cursor);
    this.#walks.event(cursor);
  }

  #notified(cursor: BatchCursor): void {
    const first = cursor.page(at.notify.start);
    const last = cursor.page(at.notify.end);
    const isWhole =
      (cursor.low(at.notify.start) & 0xfff) === 0 && (cursor.low(at.notify.end) & 0xfff) === 0xfff;
    if (last < first || !isWhole) {
      this.machine.losses.report('impossible-notification', cursor);
      return;
    }
    if (cursor.u32(at.notify.op) === OP_MAP) {
      this.#closeUnmaps(cursor);
      this.#walks.mapped(cursor, first, last);
      return;
    }
    this.unmaps.commitSingle();
    this.#walks.commitPendingMap();
    if (this.#walks.unmap(cursor, first, last)) return;
    if (this.#whole.take(cursor, first, last)) return;
    this.#walks.unexplainedUnmap(cursor, first, last);
  }

  /** `vtd_iommu_replay`: from 8.1 on it empties the device's whole shadow first. */
  #replayed(space: VtdAddressSpace, cursor: BatchCursor): void {
    this.#drift.replaying(space, placeOf(cursor));
    const { attribution, hasWalks, registering, writtenBy } = this.machine;
    if (writtenBy.replayClearsShadow) {
      // Where walks are not in the trace, what it finds again shows only as a device gets translated.
      const isFirst = registering !== null && space.notifiers.length === 1;
      if (hasWalks || isFirst) this.machine.mappings.shadowClear(space);
      // What the walk does not find again, QEMU has forgotten and the host still maps.
      space.container?.host.setFlags(0, Number.MAX_SAFE_INTEGER, 0, mappingFlag.kept);
    }
    this.#stale.replayed(space);
    // One replay belongs to each registration; what comes after it are dirty syncs.
    this.machine.registering = null;
    this.#walks.replayedNotifier = registering === null ? null : registering.notifier;
    // Where the region has no name, the switch of the device may be a line that is missing.
    if (registering !== null && registering.space !== space) {
      this.#listener.moveNotifier(registering.space, space, registering.notifier, cursor);
    }
    attribution.enrol();
    this.#listener.checkRegistered(space, cursor);
    attribution.replay(space);
    this.machine.losses.reportHole(cursor);
  }

  #routeCommands(on: On): void {
    const { attribution } = this.machine;
    const everything = (cursor: BatchCursor) => this.#refreshAll(cursor);
    const idle = (cursor: BatchCursor) => this.#command(cursor, 'idle');
    on('vtd_inv_desc_cc_global', everything);
    // Treated as global: that line follows, and brings what there is to bring.
    on('vtd_inv_desc_cc_domain', idle);
    on('vtd_dmar_enable', everything);
    on('vtd_reg_dmar_root', everything);
    on('vtd_reset_exit', everything);
    on('vtd_inv_desc_cc_devices', (cursor) => {
      attribution.beginDevices();
      this.machine.commanded(cursor);
      this.machine.losses.reportHole(cursor);
      this.#listener.forget();
    });
    on('vtd_inv_desc_wait_sw', (cursor) => {
      idle(cursor);
      attribution.waits();
      const [page, low] = [cursor.page(at.waitSw.addr), cursor.low(at.waitSw.addr)];
      if (!this.machine.statusWrites.wrote(page, low)) return;
      this.machine.losses.report('invalidations', cursor);
    });
    on('vtd_inv_desc_cc_device', (cursor) => {
      this.#command(cursor, 'device', this.#commandedDevice(bdfOf(cursor, at.ccDevice)));
    });
    on('vtd_inv_desc_iotlb_global', (cursor) => this.#invalidated(cursor, 'all-walks'));
    on('vtd_inv_desc_iotlb_domain', (cursor) => {
      const domain = cursor.u32(at.iotlbDomain.domain);
      this.#invalidated(cursor, 'domain', { domain, first: 0, end: 0 });
    });
    on('vtd_inv_desc_iotlb_pages', (cursor) => {
      const { domain, addr, mask } = at.iotlbPages;
      const first = cursor.page(addr);
      const end = first + 2 ** cursor.u32(mask);
      this.#invalidated(cursor, 'domain', { domain: cursor.u32(domain), first, end });
    });
    on('vtd_inv_desc_iotlb_pasid', idle);
    on('vtd_inv_desc_iotlb_pasid_pages', idle);
    const switching = (cursor: BatchCursor) => {
      idle(cursor);
      attribution.refreshAll();
    };
    on('vtd_inv_desc_pasid_cache_gsi', switching);
    on('vtd_inv_desc_pasid_cache_dsi', switching);
    on('vtd_inv_desc_pasid_cache_psi', switching);
    on('vtd_ce_not_present', (cursor) => {
      // The look-up of a replay, which says so itself in the next line.
      if (this.machine.registering !== null) return;
      const bdf = (cursor.u32(at.absent.bus) << 8) | cursor.u32(at.absent.devfn);
      this.machine.contextEntries.absent(bdf);
      const unmapped = attribution.absent(bdf);
      this.machine.losses.reportHole(cursor);
      if (unmapped !== null) this.#whole.announce([unmapped], cursor);
    });
    on('vtd_iotlb_cc_update', (cursor) => {
      const bdf = (cursor.u32(at.ccUpdate.bus) << 8) | cursor.u32(at.ccUpdate.devfn);
      const space = attribution.known(bdf);
      if (space === undefined) return;
      space.rootPage = cursor.page(at.ccUpdate.lo);
      space.isRootKnown = true;
      space.domain = (cursor.low(at.ccUpdate.hi) >>> 8) & 0xffff;
      space.isDomainKnown = true;
    });
    on('vtd_switch_address_space', (cursor) => this.#listener.switched(cursor));
  }

  /** QEMU unmaps the whole space of every device with notifiers, and switches all devices. */
  #refreshAll(cursor: BatchCursor): void {
    const isInvalidation = cursor.kind === kindOf('vtd_inv_desc_cc_global');
    this.#command(cursor, isInvalidation ? 'all-devices' : 'idle');
    this.machine.attribution.refreshAll();
    this.#whole.announce(this.machine.attribution.order, cursor);
  }

  /** An IOTLB invalidation; the walks that follow tell more of it, where they are traced. */
  #invalidated(cursor: BatchCursor, operation: 'all-walks' | 'domain', scope?: Scope): void {
    this.#command(cursor, operation, null, scope);
    if (this.machine.isTraced('vtd_page_walk_level')) return;
    this.#stale.walked(null, 0, Number.MAX_SAFE_INTEGER, cursor);
  }

  #command(
    cursor: BatchCursor,
    operation: Exclude<Operation, 'replay'>,
    space: VtdAddressSpace | null = null,
    scope?: Scope,
  ): void {
    this.machine.commanded(cursor);
    this.machine.attribution.begin(operation, space, scope);
    this.machine.losses.reportHole(cursor);
    this.#drift.replayEnded();
    this.#listener.forget();
  }

  /** Devices that VFIO has nothing to do with need no space; without listener lines, one may. */
  #commandedDevice(bdf: number): VtdAddressSpace | null {
    const { attribution } = this.machine;
    const known = attribution.likely(bdf);
    if (known !== undefined) return known;
    const isTraced = this.machine.isTraced('vfio_listener_region_add_iommu');
    return isTraced || attribution.spaces.length > 1 ? null : attribution.named(bdf);
  }

  #routeListener(on: On): void {
    on('vtd_device_attach_hwpt', (cursor) => {
      this.machine.nestedAtLine ||= cursor.line;
    });
    const attached = (cursor: BatchCursor) => {
      this.machine.attribution.enrol();
      this.#listener.attached(cursor);
    };
    on('vfio_realize', attached);
    on('vfio_attach_device', attached);
    on('vfio_device_attach', attached);
    on('iommufd_cdev_connect_and_bind', attached);
    on('vfio_listener_region_add_iommu', (cursor) => {
      const space = this.#listener.addIommu(cursor);
      // Before 8.1 the replay that follows begins with a whole unmap.
      if (space !== null && !this.machine.writtenBy.replayClearsShadow) {
        this.#whole.announce([], cursor);
      }
    });
    on('vfio_listener_region_del_iommu', (cursor) => this.#listener.deleteIommu(cursor));
    on('vfio_listener_region_add_ram', (cursor) => this.#listener.addRam(cursor));
    on('vfio_listener_region_del', (cursor) => this.#listener.delete(cursor));
  }

  #routeBackends(on: On): void {
    on('iommufd_cdev_alloc_ioas', (cursor) => this.#backends.allocatedIoas(cursor));
    on('iommufd_backend_alloc_hwpt', (cursor) => this.#backends.allocatedHwpt(cursor));
    on('iommufd_backend_map_dma', (cursor) => this.#backends.mapped(cursor));
    on('iommufd_backend_map_file_dma', (cursor) => this.#backends.mapped(cursor));
    on('iommufd_backend_unmap_dma', (cursor) => this.#backends.unmapped(cursor));
    on('iommufd_backend_unmap_dma_non_exist', (cursor) => this.#backends.unmapped(cursor));
    on('vfio_user_version', (cursor) => this.#backends.vfioUserVersion(cursor));
    on('vfio_user_dma_map', (cursor) => this.#backends.vfioUserMapped(cursor));
    on('vfio_user_dma_unmap', (cursor) => this.#backends.vfioUserUnmapped(cursor));
  }

  #routeTracking(on: On): void {
    const { parameters, tracking, version } = this.machine;
    on('global_dirty_changed', (cursor) => {
      const mask = cursor.u32(at.mask.mask);
      const mark = placeOf(cursor);
      if (tracking.missesChange(mask, this.startsAtBoot)) {
        this.machine.losses.report('tracking-change', mark);
      }
      tracking.setMask(mask, mark);
    });
    on('migrate_set_state', (cursor) => {
      tracking.setMigrationState(cursor.text(at.state.state), placeOf(cursor));
    });
    on('vfio_save_setup', (cursor) => tracking.saveSetup(cursor.text(at.saving.name)));
    on('vfio_save_cleanup', (cursor) => tracking.saveCleanup(cursor.text(at.saving.name)));
    on('vfio_vmstate_change', (cursor) => {
      tracking.setRunning(cursor.i32(at.vmstate.running) !== 0);
    });
    on('vfio_device_dirty_tracking_start', () => {
      tracking.deviceTracking = true;
    });
    on('vfio_get_dirty_bitmap', (cursor) => {
      const isOld = cursor.u32(at.dirtyBitmap.old) === 1;
      version.learn(isOld ? lineMarks.oldDirtyBitmap : lineMarks.dirtyBitmap);
      const { size, bitmap } = at.dirtyBitmap;
      const name = 'vfio_get_dirty_bitmap';
      parameters.pageSizeOfBitmap(cursor.u64(size), cursor.u64(bitmap), name, cursor.line);
    });
    on('vfio_container_query_dirty_bitmap', (cursor) => {
      const isFlagged = cursor.u32(at.queryDirty.flagged) === 1;
      version.learn(isFlagged ? lineMarks.flaggedQueryDirty : lineMarks.queryDirty);
      const { size, bitmap } = at.queryDirty;
      const name = 'vfio_container_query_dirty_bitmap';
      parameters.pageSizeOfBitmap(cursor.u64(size), cursor.u64(bitmap), name, cursor.line);
    });
    on('iommufd_backend_get_dirty_bitmap', (cursor) => {
      if (cursor.u32(at.iommufdDirty.flagged) === 1) version.learn(lineMarks.flaggedIommufdQuery);
      const size = Number(cursor.u64(at.iommufdDirty.pageSize));
      parameters.printedPageSize(size, 'iommufd_backend_get_dirty_bitmap', cursor.line);
    });
    on('vfio_known_safe_misalignment', (cursor) => {
      const size = Number(cursor.u64(at.misalignment.pageSize));
      parameters.printedPageSize(size, 'vfio_known_safe_misalignment', cursor.line);
    });
  }

  #routeMessages(on: On): void {
    on('message:bitmap-too-big', (cursor) => this.#failures.bitmapTooBig(cursor));
    on('message:dma-unmap-failed', (cursor) => this.#failures.unmapFailed(cursor));
    on('message:dma-map-failed', (cursor) => this.#failures.mapFailed(cursor));
    on('message:known', (cursor) => this.#failures.known(cursor));
    const ended = (cursor: BatchCursor) => this.#failures.migrationError(cursor);
    on('migrate_error', ended);
    on('migrate_fd_error', ended);
    on('message:unknown', (cursor) => this.#failures.unknown(cursor));
    on('trace:loss', (cursor) => {
      const loss = lossKinds[cursor.u32(at.loss.kind)] ?? 'unreadable';
      const count = Number(cursor.u64(at.loss.count));
      this.machine.losses.saidByTrace(cursor.line);
      const detail = cursor.text(at.loss.detail);
      this.machine.report({ kind: 'loss', mark: placeOf(cursor), loss, count, detail });
    });
  }

  #routeSession(on: On): void {
    on('session:start', (cursor) => {
      this.machine.version.name(versionIn(cursor.text(at.start.qemu)));
    });
    on('session:name', (cursor) => {
      this.vm ??= cursor.text(at.name.name);
    });
    on('session:argument', (cursor) => {
      this.machine.parameters.commandLine(cursor.text(at.argument.text), cursor.line);
    });
    on('session:end', (cursor) => {
      this.ending = cursor.text(at.end.text);
      if (this.ending.includes('reason=crashed')) this.#failures.crashed(this.ending, cursor);
    });
    const first = kindOf('vtd_switch_address_space');
    const switched = this.#handlers[first] as Handler;
    // The first stamped line of VT-d tells which generation of stamps QEMU writes.
    if (this.#stampsTellVersion) {
      on('vtd_switch_address_space', (cursor) => {
        this.#learnStamp(cursor);
        this.#handlers[first] = switched;
        switched(cursor);
      });
    }
  }

  #learnStamp(cursor: BatchCursor): void {
    if (cursor.nanoseconds === NO_TIME) return;
    const isThread = cursor.thread !== NO_THREAD;
    this.machine.version.learn(isThread ? lineMarks.threadStamp : lineMarks.isoStamp);
  }
}

/** The `x.y.z` in what libvirt prints as QEMU's version, e.g. `10.0.13Debian 1:10.0.13+ds`. */
function versionIn(text: string): string {
  return /\d+\.\d+(?:\.\d+)?/.exec(text)?.[0] ?? '';
}
