import type { Explanation } from '../page.ts';

export const bitmapMemory: Explanation = {
  id: 'VTD007',
  slug: 'bitmap-memory',
  title: 'An unmap allocates a very large dirty bitmap',
  whatHappens: `
For an unmap under dirty tracking QEMU allocates a bitmap with a bit per host
page of the range: 128 MiB for 4 TiB, 4 GiB for 128 TiB. It is allocated and
cleared for each such unmap, even where the range holds no mapping. If the
host is short of memory the allocation fails, and the unmap with -12 (ENOMEM).`,
  why: `
The bitmap covers the range of the unmap and not what is mapped in it, and
whole unmaps have pieces of up to 2^47 bytes at 48 bits.`,
  example: `
vfio_iommu_map_notify iommu UNMAP @ 0x800000000000 - 0xffffffffffff
qemu: vfio_container_dma_unmap(0x55.., 0x800000000000, 0x800000000000)
      = -12 (Cannot allocate memory)`,
  exampleNote: `
Without a failure there is no line: the size follows from the range.`,
  versions: `
7.2 compares with the container's limit before it allocates, 10.0 and later
the other way round: there a host under pressure gives -12 where VTD001
expects -7, and pieces that are too large cost their memory all the same.
Whole unmaps: gone with commit cac33cb5533a, first release 11.0.`,
  whatToDo: `
aw-bits=39 on intel-iommu: no bitmap is larger than 8 MiB. Leave room for a
bitmap of 4 GiB on the host otherwise, beside the VM's own memory and inside
its control group.`,
  load: async () => (await import('./index.ts')).bitmapMemory,
};
