import type { Explanation } from './explanation.ts';

export const shadowDrift: Explanation = {
  id: 'VTD011',
  slug: 'shadow-drift',
  title: "QEMU's shadow and the host's mappings disagree",
  whatHappens: `
QEMU's own table of a device's mappings (the shadow) and what the host holds
are not the same, and no failure explains it. Mappings that only the host
holds stay reachable for the device. Mappings that only the shadow holds make
the device fault.`,
  why: `
A dirty sync replays the guest's page table: it empties the shadow and fills
it again. An entry that the guest has cleared and not invalidated yet is then
gone from the shadow. The invalidation that follows finds nothing to unmap, so
that the host keeps the mapping. A direct switch of a device to pass-through
leaves the shadow full and the host empty.`,
  example: `
memory_region_sync_dirty mr '(all)' listener 'vfio' synced (global=0)
vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x1 addr 0x5000 mask 0x0
vtd_page_walk_one_skip_unmap iova 0x5000 mask 0xfff`,
  exampleNote: `
The UNMAP of iova 0x5000 is skipped, and no line says that a mapping is left.`,
  versions: `
All versions. From 8.1 on a replay empties the whole shadow of a device, in
7.2 only the range of the notifier that is replayed.`,
  whatToDo: `
Mostly mends itself when the device is attached the next time. If it does not,
send the trace around the line upstream: it is then something new.`,
};
