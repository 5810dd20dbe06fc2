import type { LossKind } from '../events/catalogue/notes.ts';

/** What is not known any more where lines turn out to be missing. */
export type LossCost =
  /** Nothing that the replay rests on. */
  | 'nothing'
  /** Whether dirty tracking was on, from the newest start of it on. */
  | 'tracking'
  /** What one device maps, from this line on; where the call names no device, what each of them maps. */
  | 'device'
  /** The same, since the last line at which it was known: the missing lines may be anywhere between. */
  | 'device-since-known'
  /** The same as `device-since-known`, and nothing in the trace is believed but what a line says by itself. */
  | 'rest-of-trace'
  /** What every device maps, from this line on, and that no other line is missing. */
  | 'boot';

/** A way in which the lines show that others are missing. */
export interface LossEntry {
  readonly kind: LossKind;
  readonly cost: LossCost;
  /** Why only missing lines explain it: a function of QEMU or of the kernel, and where it was looked up. */
  readonly source: string;
  /** As results print it; `{0}`, `{1}`: numbers that the call adds. */
  readonly text: string;
}

const WALK_ONE = 'vtd_page_walk_one (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2)';
const UNMAP = 'vtd_address_space_unmap (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2)';
const SYNC = 'vtd_sync_shadow_page_table (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2)';
const REGION_ADD = 'vfio_listener_region_add (hw/vfio; 7.2, 10.0, 10.2)';
const TRACKING = 'memory_global_dirty_log_start and _stop (softmmu or system/memory.c; 7.2, 10.0)';

