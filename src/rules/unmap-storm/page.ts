import type { Explanation } from '../page.ts';

export const unmapStorm: Explanation = {
  id: 'VTD012',
  slug: 'unmap-storm',
  title: 'Very many or very large unmaps while dirty tracking is on',
  whatHappens: `
While dirty pages were tracked, unmaps came in such number, or with such large
bitmaps, that they slow the guest and the migration down. Nothing is lost by
it.`,
  why: `
Each unmap under tracking allocates, clears, fills and reads a bitmap, and
does so under QEMU's big lock: the vCPUs that want it wait. A guest in strict
mode unmaps every buffer after each I/O. A switch of domains at 48 bits costs
8 GiB of bitmaps even where nothing is mapped.`,
  example: `
global_dirty_changed bitmask 0x1
vfio_iommu_map_notify iommu UNMAP @ 0xffe00000 - 0xffe00fff`,
  exampleNote: `
... and 10,000 more before "global_dirty_changed bitmask 0x0". It is reported
from 10,000 unmaps or 4 GiB of bitmaps in one tracking window on.`,
  versions: `
All versions. From 11.0 on (commit cac33cb5533a) a switch of domains costs a
query per mapping instead of large bitmaps.`,
  whatToDo: `
aw-bits=39 on intel-iommu makes whole unmaps cheap. In the guest, lazy mode
(iommu.strict=0) unmaps in batches, and drivers that keep their buffers mapped
unmap hardly at all.`,
  load: async () => (await import('./index.ts')).unmapStorm,
};
