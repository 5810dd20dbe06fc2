import type { Explanation } from '../page.ts';

export const bitmapTooBig: Explanation = {
  id: 'VTD001',
  slug: 'bitmap-too-big',
  title: 'The dirty bitmap of an unmap is larger than the container accepts',
  whatHappens: `
While dirty pages are tracked, QEMU fetches the dirty bits of what it unmaps
from the kernel, in one bitmap with a bit per host page. A legacy (type1)
container takes at most 256 MiB: 8 TiB of address space with pages of 4 KiB,
32 TiB with 16 KiB, 128 TiB with 64 KiB. For a larger unmap QEMU gives up with
-7 (E2BIG) before it asks the kernel. Nothing is unmapped: mappings under it
stay in the host, and what the device wrote there is not migrated.`,
  why: `
When a guest takes a device out of its domain (driver unbound, VFIO opened in
the guest, reset), QEMU unmaps the whole IOVA space in aligned pieces, each a
power of two. At 48 bits the last four are 16, 32, 64 and 128 TiB. It is
address space that is counted, mapped or not: the size of the VM plays no
part, and a VM of 4 GiB is hit like one of 4 TiB.`,
  example: `
vfio_iommu_map_notify iommu UNMAP @ 0x100000000000 - 0x1fffffffffff
qemu: UNMAP: Size of bitmap too big 0x20000000
qemu: vfio_container_dma_unmap(0x55.., 0x100000000000, 0x100000000000) = -7
vtd_as_unmap_whole Device 00:10.0 start 0xfef00000 size 0xffff01100000`,
  exampleNote: `
The first and the last line look the same when nothing fails.`,
  versions: `
Up to 10.2, at 48 bits: the default of machine types from 9.2 on; older ones
have 39, and are immune. 7.2 fails only in a migration, which goes on
incomplete. From 8.0 to 10.2 QEMU refuses to migrate behind a vIOMMU, so that
calc-dirty-rate and vCPU dirty limits are what brings it about. Fixed for
whole unmaps by commit cac33cb5533a; first release 11.0, which unmaps mapping
by mapping while dirty pages are tracked, and misses some (VTD005). Behind
amd-iommu no release fixes it, 11.1 included: its pieces go up to 2^64, some
with -12 in the place of -7, as there is not even memory for the bitmap.`,
  whatToDo: `
-device intel-iommu,aw-bits=39 (the largest piece is then 256 GiB, its bitmap
8 MiB); or no migration, dirty-rate measurement and dirty limit while a guest
may move the device to another domain. iommufd has no such limit and other
defects: VTD004 up to 10.2, VTD010 from 11.0 on.`,
  load: async () => (await import('./index.ts')).bitmapTooBig,
};
