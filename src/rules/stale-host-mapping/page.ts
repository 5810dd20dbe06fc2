import type { Explanation } from '../page.ts';

export const staleHostMapping: Explanation = {
  id: 'VTD005',
  slug: 'stale-host-mapping',
  title: 'Host mappings outlive the unmap that should have removed them',
  whatHappens: `
A mapping stays in the host although the unmap that should have removed it is
over. The device can still read and write the memory behind it, which the
guest may have given to something else. Mapping the same iova again fails with
-17 (File exists), and the device then reaches the old memory.`,
  why: `
(1) In 11.x, while dirty pages are tracked, QEMU unmaps mapping by mapping and
searches from the start of the notifier over start + end instead of end -
start. For the upper notifier this wraps around 2^64, so nothing at or above
iova 0xfef00000 is found. Linux hands out DMA addresses from 4 GiB downwards:
the first 17 MiB of them lie there. (2) A piece of a whole unmap failed
(VTD001), or the removal of a section of memory did, so that nothing under it
was unmapped. (3) The guest invalidated a mapping that QEMU had already
forgotten. (4) Behind AMD-Vi a dirty sync (amdvi_iommu_replay) forgets what it
does not find in the guest's tables, as a page that the guest has cleared and
not yet invalidated, and unmaps nothing.`,
  example: `
global_dirty_changed bitmask 0x2
vtd_ce_not_present Context entry bus 0 devfn 128 not present
vfio_iommu_map_notify iommu UNMAP @ 0x1000 - 0x1fff`,
  exampleNote: `
11.x: no UNMAP line for what is mapped from 0xfef00000 up.`,
  versions: `
(1) from 11.0 on; the line is unchanged in the newest tree that was read, no
release fixes it. It comes with the fix of VTD001, commit cac33cb5533a. (2)
pieces up to 10.2, sections from 11.0 on, where their removal asks for dirty
bits, too. (3) all versions. (4) AMD-Vi, 11.1 included.`,
  whatToDo: `
They go with the next whole unmap without tracking, a reset, a switch to
pass-through, or the next attach to a domain that does not map these
addresses. Until then: no migration and no dirty-rate measurement while a
guest may move the device to another domain.`,
  load: async () => (await import('./index.ts')).staleHostMapping,
};
