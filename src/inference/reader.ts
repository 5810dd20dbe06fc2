import { NO_TIME } from '../base/place.ts';
import { NO_THREAD } from '../events/batch.ts';
import { type EventName, eventNames, offsetsOf } from '../events/catalogue/index.ts';
import { lossKinds } from '../events/catalogue/notes.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { AmdCommands } from './amd-commands.ts';
import type { BackendLines } from './backend-lines.ts';
import type { Boot } from './boot.ts';
import type { Commands } from './commands.ts';
import type { DirtySyncs } from './dirty-syncs.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import type { FailureMessages } from './messages.ts';
import type { PageWalks } from './page-walks.ts';
import type { Replays } from './replays.ts';
import type { VfioListener } from './sections.ts';
import type { TrackingLines } from './tracking-lines.ts';
import { eventMarks, lineMarks } from './version.ts';
import type { VirtioRequests } from './virtio-requests.ts';
import type { WholeUnmaps } from './whole-unmaps.ts';

const at = {
  start: offsetsOf('session:start'),
  argument: offsetsOf('session:argument'),
  name: offsetsOf('session:name'),
  end: offsetsOf('session:end'),
  loss: offsetsOf('trace:loss'),
  pages: offsetsOf('amdvi_pages_inval'),
} as const;

/** What a line of an event does in a boot. */
export type Handler = (parts: Parts, cursor: BatchCursor) => void;

/** The parts of a boot that take lines. */
export interface Parts {
  readonly boot: Boot;
  readonly machine: Machine;
  readonly walks: PageWalks;
  readonly whole: WholeUnmaps;
  readonly listener: VfioListener;
  readonly failures: FailureMessages;
  readonly commands: Commands;
  readonly amd: AmdCommands;
  readonly virtio: VirtioRequests;
  readonly replays: Replays;
  readonly tracking: TrackingLines;
  readonly syncs: DirtySyncs;
  readonly backends: BackendLines;
  /** The trace's own stamps show QEMU's version, as those of the log backend do, and none has come so far. */
  isStampNews: boolean;
}

type Routes = Partial<Readonly<Record<EventName, Handler>>>;

const ofWalksAndReplays: Routes = {
  vtd_page_walk_skip_read: ({ walks }, cursor) => walks.unusable(cursor),
  vtd_page_walk_skip_reserve: ({ walks }, cursor) => walks.unusable(cursor),
  vtd_as_unmap_whole: ({ boot }, cursor) => boot.closeWholeUnmap(cursor),
  vtd_replay_ce_valid: ({ replays }, cursor) => replays.valid(cursor),
  vtd_replay_ce_invalid: ({ replays }, cursor) => replays.invalid(cursor),
};

const ofCommands: Routes = {
  vtd_inv_desc_cc_global: ({ commands }, cursor) => commands.refreshAll(cursor),
  // Treated as global: that line follows, and brings what there is to bring.
  vtd_inv_desc_cc_domain: ({ commands }, cursor) => commands.other(cursor),
  vtd_dmar_enable: ({ commands }, cursor) => commands.refreshAll(cursor),
  vtd_reg_dmar_root: ({ commands }, cursor) => commands.refreshAll(cursor),
  vtd_reset_exit: ({ commands }, cursor) => commands.refreshAll(cursor),
  vtd_inv_desc_cc_devices: ({ commands }, cursor) => commands.contextOfDevices(cursor),
  vtd_inv_desc_cc_device: ({ commands }, cursor) => commands.contextOfDevice(cursor),
  vtd_pasid_cache_devsi: ({ commands }, cursor) => commands.pasidCacheOfDevice(cursor),
  vtd_inv_desc_wait_sw: ({ commands }, cursor) => commands.wait(cursor),
  vtd_inv_desc_iotlb_global: ({ commands }, cursor) => commands.iotlbGlobal(cursor),
  vtd_inv_desc_iotlb_domain: ({ commands }, cursor) => commands.iotlbDomain(cursor),
  vtd_inv_desc_iotlb_pages: ({ commands }, cursor) => commands.iotlbPages(cursor),
  vtd_inv_desc_iotlb_pasid: ({ commands }, cursor) => commands.other(cursor),
  vtd_inv_desc_iotlb_pasid_pages: ({ commands }, cursor) => commands.other(cursor),
  vtd_inv_desc_pasid_cache_gsi: ({ commands }, cursor) => commands.switchAll(cursor),
  vtd_inv_desc_pasid_cache_dsi: ({ commands }, cursor) => commands.switchAll(cursor),
  vtd_inv_desc_pasid_cache_psi: ({ commands }, cursor) => commands.switchAll(cursor),
  vtd_ce_not_present: ({ commands }, cursor) => commands.contextAbsent(cursor),
  vtd_iotlb_cc_update: ({ commands }, cursor) => commands.contextCached(cursor),
};

