import type { Explanation } from '../page.ts';

export const mapConflict: Explanation = {
  id: 'VTD009',
  slug: 'map-conflict',
  title: 'A MAP over a live range, or an UNMAP that cuts through one',
  whatHappens: `
Either a MAP fails with -17 (File exists), as the host still holds a mapping
in its range: the device goes on reaching the old memory. Or an UNMAP fails
with -22 or -1, as it would cut a larger mapping in two: the mapping stays.
Under dirty tracking a failed UNMAP brings no dirty bits either.`,
  why: `
-17 follows from mappings that outlived their unmap: see VTD001 and VTD005.
-22 comes from a guest that replaces a large page (2 MiB) by small ones
without unmapping it first: QEMU unmaps only the 4 KiB that changed, and type1
does not cut mappings. An entry that crosses the interrupt range 0xfee00000 -
0xfeefffff is cut by QEMU, and its parts are refused as well (10.2 and later;
older versions stop with an assertion).`,
  example: `
vfio_iommu_map_notify iommu MAP @ 0x100000 - 0x100fff
qemu: vfio_container_dma_map(0x55.., 0x100000, 0x1000, 0x7f..) = -17
      (File exists)`,
  exampleNote: `
An UNMAP with a bitmap that the kernel refuses returns -1, whatever the cause.`,
  versions: `
All versions, legacy container. With iommufd such an UNMAP counts as done
although nothing is unmapped, and only the MAP after it fails.`,
  whatToDo: `
Look at the finding before it: most conflicts follow from another failure. A
reset of the VM, or a switch of the device to pass-through and back, clears
the container.`,
  load: async () => (await import('./index.ts')).mapConflict,
};