/** All losses that inference finds by itself; what the trace says of its own losses comes on top. */
export const losses = {
  // --- Page walks --------------------------------------------------------------------------------
  'unmap-of-unseen': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${WALK_ONE} prints an UNMAP only of what its iova_tree holds, else skip_unmap`,
    text: 'an UNMAP of what was never seen mapped',
  },
  'map-over-translation': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${WALK_ONE} unmaps another translation before it maps`,
    text: 'a MAP over a translation that was never seen unmapped',
  },
  'skipped-map-of-unseen': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${WALK_ONE} skips only a MAP that its iova_tree holds already`,
    text: 'a mapping that was never seen made',
  },
  'skipped-unmap-of-mapped': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${WALK_ONE} skips only an UNMAP of what its iova_tree does not hold`,
    text: 'a mapping that is gone was never seen unmapped',
  },
  'walk-lines': {
    kind: 'missing-events',
    cost: 'device',
    source:
      'vtd_page_walk_level (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2) visits every entry from the start of a range to its end',
    text: 'lines of a page walk are missing',
  },
  'impossible-walk': {
    kind: 'unreadable',
    cost: 'nothing',
    source: `${WALK_ONE} prints ranges of one page-table entry`,
    text: 'vtd_page_walk_one with an impossible range',
  },
  // --- Notifications -----------------------------------------------------------------------------
  'notification-of-walk': {
    kind: 'missing-events',
    cost: 'device',
    source: `${WALK_ONE} calls the notifiers at once, and vfio_iommu_map_notify prints first of all`,
    text: 'the notification of a walk is missing',
  },
  'unmap-without-walk': {
    kind: 'missing-events',
    cost: 'device',
    source: `${WALK_ONE} and ${UNMAP} are all that notifies VFIO`,
    text: 'an UNMAP without its walk',
  },
  'map-without-walk': {
    kind: 'missing-events',
    cost: 'device',
    source: `${WALK_ONE} is all that notifies VFIO of MAPs`,
    text: 'a MAP without its walk',
  },
  'map-accepted': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source:
      'vfio_dma_do_map (drivers/vfio/vfio_iommu_type1.c) refuses an overlap with EEXIST, and QEMU would have said so',
    text: 'a MAP over what should still be mapped was accepted',
  },
  'impossible-notification': {
    kind: 'unreadable',
    cost: 'nothing',
    source: 'vfio_iommu_map_notify (hw/vfio; 7.2, 10.0, 10.2) prints whole pages',
    text: 'vfio_iommu_map_notify with an impossible range',
  },
  // --- Whole unmaps ------------------------------------------------------------------------------
  'parts-of-whole-unmaps': {
    kind: 'missing-events',
    cost: 'device',
    source: `${UNMAP} ends the pieces of one notifier with one line that names their device`,
    text: 'parts of two whole unmaps are missing',
  },
  pieces: {
    kind: 'missing-events',
    cost: 'device',
    source: `${UNMAP} sends pieces without a hole from the notifier's start to the end of the space`,
    text: 'chunks of a whole unmap are missing',
  },
  'all-pieces': {
    kind: 'missing-events',
    cost: 'device',
    source: `${UNMAP} sends at least one piece`,
    text: 'all chunks of a whole unmap are missing',
  },
  'whole-unmap': {
    kind: 'missing-events',
    cost: 'device',
    source: `${SYNC} unmaps the whole space of a device without a context entry`,
    text: 'a whole unmap is missing',
  },
  'outcome-of-whole-unmap': {
    kind: 'missing-events',
    cost: 'device',
    source:
      'vtd_address_space_unmap (hw/i386/intel_iommu.c; 11.0) unmaps by node or in pieces as dirty tracking is on or off',
    text: 'what became of a whole unmap (global_dirty_changed tells)',
  },
  'unmaps-by-node': {
    kind: 'missing-events',
    cost: 'device',
    source:
      'vtd_address_space_unmap_in_dirty_tracking (hw/i386/intel_iommu.c; 11.0) unmaps what its search finds',
    text: 'UNMAPs of an unmap in migration are missing',
  },
  // --- Dirty tracking and messages ---------------------------------------------------------------
  'tracking-change': {
    kind: 'missing-events',
    cost: 'tracking',
    source: `${TRACKING} print the flag word when it changes, from 0 on and a bit at a time`,
    text: 'a change of dirty tracking is missing',
  },
  'pieces-under-tracking': {
    kind: 'missing-events',
    cost: 'device',
    source:
      'vtd_address_space_unmap (hw/i386/intel_iommu.c; 11.0) sends no pieces while dirty tracking is on',
    text: 'a change of dirty tracking, or an unmap in migration',
  },
  'too-big-message': {
    kind: 'missing-events',
    cost: 'tracking',
    source:
      'vfio_dma_unmap_bitmap (hw/vfio; 7.2, 10.0, 10.2) prints a message for each bitmap that is too big',
    text: 'a message about a bitmap that is too big, or a change of dirty tracking',
  },
  'unmap-of-too-big': {
    kind: 'missing-events',
    cost: 'device',
    source:
      'vfio_dma_unmap_bitmap (hw/vfio; 7.2, 10.0, 10.2) prints the size of the bitmap of the unmap it is about',
    text: 'the UNMAP of a bitmap that is too big is missing',
  },
  'unmap-of-failure': {
    kind: 'missing-events',
    cost: 'device',
    source: 'vfio_iommu_map_notify (hw/vfio; 7.2, 10.0, 10.2) prints before it unmaps',
    text: 'the UNMAP of a failure is missing',
  },
  // --- Devices and sections ----------------------------------------------------------------------
  'cause-of-switch': {
    kind: 'missing-events',
    cost: 'device',
    source:
      'vtd_switch_address_space (hw/i386/intel_iommu.c; 7.2, 10.0, 10.2) is called for commands and resets only',
    text: 'what switched a device is missing',
  },
  attach: {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${REGION_ADD} runs for the sections of a container as its first device is attached`,
    text: 'the attach of a device is missing',
  },
  'attach-of-registered': {
    kind: 'missing-events',
    cost: 'rest-of-trace',
    source: `${REGION_ADD} runs for a device's region after its attach: all so far may be another device's`,
    text: 'the attach of a device is missing',
  },
  'attach-or-section-removal': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${REGION_ADD} runs once for a section of a container until region_del takes it out`,
    text: 'the attach of a device, or the removal of a section of RAM, is missing',
  },
  'notifier-removal': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source: `${REGION_ADD} runs once for a notifier's range until region_del takes it out`,
    text: 'the removal of a notifier is missing',
  },
  'notifier-registration': {
    kind: 'missing-events',
    cost: 'device',
    source: `${REGION_ADD} registers the notifier before it has the tables replayed`,
    text: 'the registration of a notifier is missing',
  },
  'section-removal': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source:
      'address_space_update_topology (softmmu or system/memory.c; 7.2, 10.0) removes old sections before it adds new ones',
    text: 'the removal of a section of RAM is missing',
  },
  'switch-before-registration': {
    kind: 'missing-events',
    cost: 'device',
    source: `${REGION_ADD} runs for a device that vtd_switch_address_space has just switched`,
    text: 'the switch of a device is missing',
  },
  'switch-before-sections': {
    kind: 'missing-events',
    cost: 'device-since-known',
    source:
      'vfio_realize (hw/vfio/pci.c; 7.2) prints before vtd_find_add_as makes and switches the address space',
    text: 'the switch of a device is missing',
  },
  invalidations: {
    kind: 'missing-events',
    cost: 'device',
    source:
      'qi_submit_sync (drivers/iommu/intel/dmar.c) has a status word for each place in the queue',
    text: 'invalidations are missing between status writes',
  },
  // --- Several VMs in a trace --------------------------------------------------------------------
  'thread-of-some-vm': {
    kind: 'missing-events',
    cost: 'boot',
    source: 'log_timestamp stamps of 7.2 to 10.1 name a thread, and no process',
    text: 'the lines of thread {0} can be of any of {1} VMs',
  },
  'threads-of-some-vm': {
    kind: 'missing-events',
    cost: 'boot',
    source: 'log_timestamp stamps of 7.2 to 10.1 name a thread, and no process',
    text: 'the lines of more threads can be of any of {0} VMs',
  },
  'loss-of-some-vm': {
    kind: 'missing-events',
    cost: 'boot',
    source: 'what the carrier of a trace says it lost names no process',
    text: 'what the trace lost may be of this VM',
  },
} as const satisfies Readonly<Record<string, LossEntry>>;

export type LossId = keyof typeof losses;

/** The text of a loss with the numbers that belong in it. */
export function lossText(id: LossId, numbers: readonly number[] = []): string {
  return losses[id].text.replace(/\{(\d)\}/g, (_, index) => String(numbers[Number(index)]));
}