const ofAmd: Routes = {
  amdvi_devtab_inval({ amd, whole }, cursor) {
    amd.deviceInvalidated(cursor);
    whole.announce([], cursor);
  },
  amdvi_pages_inval({ amd, syncs }, cursor) {
    syncs.commanded(cursor.u32(at.pages.domain));
    amd.pagesInvalidated(cursor);
  },
  amdvi_all_inval({ amd, syncs }) {
    syncs.commanded(null);
    amd.commandEnded();
  },
  amdvi_iotlb_reset({ amd, machine, whole }, cursor) {
    // A reset unmaps the device first that was registered last.
    if (amd.isReset) whole.announce(machine.attribution.order, cursor);
    amd.commandEnded();
  },
  vfio_device_reset_handler: ({ amd }) => amd.resetBegins(),
  amdvi_control_status: ({ amd }) => amd.commandEnded(),
};

const ofVirtio: Routes = {
  virtio_iommu_init_iommu_mr: ({ virtio }, cursor) => virtio.made(cursor),
  virtio_iommu_switch_address_space(parts, cursor) {
    parts.virtio.shown();
    switched(parts, cursor);
  },
  virtio_iommu_attach: ({ virtio }, cursor) => virtio.attached(cursor),
  virtio_iommu_detach: ({ virtio }) => virtio.requested(),
  virtio_iommu_map: ({ virtio }, cursor) => virtio.mapRequested(cursor),
  virtio_iommu_put_domain: ({ virtio }, cursor) => virtio.freed(cursor),
  virtio_iommu_unmap: ({ virtio }) => virtio.requested(),
  virtio_iommu_unmap_done: ({ virtio }, cursor) => virtio.unmapDone(cursor),
  virtio_iommu_system_reset: ({ virtio }) => virtio.requested(),
  virtio_iommu_device_reset: ({ virtio }) => virtio.requested(),
  virtio_iommu_device_reset_exit: ({ virtio }) => virtio.requested(),
  virtio_iommu_remap: ({ virtio }) => virtio.replayed(),
  virtio_iommu_notify_map: ({ virtio }, cursor) => virtio.mapped(cursor),
  virtio_iommu_notify_unmap: ({ virtio }, cursor) => virtio.unmapped(cursor),
};

const attached: Handler = ({ listener, machine }, cursor) => {
  machine.attribution.enrol();
  listener.attached(cursor);
};

const ofListener: Routes = {
  vtd_switch_address_space: switched,
  vtd_device_attach_hwpt({ machine }, cursor) {
    machine.nestedAtLine ||= cursor.line;
  },
  vfio_realize: attached,
  vfio_attach_device: attached,
  vfio_device_attach: attached,
  iommufd_cdev_connect_and_bind: attached,
  vfio_listener_region_add_iommu({ listener, machine, syncs, whole }, cursor) {
    const space = listener.addIommu(cursor);
    const { viommu, writtenBy } = machine;
    if (space === null) return;
    if (viommu.replayUnmapsFirst(writtenBy)) whole.announce([], cursor);
    if (viommu.syncForgets) syncs.registers();
  },
  vfio_listener_region_del_iommu: ({ listener }, cursor) => listener.deleteIommu(cursor),
  vfio_listener_region_add_ram: ({ listener }, cursor) => listener.addRam(cursor),
  vfio_listener_region_skip_dma_map: ({ listener }, cursor) => listener.skippedDmaMap(cursor),
  vfio_listener_region_del: ({ listener }, cursor) => listener.delete(cursor),
  vfio_migration_init: ({ listener }, cursor) => listener.migrationInit(cursor),
};

/** `vtd_switch_address_space`, or virtio-iommu's, which have the same arguments. */
function switched(parts: Parts, cursor: BatchCursor): void {
  // The first line of an IOMMU shows which generation of stamps QEMU writes.
  if (parts.isStampNews) learnStamp(parts.machine, cursor);
  parts.isStampNews = false;
  parts.listener.switched(cursor);
}

function learnStamp({ version }: Machine, cursor: BatchCursor): void {
  if (cursor.nanoseconds === NO_TIME) return;
  version.learn(cursor.thread === NO_THREAD ? lineMarks.isoStamp : lineMarks.threadStamp);
}

const ofBackends: Routes = {
  iommufd_cdev_alloc_ioas: ({ backends }, cursor) => backends.allocatedIoas(cursor),
  iommufd_backend_alloc_hwpt: ({ backends }, cursor) => backends.allocatedHwpt(cursor),
  iommufd_backend_map_dma: ({ backends }, cursor) => backends.mapped(cursor),
  iommufd_backend_map_file_dma: ({ backends }, cursor) => backends.mapped(cursor),
  iommufd_backend_unmap_dma: ({ backends }, cursor) => backends.unmapped(cursor),
  iommufd_backend_unmap_dma_non_exist: ({ backends }, cursor) => backends.unmapped(cursor),
  vfio_user_version: ({ backends }, cursor) => backends.vfioUserVersion(cursor),
  vfio_user_dma_map: ({ backends }, cursor) => backends.vfioUserMapped(cursor),
  vfio_user_dma_unmap: ({ backends }, cursor) => backends.vfioUserUnmapped(cursor),
};

