import type { Explanation } from '../page.ts';

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
it again, and tells the host nothing. (1) An entry that the guest has cleared
and not invalidated yet is then gone from the shadow: the invalidation finds
nothing to unmap, and the host keeps the mapping (VTD005 from there on). (2)
An entry that the guest has set and not invalidated yet is in the shadow: the
invalidation finds nothing new, and the host never gets it. (3) QEMU drops a
MAP on its way. (4) iommufd leaves a mapping that an unmap would cut through.`,
  example: `
vtd_replay_ce_valid legacy mode: replay valid context device 00:10.00 ...
vtd_page_walk_one domain 0x1 iova 0x5000 -> gpa 0x9000000 mask 0xfff perm 3
vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x1 addr 0x5000 mask 0x0
vtd_page_walk_one_skip_map iova 0x5000 mask 0xfff translated 0x9000000`,
  exampleNote: `
The sync met iova 0x5000 before the guest's invalidation: no MAP is ever sent.`,
  versions: `
All versions. From 8.1 on a replay empties the whole shadow of a device, in
7.2 only the range of the notifier that is replayed.`,
  whatToDo: `
Mostly mends itself when the device leaves its domain the next time. If it
does not, send the trace around the line upstream: it is then something new.`,
  load: async () => (await import('./index.ts')).shadowDrift,
};
