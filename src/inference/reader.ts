import { NO_TIME } from '../base/place.ts';
import { NO_THREAD } from '../events/batch.ts';
import { type EventName, eventNames, offsetsOf } from '../events/catalogue/index.ts';
import { lossKinds } from '../events/catalogue/notes.ts';
import type { BatchCursor } from '../events/cursor.ts';
import type { BackendLines } from './backend-lines.ts';
import type { Boot } from './boot.ts';
import type { Commands } from './commands.ts';
import { placeOf } from './line.ts';
import type { Machine } from './machine.ts';
import type { FailureMessages } from './messages.ts';
import type { PageWalks } from './page-walks.ts';
import type { Replays } from './replays.ts';
import type { VfioListener } from './sections.ts';
import type { TrackingLines } from './tracking-lines.ts';
import { eventMarks, lineMarks } from './version.ts';
import type { WholeUnmaps } from './whole-unmaps.ts';

const at = {
  start: offsetsOf('session:start'),
  argument: offsetsOf('session:argument'),
  name: offsetsOf('session:name'),
  end: offsetsOf('session:end'),
  loss: offsetsOf('trace:loss'),
} as const;

export type Handler = (cursor: BatchCursor) => void;

/** The parts of a boot that take lines. */
export interface Parts {
  readonly boot: Boot;
  readonly machine: Machine;
  readonly walks: PageWalks;
  readonly whole: WholeUnmaps;
  readonly listener: VfioListener;
  readonly failures: FailureMessages;
  readonly commands: Commands;
  readonly replays: Replays;
  readonly tracking: TrackingLines;
  readonly backends: BackendLines;
  /** The trace's own stamps show QEMU's version, as those of the log backend do. */
  readonly stampsTellVersion: boolean;
}

type Routes = Partial<Readonly<Record<EventName, Handler>>>;

/**
 * The routing table: by event number, the part that takes its line. The events that come most often
 * are routed by `Boot.apply` itself, as calls through a table are dearer.
 */
export function handlersOf(parts: Parts): readonly Handler[] {
  const routes: Routes = {
    ...walksAndReplays(parts),
    ...commandsOf(parts),
    ...listenerOf(parts),
    ...backendsOf(parts),
    ...trackingOf(parts),
    ...messagesOf(parts),
    ...headersOf(parts),
  };
  const { version } = parts.machine;
  return eventNames.map((name) => {
    const handle = routes[name] ?? (() => {});
    const span = eventMarks[name];
    if (span === undefined) return handle;
    const mark = { ...span, reason: name };
    // Some events show QEMU's version, whatever else they are for.
    return (cursor) => {
      version.learn(mark);
      handle(cursor);
    };
  });
}

function walksAndReplays({ boot, replays, walks }: Parts): Routes {
  return {
    vtd_page_walk_skip_read: (cursor) => walks.unusable(cursor),
    vtd_page_walk_skip_reserve: (cursor) => walks.unusable(cursor),
    vtd_as_unmap_whole: (cursor) => boot.closeWholeUnmap(cursor),
    vtd_replay_ce_valid: (cursor) => replays.valid(cursor),
    vtd_replay_ce_invalid: (cursor) => replays.invalid(cursor),
  };
}

function commandsOf({ commands }: Parts): Routes {
  return {
    vtd_inv_desc_cc_global: (cursor) => commands.refreshAll(cursor),
    // Treated as global: that line follows, and brings what there is to bring.
    vtd_inv_desc_cc_domain: (cursor) => commands.other(cursor),
    vtd_dmar_enable: (cursor) => commands.refreshAll(cursor),
    vtd_reg_dmar_root: (cursor) => commands.refreshAll(cursor),
    vtd_reset_exit: (cursor) => commands.refreshAll(cursor),
    vtd_inv_desc_cc_devices: (cursor) => commands.contextOfDevices(cursor),
    vtd_inv_desc_cc_device: (cursor) => commands.contextOfDevice(cursor),
    vtd_inv_desc_wait_sw: (cursor) => commands.wait(cursor),
    vtd_inv_desc_iotlb_global: (cursor) => commands.iotlbGlobal(cursor),
    vtd_inv_desc_iotlb_domain: (cursor) => commands.iotlbDomain(cursor),
    vtd_inv_desc_iotlb_pages: (cursor) => commands.iotlbPages(cursor),
    vtd_inv_desc_iotlb_pasid: (cursor) => commands.other(cursor),
    vtd_inv_desc_iotlb_pasid_pages: (cursor) => commands.other(cursor),
    vtd_inv_desc_pasid_cache_gsi: (cursor) => commands.switchAll(cursor),
    vtd_inv_desc_pasid_cache_dsi: (cursor) => commands.switchAll(cursor),
    vtd_inv_desc_pasid_cache_psi: (cursor) => commands.switchAll(cursor),
    vtd_ce_not_present: (cursor) => commands.contextAbsent(cursor),
    vtd_iotlb_cc_update: (cursor) => commands.contextCached(cursor),
  };
}

