import type { Explanation } from '../page.ts';

export const dmaEntryLimit: Explanation = {
  id: 'VTD008',
  slug: 'dma-entry-limit',
  title: 'Host mappings reach the number that the container accepts',
  whatHappens: `
A legacy (type1) container takes a limited number of mappings, 65535 unless
the host says otherwise. At the limit every further MAP fails with -28 (No
space left on device). QEMU prints it and goes on; the device faults where the
mapping is missing.`,
  why: `
Each successful MAP takes an entry until its unmap; neighbours are not merged.
A guest that maps 4 KiB pages one by one reaches the limit with 256 MiB of DMA
memory. Mappings that outlive their unmap (VTD005) count too.`,
  example: `
vfio_iommu_map_notify iommu MAP @ 0x12345000 - 0x12345fff
qemu: vfio_container_dma_map(0x55.., 0x12345000, 0x1000, 0x7f..) = -28
      (No space left on device)`,
  exampleNote: `
A warning comes from 90 % of the limit on, by the number of mappings replayed.`,
  versions: `
All versions; the limit is of the host's kernel, not of QEMU. A host with a
higher one does not show in a trace: --dma-entry-limit tells vtdscope. iommufd
has no such limit.`,
  whatToDo: `
Raise dma_entry_limit of the module vfio_iommu_type1 on the host; let the
guest use huge pages for DMA memory; or use iommufd.`,
  load: async () => (await import('./index.ts')).dmaEntryLimit,
};