const ofTracking: Routes = {
  global_dirty_changed: ({ boot, tracking }, cursor) =>
    tracking.flagsChanged(cursor, boot.startsAtBoot),
  migrate_set_state: ({ tracking }, cursor) => tracking.migrationState(cursor),
  vfio_save_setup: ({ tracking }, cursor) => tracking.saveSetup(cursor),
  vfio_save_cleanup: ({ tracking }, cursor) => tracking.saveCleanup(cursor),
  vfio_vmstate_change: ({ tracking }, cursor) => tracking.vmStateChanged(cursor),
  vfio_device_dirty_tracking_start: ({ tracking }) => tracking.deviceTrackingStarted(),
  vfio_get_dirty_bitmap: ({ tracking }, cursor) => tracking.dirtyBitmap(cursor),
  vfio_container_query_dirty_bitmap({ machine, syncs, tracking }, cursor) {
    machine.lastDirtyQueryLine = cursor.line;
    if (syncs.isOpen) syncs.queried(cursor);
    tracking.dirtyBitmapQuery(cursor);
  },
  vfio_iommu_map_dirty_notify: ({ syncs }) => syncs.served(),
  memory_region_sync_dirty: ({ syncs }, cursor) => syncs.marked(cursor),
  iommufd_backend_get_dirty_bitmap: ({ tracking }, cursor) => tracking.iommufdDirtyBitmap(cursor),
  vfio_known_safe_misalignment: ({ tracking }, cursor) => tracking.misalignment(cursor),
};

const ofMessages: Routes = {
  'message:bitmap-too-big': ({ failures }, cursor) => failures.bitmapTooBig(cursor),
  'message:dma-unmap-failed': ({ failures }, cursor) => failures.unmapFailed(cursor),
  'message:dma-map-failed': ({ failures }, cursor) => failures.mapFailed(cursor),
  'message:call-rest': ({ failures }, cursor) => failures.callRest(cursor),
  'message:known': ({ failures }, cursor) => failures.known(cursor),
  // It says nothing known.
  'message:unknown': ({ failures }, cursor) => failures.unknown(cursor),
  migrate_error: ({ failures }, cursor) => failures.migrationError(cursor),
  migrate_fd_error: ({ failures }, cursor) => failures.migrationError(cursor),
  'trace:loss'({ failures, machine }, cursor) {
    const loss = lossKinds[cursor.u32(at.loss.kind)] ?? 'unreadable';
    const count = Number(cursor.u64(at.loss.count));
    machine.losses.saidByTrace(cursor.line, cursor.u32(at.loss.isBefore) === 1);
    const detail = cursor.text(at.loss.detail);
    if (loss === 'torn') failures.torn(detail, cursor.line);
    machine.report({ kind: 'loss', mark: placeOf(cursor), loss, count, detail });
  },
};

const ofHeaders: Routes = {
  'session:start'({ machine }, cursor) {
    machine.version.name(versionIn(cursor.text(at.start.qemu)));
  },
  'session:name'({ boot }, cursor) {
    boot.vm ??= cursor.text(at.name.name);
  },
  'session:argument'({ machine }, cursor) {
    machine.parameters.commandLine(cursor.text(at.argument.text), cursor.line);
  },
  'session:end'({ boot, failures }, cursor) {
    boot.ending = cursor.text(at.end.text);
    if (boot.ending.includes('reason=crashed')) failures.crashed(boot.ending, cursor);
  },
};

/** The `x.y.z` in what libvirt prints as QEMU's version, e.g. `10.0.13Debian 1:10.0.13+ds`. */
function versionIn(text: string): string {
  return /\d+\.\d+(?:\.\d+)?/.exec(text)?.[0] ?? '';
}

const routes: Routes = {
  ...ofWalksAndReplays,
  ...ofCommands,
  ...ofAmd,
  ...ofVirtio,
  ...ofListener,
  ...ofBackends,
  ...ofTracking,
  ...ofMessages,
  ...ofHeaders,
};

/**
 * The routing table: by event number, the part that takes its line. The events that come most often
 * are routed by `Boot.apply` itself, as calls through a table are dearer. One table for all boots: a
 * trace may have as many of them as lines.
 */
export const handlers: readonly Handler[] = eventNames.map((name) => {
  const handle = routes[name] ?? (() => {});
  const span = eventMarks[name];
  if (span === undefined) return handle;
  const mark = { ...span, reason: name };
  // Some events show QEMU's version, whatever else they are for.
  return (parts, cursor) => {
    parts.machine.version.learn(mark);
    handle(parts, cursor);
  };
});
