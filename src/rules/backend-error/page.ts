import type { Explanation } from '../page.ts';

export const backendError: Explanation = {
  id: 'VTD015',
  slug: 'backend-error',
  title: 'QEMU reports another failure of VFIO or iommufd',
  whatHappens: `
QEMU printed a failure of VFIO or iommufd that no other rule knows: an unmap,
a dirty sync, a start or stop of tracking, a map that was dropped. A failed
unmap under tracking brings no dirty bits; a failed dirty sync loses them for
the whole range.`,
  why: `
Known texts, and what they mean: "Failed to get dirty bitmap": a sync failed.
"Could not start dirty page tracking": nothing is tracked. "Wrong target AS",
"iommu map to non memory area", "granularity incompatible": a map was dropped,
and the device faults there. "Failed to allocate dirty tracking bitmap": the
host is short of memory.`,
  example: `
vfio_iommu_map_dirty_notify iommu dirty @ 0x100000 - 0x100fff
qemu: Failed to get dirty bitmap for iova: 0x100000 size: 0x1000:
      No such file or directory`,
  exampleNote: `
QEMU's program name stands before its messages; a guest's console does not
count.`,
  versions: `
All; the words differ a little by version. 7.2 lets a migration go on after a
failed unmap, later versions let it fail.`,
  whatToDo: `
Look at the lines around it and at the kernel's log of the host at the same
time. If no cause shows, the text and these lines are what a bug report needs.`,
};
