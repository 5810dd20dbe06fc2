import type { Explanation } from '../page.ts';

export const markPastRam: Explanation = {
  id: 'VTD006',
  slug: 'mark-past-ram',
  title: 'Dirty bits are set past the end of RAM',
  whatHappens: `
QEMU sets dirty bits for addresses behind the end of guest RAM. Its own bitmap
has no room for them: it writes into memory next to it, or into none. Memory
of the QEMU process is damaged, or the process dies with SIGSEGV, and the VM
with it.`,
  why: `
It follows from a wrong address (VTD002, VTD003). A piece of a whole unmap
carries address 0, and the bit of a mapping in it is entered at its offset in
the piece. A mapping far up in an 8 TiB piece is entered at almost 8 TiB,
whatever the size of the VM. The same comes from one page-table entry of 512
GiB that is unmapped with address 0.`,
  example: `
vfio_iommu_map_notify iommu UNMAP @ 0x80000000000 - 0xfffffffffff`,
  exampleNote: `
and the log ends here. The mapping was at 0xffff0000000, in a VM of 1 GiB.`,
  versions: `
All versions. Seen for real in 10.0.13 (right after an 8 TiB unmap that
succeeded) and in 11.1.3 (after the unmap of a 512 GiB entry). Whole unmaps:
gone with commit cac33cb5533a, first release 11.0. Unmaps of page-table
entries: no release fixes them yet.`,
  whatToDo: `
aw-bits=39 on intel-iommu keeps offsets below 256 GiB, which helps only large
VMs. Do not track dirty pages (migration, calc-dirty-rate, dirty limit) while
a guest maps DMA at high addresses. If a QEMU died during a migration or a
measurement of the dirty rate, look at the last UNMAP in its log.`,
  load: async () => (await import('./index.ts')).markPastRam,
};