function listenerOf({ listener, machine, stampsTellVersion, whole }: Parts): Routes {
  const attached: Handler = (cursor) => {
    machine.attribution.enrol();
    listener.attached(cursor);
  };
  let isStampNews = stampsTellVersion;
  return {
    vtd_switch_address_space(cursor) {
      // The first line of VT-d shows which generation of stamps QEMU writes.
      if (isStampNews) learnStamp(machine, cursor);
      isStampNews = false;
      listener.switched(cursor);
    },
    vtd_device_attach_hwpt(cursor) {
      machine.nestedAtLine ||= cursor.line;
    },
    vfio_realize: attached,
    vfio_attach_device: attached,
    vfio_device_attach: attached,
    iommufd_cdev_connect_and_bind: attached,
    vfio_listener_region_add_iommu(cursor) {
      const space = listener.addIommu(cursor);
      // Before 8.1 the replay that follows begins with a whole unmap.
      if (space !== null && !machine.writtenBy.replayClearsShadow) whole.announce([], cursor);
    },
    vfio_listener_region_del_iommu: (cursor) => listener.deleteIommu(cursor),
    vfio_listener_region_add_ram: (cursor) => listener.addRam(cursor),
    vfio_listener_region_del: (cursor) => listener.delete(cursor),
  };
}

function learnStamp({ version }: Machine, cursor: BatchCursor): void {
  if (cursor.nanoseconds === NO_TIME) return;
  version.learn(cursor.thread === NO_THREAD ? lineMarks.isoStamp : lineMarks.threadStamp);
}

function backendsOf({ backends }: Parts): Routes {
  return {
    iommufd_cdev_alloc_ioas: (cursor) => backends.allocatedIoas(cursor),
    iommufd_backend_alloc_hwpt: (cursor) => backends.allocatedHwpt(cursor),
    iommufd_backend_map_dma: (cursor) => backends.mapped(cursor),
    iommufd_backend_map_file_dma: (cursor) => backends.mapped(cursor),
    iommufd_backend_unmap_dma: (cursor) => backends.unmapped(cursor),
    iommufd_backend_unmap_dma_non_exist: (cursor) => backends.unmapped(cursor),
    vfio_user_version: (cursor) => backends.vfioUserVersion(cursor),
    vfio_user_dma_map: (cursor) => backends.vfioUserMapped(cursor),
    vfio_user_dma_unmap: (cursor) => backends.vfioUserUnmapped(cursor),
  };
}

function trackingOf({ boot, tracking }: Parts): Routes {
  return {
    global_dirty_changed: (cursor) => tracking.flagsChanged(cursor, boot.startsAtBoot),
    migrate_set_state: (cursor) => tracking.migrationState(cursor),
    vfio_save_setup: (cursor) => tracking.saveSetup(cursor),
    vfio_save_cleanup: (cursor) => tracking.saveCleanup(cursor),
    vfio_vmstate_change: (cursor) => tracking.vmStateChanged(cursor),
    vfio_device_dirty_tracking_start: () => tracking.deviceTrackingStarted(),
    vfio_get_dirty_bitmap: (cursor) => tracking.dirtyBitmap(cursor),
    vfio_container_query_dirty_bitmap: (cursor) => tracking.dirtyBitmapQuery(cursor),
    iommufd_backend_get_dirty_bitmap: (cursor) => tracking.iommufdDirtyBitmap(cursor),
    vfio_known_safe_misalignment: (cursor) => tracking.misalignment(cursor),
  };
}

function messagesOf({ failures, machine }: Parts): Routes {
  return {
    'message:bitmap-too-big': (cursor) => failures.bitmapTooBig(cursor),
    'message:dma-unmap-failed': (cursor) => failures.unmapFailed(cursor),
    'message:dma-map-failed': (cursor) => failures.mapFailed(cursor),
    'message:known': (cursor) => failures.known(cursor),
    // It says nothing known.
    'message:unknown': (cursor) => failures.seen(cursor),
    migrate_error: (cursor) => failures.migrationError(cursor),
    migrate_fd_error: (cursor) => failures.migrationError(cursor),
    'trace:loss'(cursor) {
      const loss = lossKinds[cursor.u32(at.loss.kind)] ?? 'unreadable';
      const count = Number(cursor.u64(at.loss.count));
      machine.losses.saidByTrace(cursor.line);
      const detail = cursor.text(at.loss.detail);
      machine.report({ kind: 'loss', mark: placeOf(cursor), loss, count, detail });
    },
  };
}

function headersOf({ boot, failures, machine }: Parts): Routes {
  return {
    'session:start'(cursor) {
      machine.version.name(versionIn(cursor.text(at.start.qemu)));
    },
    'session:name'(cursor) {
      boot.vm ??= cursor.text(at.name.name);
    },
    'session:argument'(cursor) {
      machine.parameters.commandLine(cursor.text(at.argument.text), cursor.line);
    },
    'session:end'(cursor) {
      boot.ending = cursor.text(at.end.text);
      if (boot.ending.includes('reason=crashed')) failures.crashed(boot.ending, cursor);
    },
  };
}

/** The `x.y.z` in what libvirt prints as QEMU's version, e.g. `10.0.13Debian 1:10.0.13+ds`. */
function versionIn(text: string): string {
  return /\d+\.\d+(?:\.\d+)?/.exec(text)?.[0] ?? '';
}
