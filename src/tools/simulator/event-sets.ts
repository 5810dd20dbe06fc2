import type { EventSet } from './options.ts';

/** Events of the register file and the invalidation queue: a line or more per descriptor, of no use to a reader. */
const QUEUE_EVENTS = new Set([
  'vtd_inv_qi_head',
  'vtd_inv_qi_tail',
  'vtd_inv_qi_fetch',
  'vtd_reg_write',
  'vtd_reg_read',
]);

const WALK_EVENTS = new Set([
  'vtd_page_walk_level',
  'vtd_page_walk_one',
  'vtd_page_walk_one_skip_map',
  'vtd_page_walk_one_skip_unmap',
  'vtd_page_walk_skip_read',
  'vtd_page_walk_skip_reserve',
]);

const MINIMAL_EVENTS = new Set([
  'vfio_iommu_map_notify',
  'vtd_as_unmap_whole',
  'vtd_switch_address_space',
  'vtd_inv_desc_cc_device',
  'vtd_inv_desc_cc_devices',
  'global_dirty_changed',
  'vtd_ce_not_present',
]);

const OF_IOMMU_OR_VFIO = ['vtd_', 'amdvi_', 'virtio_iommu_', 'vfio_'] as const;

const SELECTIONS: Readonly<Record<EventSet, (event: string) => boolean>> = {
  everything: () => true,
  standard: (event) => !QUEUE_EVENTS.has(event),
  'no-skips': (event) => !QUEUE_EVENTS.has(event) && event !== 'vtd_page_walk_one_skip_unmap',
  'no-walk': (event) => !QUEUE_EVENTS.has(event) && !WALK_EVENTS.has(event),
  'vtd-vfio': (event) =>
    OF_IOMMU_OR_VFIO.some((family) => event.startsWith(family)) && !QUEUE_EVENTS.has(event),
  vfio: (event) => event.startsWith('vfio_'),
  minimal: (event) => MINIMAL_EVENTS.has(event),
};

/** Whether an event is traced: a named set, or a list of names in which a last `*` stands for the rest, as for `-trace`. */
export function eventSelection(events: EventSet | readonly string[]): (event: string) => boolean {
  if (typeof events === 'string') return SELECTIONS[events];
  const names = new Set(events);
  const prefixes = events.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  return (event) => names.has(event) || prefixes.some((prefix) => event.startsWith(prefix));
}
