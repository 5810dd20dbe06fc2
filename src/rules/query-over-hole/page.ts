import type { Explanation } from '../page.ts';

export const queryOverHole: Explanation = {
  id: 'VTD010',
  slug: 'query-over-hole',
  title: "iommufd's dirty query covers a range with holes",
  whatHappens: `
With iommufd, QEMU 11 asks for dirty bits before it unmaps. The kernel answers
only for a range that is mapped without a hole, otherwise -22. The unmap
itself is still done, its dirty bits are lost, QEMU reports the failure, and a
running migration fails.`,
  why: `
An unmap covers more than one mapping as soon as a page-table entry of a
higher level goes away: 2 MiB, 1 GiB or 512 GiB at once, most of it never
mapped. A range in which nothing is mapped at all is refused in the same way.`,
  example: `
vtd_page_walk_one domain 0x1 iova 0x200000 -> gpa 0x0 mask 0x1fffff perm 0
vfio_iommu_map_notify iommu UNMAP @ 0x200000 - 0x3fffff
qemu: IOMMU_HWPT_GET_DIRTY_BITMAP (iova: 0x200000 size: 0x200000) failed:
      Invalid argument`,
  exampleNote: `
mask 0x1fffff: one entry of 2 MiB, with a few 4 KiB mappings under it.`,
  versions: `
iommufd from 11.0 on: the query came with the series that has commit
cac33cb5533a. Up to 10.2 nothing is asked (VTD004). No release fixes it yet.`,
  whatToDo: `
The legacy container with aw-bits=39 has neither this failure nor VTD001; the
wrong address of VTD002 stays. Or do not migrate with this device attached.`,
  load: async () => (await import('./index.ts')).queryOverHole,
};
